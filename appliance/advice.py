"""What the appliance says to the person at the camera: one sentence per fault, pose and decision.

Nobody is told how close a comparison came, which cue gave an attack away, or what would have
to change to get in: the sentences help the person who belongs here and nobody else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from appliance.phrases import ASKED
from appliance.types import Ask, Decision, Fault, Pose

FAULTS: Mapping[Fault, str] = {
    Fault.NO_FACE: "Look into the camera.",
    Fault.SEVERAL_FACES: "One person at a time, please.",
    Fault.TOO_SMALL: "Come closer.",
    Fault.BLURRED: "Hold still for a moment.",
    Fault.TOO_DARK: "More light is needed.",
    Fault.OVEREXPOSED: "There is too much light; turn away from the sun or the lamp.",
    Fault.TURNED_AWAY: "Look straight at the camera.",
    Fault.CUT_OFF: "Move into the middle of the picture.",
}

POSES: Mapping[Pose, str] = {
    Pose.STRAIGHT: "Look straight at the camera.",
    Pose.LEFT: "Turn your head a little to your left.",
    Pose.RIGHT: "Turn your head a little to your right.",
    Pose.UP: "Raise your chin a little.",
    Pose.DOWN: "Lower your chin a little.",
}

ASKS: Mapping[Ask, str] = {Ask.LOOK: "Look straight at the camera.", **ASKED["en"]}

DECISIONS: Mapping[Decision, str] = {
    Decision.ACCEPT: "Welcome.",
    Decision.REJECT: "The face was not recognised.",
    Decision.NO_FACE: "No face was seen.",
    Decision.SEVERAL_FACES: "One person at a time, please.",
    Decision.POOR_QUALITY: "The picture was not good enough.",
    Decision.SPOOF: "This does not look like a live face.",
    Decision.TIMEOUT: "There was not enough time; stay in front of the camera and try again.",
    Decision.NOT_PERMITTED: "This person may not use this door.",
    Decision.UNKNOWN_PERSON: "Nobody of this name is enrolled.",
    Decision.LOCKED_OUT: "Too many failed attempts.",
}

HOLD = "Hold still."
_MOVEMENTS = frozenset(ask.value for ask in ASKS if ask is not Ask.LOOK)
# What keeps a movement from being seen.
_IN_THE_WAY = (Fault.NO_FACE, Fault.SEVERAL_FACES, Fault.CUT_OFF)
UNJUDGED = (
    "Move into the middle of the picture and hold still: "
    "it could not be told whether the face is live."
)
UNMOVED = (
    "Turn your head a little while you look into the camera: "
    "it could not be told whether the face is live."
)
UNANSWERED = "What was asked for was not seen in time. Do what is asked when it is asked for."
TOO_FEW = "The recording ended before there were enough good pictures."


def of_frame(faults: Sequence[Fault], ask: Ask | None = None) -> tuple[str, str]:
    """What to do about one frame, as a code and a sentence: its worst fault, or what is asked for.

    Whoever is asked to turn the head is not told to look straight for doing it.
    """
    fault = faults[0] if faults else None
    if ask is not None and (fault is None or (ask is not Ask.LOOK and fault not in _IN_THE_WAY)):
        return ask.value, ASKS[ask]
    return ("hold", HOLD) if fault is None else (fault.value, FAULTS[fault])


def is_urgent(code: str) -> bool:
    """Whether it asks for a movement, which counts for a few seconds only."""
    return code in _MOVEMENTS


def locked_out(seconds: float) -> str:
    """Why this claim is refused, and for how long (finite seconds)."""
    return f"{DECISIONS[Decision.LOCKED_OUT]} {wait(seconds)}"


def wait(seconds: float) -> str:
    """How long to wait, rounded up so that nobody comes back too early (finite seconds)."""
    whole = max(math.ceil(seconds), 1)
    return f"Wait {whole} second{'' if whole == 1 else 's'}."
