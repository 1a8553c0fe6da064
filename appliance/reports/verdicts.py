"""What is told of a verdict, as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.liveness.infrared import CUE as INFRARED
from appliance.types import Liveness, LivenessState, Verdict


def verdict_json(
    name: str,
    verdict: Verdict,
    target_far: float,
    timings_ms: Mapping[str, float],
    *,
    without_infrared: bool = False,
) -> dict[str, object]:
    """The contract's fields of `verify`, and what was found besides; see `describe_basis`."""
    match = verdict.match
    return {
        "name": name,
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "similarity": None if match is None else round(match.similarity, 5),
        "threshold": None if match is None else round(match.threshold, 5),
        "handicap": None if match is None else round(match.handicap, 5),
        "far": None if match is None else float(f"{match.far:.3g}"),
        "far_is_bound": None if match is None else match.far_is_bound,
        "target_far": target_far,
        "frames_used": verdict.frames_used,
        "liveness": liveness_json(
            verdict.liveness, verdict.frames_used, without_infrared=without_infrared
        ),
        "faults": {fault.value: count for fault, count in verdict.faults.items()},
        "timings_ms": dict(timings_ms),
    }


def liveness_json(
    liveness: Liveness, frames: int, *, without_infrared: bool = False
) -> dict[str, object]:
    """What was judged, and what the judgement rests on."""
    return {
        "state": liveness.state.value,
        "score": None if liveness.score is None else round(liveness.score, 4),
        "basis": describe_basis(frames, liveness, without_infrared=without_infrared),
        "reasons": [reason.value for reason in liveness.reasons],
        "cues": {name: round(value, 4) for name, value in liveness.cues.items()},
    }


def describe_basis(frames: int, liveness: Liveness, *, without_infrared: bool = False) -> str:
    """What a liveness verdict rests on, for people. frames: those used to recognise the face.

    without_infrared: an infrared camera is configured, and recordings were judged without it.
    """
    if liveness.state is LivenessState.NOT_CHECKED:
        return "not checked"
    basis = _basis(frames, liveness)
    if without_infrared:
        return f"{basis}, not looked at in infrared"
    in_both = liveness.state is LivenessState.LIVE and INFRARED in liveness.cues
    return f"{basis}, in infrared as well" if in_both else basis


def _basis(frames: int, liveness: Liveness) -> str:
    if frames == 0:
        return "appearance"
    basis = (
        "appearance of a single picture, no motion"
        if frames == 1 and not liveness.motion
        else f"appearance of {frames} frames"
    )
    if liveness.motion:
        basis += f", motion in depth over {liveness.frames}"
    return f"{basis}, challenge answered" if liveness.answered else basis
