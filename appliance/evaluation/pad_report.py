"""The report of `evaluate pad`: APCER for each species of attack, and BPCER (ISO/IEC 30107-3).

APCER is the share of attacks of one species that are taken for a living person. It is never
averaged over species: who attacks chooses the one that works. BPCER is the share of living persons
who are not: one who is called undetermined stays outside like one who is called an attack, so both
count. Non-responses, where nothing could be judged, are in neither and are told as APNRR and BPNRR.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.errors import InputError
from appliance.evaluation.counts import EXACT, share_of_pictures
from appliance.evaluation.pad import NON_RESPONSES, RESPONSES, Outcome, Presented
from appliance.evaluation.pad_files import LIVE
from appliance.types import Fault

Test = Callable[[Presented], bool]

BOOTSTRAP = "bootstrap_over_clips"
# More files than this are told by their number alone.
MOST_NAMED = 10
_LOW, _MIDDLE, _HIGH = 5, 50, 95


@dataclass(frozen=True)
class Judged:
    """One presentation and what became of each attempt on it.

    label: `live`, or the species. unreadable: why it gave no frame; then there is no attempt.
    damage: what of it could not be read, though the rest was judged.
    apart: whether it is a folder of pictures that do not follow each other: each is an attempt.
    """

    label: str
    name: str
    attempts: Sequence[Presented] = ()
    unreadable: str | None = None
    damage: str | None = None
    apart: bool = False


def report(judged: Sequence[Judged], species: Sequence[str]) -> dict[str, Any]:
    """The JSON of `evaluate pad`, without what only the caller knows of the settings.

    Rates are shares with 95 % intervals (`ci`); None where there was no trial. InputError where no
    file could be read.
    """
    unreadable = [item for item in judged if item.unreadable is not None]
    if judged and len(unreadable) == len(judged):
        raise InputError(
            "None of the files can be read, so nothing was measured.",
            hint=f"The first: {unreadable[0].name}: {unreadable[0].unreadable}",
            code="nothing_readable",
        )
    damaged = [item for item in judged if item.damage is not None]
    classes = {label: _of(judged, label) for label in (LIVE, *species)}
    apcer = {name: _rate(classes[name], _is_missed_attack) for name in species}
    return {
        "bpcer": _rate(classes[LIVE], _is_refused_person),
        "apcer": apcer,
        "worst_species": _worst(apcer),
        "bpnrr": _non_response_rate(classes[LIVE]),
        "apnrr": {name: _non_response_rate(classes[name]) for name in species},
        "classes": {label: _account(items) for label, items in classes.items()},
        "unreadable": len(unreadable),
        "unreadable_files": [
            {"name": item.name, "reason": item.unreadable} for item in unreadable[:MOST_NAMED]
        ],
        "shown_apart": sum(item.apart for item in judged),
        "damaged": len(damaged),
        "damaged_files": [
            {"name": item.name, "reason": item.damage} for item in damaged[:MOST_NAMED]
        ],
    }


def _of(judged: Iterable[Judged], label: str) -> list[Judged]:
    return [item for item in judged if item.label == label]


def _is_missed_attack(it: Presented) -> bool:
    return it.outcome is Outcome.LIVE


def _is_refused_person(it: Presented) -> bool:
    return it.outcome is not Outcome.LIVE


def _is_unanswered(it: Presented) -> bool:
    return not it.outcome.is_response


def _is_cut_off(it: Presented) -> bool:
    """Whether more time might have decided it, either way."""
    return it.outcome is Outcome.UNDETERMINED and it.cut_off


def _rate(items: Sequence[Judged], is_error: Test) -> dict[str, Any]:
    """The share of errors among the responses."""
    return _share(items, is_error, among=lambda it: it.outcome.is_response)


def _non_response_rate(items: Sequence[Judged]) -> dict[str, Any]:
    return _share(items, _is_unanswered, among=lambda _: True)


def _share(items: Sequence[Judged], happened: Test, *, among: Test) -> dict[str, Any]:
    """Attempts on one recording are tied to each other, so the interval is one over recordings."""
    hits, clips = [], []
    for number, item in enumerate(items):
        counted = [it for it in item.attempts if among(it)]
        hits += [happened(it) for it in counted]
        clips += [number] * len(counted)
    share = share_of_pictures(np.array(hits, bool), np.array(clips, np.int32), max(len(items), 1))
    return {
        "rate": _number(share.value),
        "n": share.pictures,
        "ci": [_number(edge) for edge in share.interval],
        "errors": sum(hits),
        "ci_method": EXACT if share.method == EXACT else BOOTSTRAP,
    }


def _worst(apcer: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """The species that passes most often; of equals, the one that the data exclude least."""
    measured = {name: it for name, it in apcer.items() if it["n"]}
    if not measured:
        return None
    name = max(measured, key=lambda it: (measured[it]["rate"], measured[it]["ci"][1]))
    return {"species": name, **measured[name]}


def _account(items: Sequence[Judged]) -> dict[str, Any]:
    """All that was counted of one class."""
    found = [it for item in items for it in item.attempts]
    counts = Counter(it.outcome for it in found)
    return {
        "presentations": sum(1 for item in items if item.attempts),
        "attempts": len(found),
        "from_pictures": sum(it.still for it in found),
        "from_clips": sum(not it.still for it in found),
        "unreadable": sum(item.unreadable is not None for item in items),
        **{outcome.value: counts[outcome] for outcome in RESPONSES},
        "undetermined_cut_off": sum(_is_cut_off(it) for it in found),
        "non_response": {outcome.value: counts[outcome] for outcome in NON_RESPONSES},
        "reasons": _ranked(reason.value for it in found for reason in it.reasons),
        "lacks": _ranked(it.lack.value for it in found if it.lack),
        "frames": {
            "looked_at": sum(it.looked for it in found),
            "judged": sum(it.judged for it in found),
            "refused": _summed(it.faults for it in found),
        },
        "score": quantiles([it.score for it in found if it.score is not None]),
        "cues": _cues(found),
        "decided_after_s": quantiles([it.after_s for it in found if not it.still]),
        "seconds": quantiles([it.seconds for it in found]),
    }


def _ranked(words: Iterable[str]) -> dict[str, int]:
    """How often each comes, the commonest first."""
    return dict(Counter(words).most_common())


def _summed(each: Iterable[Mapping[Fault, int]]) -> dict[str, int]:
    """How many frames were refused in all, by reason, the commonest first."""
    total: Counter[str] = Counter()
    for faults in each:
        total.update({fault.value: count for fault, count in faults.items()})
    return dict(total.most_common())


def _cues(found: Sequence[Presented]) -> dict[str, Any]:
    """What each cue measured where it could tell, in its own unit."""
    names = sorted({name for it in found for name in it.cues})
    return {name: quantiles([it.cues[name] for it in found if name in it.cues]) for name in names}


def quantiles(values: Sequence[float]) -> dict[str, Any] | None:
    """How many, and their 5th, 50th and 95th percentile; None of none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, middle, high = np.percentile(np.asarray(finite), (_LOW, _MIDDLE, _HIGH))
    told = {"p5": float(low), "p50": float(middle), "p95": float(high)}
    return {"n": len(finite), **{name: _number(value) for name, value in told.items()}}


def _number(value: float) -> float | None:
    """Four significant digits; None where there were no trials, for JSON has no NaN."""
    return None if math.isnan(value) else float(f"{value:.4g}")
