"""From impostor similarities to a curve similarity → false-accept rate, as the manifest holds it.

Rates are counted where many impostors reached a similarity, and read off a fitted tail beyond
(evaluation.tails). The curve ends where the trials can no longer vouch for the order of magnitude
of a rate, and a protocol with too few trials for a tail gets no curve at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.protocols import ENROLLED, ENROLLED_LIVE, Embeddings, single, templates
from appliance.evaluation.rates import Trials
from appliance.evaluation.tails import LEAST_EXCEEDANCES, TAIL, Bounds, Tail, bounds, fit_tail

# How many decades beyond "one trial in n" the fitted tail may be used, and how much larger than
# stated the true rate may be, at the end of its 95 % interval.
BEYOND = 10.0
MOST_OFF = 10.0
POINTS_A_DECADE = 8
LOWEST_FAR = 1e-6
# The rates whose intervals are kept.
STATED = (1e-3, 1e-4, 1e-5, 1e-6)


def curve(impostor: Trials, *, enrolled: int, probes: int) -> dict[str, object]:
    """The manifest's table for one protocol. InputError `too_few_trials`."""
    scores = impostor.scores
    tail = fit_tail(scores)
    ranked = np.sort(scores)
    rates = _grid(max(1 / (scores.size * BEYOND), LOWEST_FAR))
    kept = _supported(bounds(impostor, [(rate, _at(ranked, tail, rate)) for rate in rates]))
    stated = [item for item in kept if any(math.isclose(item.far, far) for far in STATED)]
    similarity = [_at(ranked, tail, item.far) for item in kept]
    return {
        "enrolled": enrolled,
        "probes": probes,
        "trials": int(scores.size),
        "supported": float(f"{kept[-1].far:.3g}"),
        # Rounded: the last digits depend on how a machine adds up.
        "tail": {name: float(f"{getattr(tail, name):.6g}") for name in ("start", "shape", "scale")},
        "bounds": _table(stated, [_at(ranked, tail, item.far) for item in stated]),
        "similarity": _rising(similarity),
        "log10_far": [round(math.log10(item.far), 4) for item in kept],
    }


def _grid(lowest: float) -> list[float]:
    """Rates from one in two down, falling by even steps; whole powers of ten are among them."""
    last = math.floor(-math.log10(lowest) * POINTS_A_DECADE + 1e-6)
    steps = np.arange(math.ceil(0.3 * POINTS_A_DECADE), last + 1) / POINTS_A_DECADE
    return [10 ** -float(step) for step in (0.3, *steps)]


def _supported(found: list[Bounds]) -> list[Bounds]:
    """The rates, falling, up to the first whose true value may be far larger than stated."""
    doubtful = [place for place, item in enumerate(found) if _doubtful(item)]
    end = doubtful[0] if doubtful else len(found)
    return found[: max(end, 2)]


def _doubtful(item: Bounds) -> bool:
    return item.far_interval[1] > MOST_OFF * item.far


def _table(stated: list[Bounds], similarity: list[float]) -> dict[str, object]:
    """95 % intervals, a column each; `far` is the rate at the fitted similarity."""
    return {
        "far": [float(f"{item.far:.3g}") for item in stated],
        "similarity": [round(value, 5) for value in similarity],
        "similarity_low": [round(item.similarity[0], 5) for item in stated],
        "similarity_high": [round(item.similarity[1], 5) for item in stated],
        "far_low": [float(f"{item.far_interval[0]:.3g}") for item in stated],
        "far_high": [float(f"{item.far_interval[1]:.3g}") for item in stated],
    }


def _at(ranked: NDArray[np.float32], tail: Tail, far: float) -> float:
    if far < tail.share:
        return tail.similarity(far)
    return float(ranked[ranked.size - max(round(far * ranked.size), 1)])


def _rising(values: list[float]) -> list[float]:
    """Round, and keep the curve strictly usable where counting and the fit meet."""
    return [round(float(value), 5) for value in np.maximum.accumulate(values)]


