"""The report of `evaluate lfw`: what the shipped model and thresholds do on labelled faces."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, people_sha256
from appliance.evaluation.embed import Embedded
from appliance.evaluation.protocols import ENROLLED, gather, pair_scores, single, templates
from appliance.evaluation.rates import Scores, Trials, folded_accuracy
from appliance.matching import applicable, threshold
from appliance.vision.manifest import Calibration

TARGETS = {"1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}


def report(
    dataset: Dataset, embedded: Sequence[Embedded], model: str, calibration: Calibration
) -> dict[str, object]:
    """The JSON of `evaluate lfw`; rates are shares, intervals 95 %."""
    missed = sum(item.missed for item in embedded)
    if missed == len(embedded):
        raise InputError(
            "No face was found in any picture of the data set.",
            hint="Pictures should be upright and show one face each.",
        )
    data = gather(dataset, embedded)
    result: dict[str, object] = {
        "model": model,
        "images": len(embedded),
        "people": data.people,
        "in_sample": people_sha256(dataset) == calibration.people_sha256,
        "missed": missed,
        "refused": int((~data.usable).sum()) - missed,
        "refused_for": dict(Counter(item.fault for item in embedded if item.fault)),
    }
    if dataset.pairs:
        result["accuracy"] = _accuracy(dataset, pair_scores(data, dataset.pairs))
    if dataset.pairs or dataset.missing_pairs:
        result["missing_pairs"] = dataset.missing_pairs
    result["single"] = _at_targets(*single(data), calibration, enrolled=1)
    result[f"template_{ENROLLED}_1"] = _at_targets(*templates(data), calibration, enrolled=ENROLLED)
    return result


def _accuracy(dataset: Dataset, scores: Scores) -> dict[str, object]:
    same = np.array([pair.same for pair in dataset.pairs])
    folds = np.array([pair.fold for pair in dataset.pairs])
    if len(np.unique(folds)) < 2:
        raise InputError("pairs.txt has a single fold; a threshold needs others to be chosen on.")
    mean, error, each = folded_accuracy(scores, same, folds)
    return {
        "mean": round(mean, 5),
        "standard_error": round(error, 5),
        "folds": [round(item, 5) for item in each],
        "pairs": len(same),
    }


def _at_targets(
    genuine: Trials, impostor: Trials, calibration: Calibration, *, enrolled: int
) -> dict[str, object]:
    curves = applicable(calibration, enrolled, 1)
    return {
        name: _row(genuine, impostor, max(threshold(curve, target) for curve in curves))
        for name, target in TARGETS.items()
    }


def _row(genuine: Trials, impostor: Trials, at: float) -> dict[str, object]:
    far, frr = impostor.accepted(at), genuine.rejected(at)
    return {
        "threshold": round(at, 5),
        "far": _number(far.value),
        "frr": _number(frr.value),
        "far_ci": [_number(edge) for edge in far.interval],
        "frr_ci": [_number(edge) for edge in frr.interval],
        "impostor_trials": far.trials,
        "genuine_trials": frr.trials,
    }


def _number(value: float) -> float | None:
    """Four significant digits; None where there were no trials, for JSON has no NaN."""
    return None if math.isnan(value) else float(f"{value:.4g}")
