"""What is told of a verdict, as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.types import Liveness, LivenessState, Verdict


def verdict_json(
    name: str, verdict: Verdict, target_far: float, timings_ms: Mapping[str, float]
) -> dict[str, object]:
    """The contract's fields of `verify`, and what was found besides."""
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
        "liveness": liveness_json(verdict.liveness, verdict.frames_used),
        "faults": {fault.value: count for fault, count in verdict.faults.items()},
        "timings_ms": dict(timings_ms),
    }


def liveness_json(liveness: Liveness, frames: int) -> dict[str, object]:
    """What was judged, and what the judgement rests on."""
    return {
        "state": liveness.state.value,
        "score": None if liveness.score is None else round(liveness.score, 4),
        "basis": describe_basis(frames, liveness),
        "reasons": [reason.value for reason in liveness.reasons],
        "cues": {name: round(value, 4) for name, value in liveness.cues.items()},
    }


def describe_basis(frames: int, liveness: Liveness) -> str:
    """What a liveness verdict rests on, for people. frames: those used to recognise the face."""
    if liveness.state is LivenessState.NOT_CHECKED:
        return "not checked"
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