def curves(data: Embeddings) -> dict[str, dict[str, object]]:
    """The curves of one model for every protocol. InputError `too_few_trials` for any of them.

    people: of the data set. people_enrolled: of them, those who own a template that is compared;
    with one picture against one, all who have a usable picture.
    """
    require_enough(data)
    found = {}
    for name, (enrolled, probes) in PROTOCOLS.items():
        if not _supported_by(data, enrolled, probes):
            continue  # only of OPTIONAL ones: `require_enough` has seen to the others
        impostor = single(data)[1] if enrolled == 1 else templates(data, probes, enrolled)[1]
        # Each pair of `single` stands there once, so both of its people are counted.
        owners = data.person[data.usable] if enrolled == 1 else impostor.one
        found[name] = curve(impostor, enrolled=enrolled, probes=probes) | {
            "people": data.people,
            "people_enrolled": int(np.unique(owners).size),
        }
    return found


def left_out(found: Iterable[str]) -> list[str]:
    """The protocols that `curves` left out, for too few people have so many pictures."""
    return sorted(set(PROTOCOLS) - set(found))


def require_enough(data: Embeddings) -> None:
    """InputError `too_few_trials` where a protocol has too few impostor trials for a curve."""
    for name, (enrolled, probes) in PROTOCOLS.items():
        if name not in OPTIONAL:
            _enough(_trials(data, enrolled, probes), name, enrolled, probes)


def _supported_by(data: Embeddings, enrolled: int, probes: int) -> bool:
    return _trials(data, enrolled, probes) >= NEEDED


def _trials(data: Embeddings, enrolled: int, probes: int) -> int:
    return _single_trials(data) if enrolled == 1 else _template_trials(data, probes, enrolled)


def _single_trials(data: Embeddings) -> int:
    each = np.bincount(data.person[data.usable], minlength=data.people)
    return int(each.sum() ** 2 - (each**2).sum()) // 2


def _template_trials(data: Embeddings, probes: int, enrolled: int) -> int:
    """How many impostor trials `templates` makes, without making them."""
    each = np.bincount(data.person[data.usable], minlength=data.people)
    groups = each // probes
    return int((groups.sum() - groups)[each >= enrolled].sum())


# What trials must be for a tail of the least size.
NEEDED = round(LEAST_EXCEEDANCES / TAIL)
PROTOCOLS = {
    "single": (1, 1),
    f"template_{ENROLLED}_1": (ENROLLED, 1),
    f"template_{ENROLLED}_3": (ENROLLED, 3),
    f"template_{ENROLLED_LIVE}_1": (ENROLLED_LIVE, 1),
    f"template_{ENROLLED_LIVE}_3": (ENROLLED_LIVE, 3),
}
# Few sets have enough people with so many pictures: these are left out where they do not.
OPTIONAL = frozenset(name for name, (enrolled, _) in PROTOCOLS.items() if enrolled > ENROLLED)


def _enough(trials: int, name: str, enrolled: int, probes: int) -> None:
    if trials >= NEEDED:
        return
    each = 1 if enrolled == 1 else enrolled + probes
    raise InputError(
        f"The pictures give {trials:,} comparisons of strangers for the protocol {name}; "
        f"no false-accept rate is stated from fewer than {NEEDED:,}.",
        hint=f"For example {_people_needed(NEEDED, enrolled, probes)} people with {each} good "
        f"{'picture' if each == 1 else 'pictures'} each would do, or fewer people with more.",
        code="too_few_trials",
    )


def _people_needed(trials: int, enrolled: int, probes: int) -> int:
    """How many people with just enough pictures give so many comparisons."""
    if enrolled == 1:
        return math.ceil((1 + math.sqrt(1 + 8 * trials)) / 2)
    groups = (enrolled + probes) // probes
    return math.ceil((1 + math.sqrt(1 + 4 * trials / groups)) / 2)
