"""The report of `evaluate lfw`: what the shipped model and thresholds do on labelled faces."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.counts import Share, share_of_pictures, unreadable
from appliance.evaluation.dataset import Dataset, known_people
from appliance.evaluation.embed import Embedded
from appliance.evaluation.protocols import (
    ENROLLED,
    Embeddings,
    gather,
    pair_scores,
    single,
    templates,
)
from appliance.evaluation.rates import Scores, Trials, folded_accuracy
from appliance.matching import applicable, handicap, threshold
from appliance.vision.manifest import Calibration

TARGETS = {"1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}


def report(
    dataset: Dataset, embedded: Sequence[Embedded], model: str, calibration: Calibration
) -> dict[str, object]:
    """The JSON of `evaluate lfw`; rates are shares, intervals 95 %.

    in_sample, people_in_calibration: None where the calibration does not tell whom it is from.
    Missed, refused and unreadable pictures all count as rejections.
    """
    missed = sum(item.missed for item in embedded)
    unread = unreadable(dataset, embedded)
    if missed + unread.count == len(embedded):
        raise InputError(
            "No face was found in any picture of the data set.",
            hint="Pictures should be upright and show one face each."
            + (f" {unread.count} of the files cannot be read." if unread.count else ""),
        )
    data = gather(dataset, embedded, partial(handicap, calibration))
    known = known_people(dataset, calibration)
    result: dict[str, object] = {
        "model": model,
        "images": len(embedded),
        "people": data.people,
        "in_sample": None if known is None else 2 * known >= data.people,
        "people_in_calibration": known,
        "missed": missed,
        "refused": int((~data.usable).sum()) - missed - unread.count,
        "unreadable": unread.count,
        "unreadable_files": list(unread.files),
        "refused_for": dict(Counter(item.fault for item in embedded if item.fault)),
        **_intervals(data, embedded),
    }
    if dataset.pairs:
        result["accuracy"] = _accuracy(dataset, pair_scores(data, dataset.pairs))
    if dataset.pairs or dataset.missing_pairs:
        result["missing_pairs"] = dataset.missing_pairs
    result["single"] = at_targets(*single(data), calibration, enrolled=1)
    result[f"template_{ENROLLED}_1"] = at_targets(*templates(data), calibration, enrolled=ENROLLED)
    return result


def _intervals(data: Embeddings, embedded: Sequence[Embedded]) -> dict[str, object]:
    shares: dict[str, Share] = {
        name: share_of_pictures(happened, data.person, data.people)
        for name, happened in fates(data, embedded).items()
    }
    told = {f"{name}_ci": [_number(edge) for edge in it.interval] for name, it in shares.items()}
    return {**told, "ci_method": shares["missed"].method}


def fates(data: Embeddings, embedded: Sequence[Embedded]) -> dict[str, NDArray[np.bool_]]:
    """(n,) each: which pictures were `missed`, and which `refused` for their quality."""
    missed = np.array([item.missed for item in embedded])
    unread = np.array([item.unreadable for item in embedded])
    return {"missed": missed, "refused": ~data.usable & ~missed & ~unread}


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


def at_targets(
    genuine: Trials, impostor: Trials, calibration: Calibration, *, enrolled: int
) -> dict[str, dict[str, object]]:
    """FAR and FRR at the shipped threshold of each target, for one protocol."""
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
