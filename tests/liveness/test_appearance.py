"""The appearance check: its thresholds, what it is shown, and real faces and attacks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.assemble import APPEARANCE_CONTEXT, APPEARANCE_THRESHOLDS
from appliance.liveness.appearance import AppearanceCheck, Context, Thresholds
from appliance.types import Box, Floats, Frame, Landmarks, Liveness, LivenessState
from appliance.vision import manifest
from tests.portraits import NAMES, acquisition, face, network, picture, read
from tests.toys import mesh_in


class Scripted:
    """A network that gives these logits and keeps what it was shown."""

    def __init__(self, *logits: float) -> None:
        self.logits = np.array([logits], np.float32)
        self.shown: Floats = np.zeros(0, np.float32)

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        self.shown = tensor
        return (self.logits,)


def check(model: object) -> AppearanceCheck:
    entry = manifest.load(manifest.shipped_folder()).entry("antispoof", "liveness")
    return AppearanceCheck(
        entry,
        model,  # type: ignore[arg-type]
        APPEARANCE_CONTEXT,
        APPEARANCE_THRESHOLDS,
    )


@cache
def real() -> AppearanceCheck:
    return check(network("antispoof"))


FRAME = Frame(np.full((400, 400, 3), (10, 20, 30), np.uint8), 0.0, "grey")
FACE = mesh_in(Box(150, 150, 100, 120))


def logits(live: float) -> list[float]:
    """Three logits whose softmax gives `live` to the first class."""
    return [float(np.log(live)), float(np.log((1 - live) / 2)), float(np.log((1 - live) / 2))]


@pytest.mark.parametrize(
    ("score", "state"),
    [
        (0.001, LivenessState.SPOOF),
        (0.399, LivenessState.SPOOF),
        (0.401, LivenessState.UNDETERMINED),
        (0.599, LivenessState.UNDETERMINED),
        (0.601, LivenessState.LIVE),
        (0.999, LivenessState.LIVE),
    ],
)
def test_between_attack_and_live_nothing_is_decided(score: float, state: LivenessState) -> None:
    found = check(Scripted(*logits(score))).check(FRAME, FACE)
    assert found.state is state
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.cues == {"appearance": found.score}


def test_thresholds_belong_to_the_side_that_they_open() -> None:
    entry = manifest.load(manifest.shipped_folder()).entry("antispoof")
    half = AppearanceCheck(
        entry,
        Scripted(0.0, 0.0, -1e9),  # type: ignore[arg-type]
        APPEARANCE_CONTEXT,
        Thresholds(attack=0.5, live=0.5),
    )
    assert half.check(FRAME, FACE).state is LivenessState.LIVE


def test_huge_logits_do_not_overflow() -> None:
    assert check(Scripted(1e6, 0, 0)).check(FRAME, FACE).score == 1.0
    assert check(Scripted(-1e6, 0, 0)).check(FRAME, FACE).score == 0.0


def test_the_network_is_shown_raw_pixels_and_black_beyond_the_edge() -> None:
    model = Scripted(0, 0, 0)
    check(model).check(FRAME, FACE)
    assert model.shown.shape == (1, 128, 128, 3)
    assert model.shown.dtype == np.float32
    assert model.shown[0, 64, 64].tolist() == [10, 20, 30]
    check(model).check(FRAME, mesh_in(Box(-50, 150, 100, 120)))
    assert model.shown[0, 64, 5].tolist() == [0, 0, 0]
    assert model.shown[0, 64, 120].tolist() == [10, 20, 30]


def test_the_surroundings_are_a_square_around_the_face() -> None:
    region = Context(side=2.0, drop=0.1).region(mesh_in(Box(100, 50, 101, 201)))
    assert (region.x, region.y, region.side, region.angle) == pytest.approx((150, 170, 400, 0))


# --- real faces ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_portrait_looks_live(name: str) -> None:
    found = real().check(Frame(picture(name), 0.0, name), face(name))
    assert found.state is LivenessState.LIVE
    assert found.score is not None
    assert found.score >= APPEARANCE_THRESHOLDS.live


def test_a_portrait_pasted_as_a_small_print_on_a_grey_card_is_no_longer_sure() -> None:
    """Wiring, not an error rate: flat light and paper borders must pull the score down."""
    known = face("obama.jpg")
    left, top, side = round(known.box.left), round(known.box.top), round(known.box.height)
    cut = picture("obama.jpg")[top : top + side, left : left + side]
    print_ = cv2.GaussianBlur(cut, (0, 0), 2)
    card = np.full((side * 2, side * 2, 3), 235, np.uint8)
    start = side // 2
    card[start : start + side, start : start + side] = print_
    points = known.points + np.array([start - left, start - top, 0], np.float32)
    live = real().check(Frame(picture("obama.jpg"), 0.0, ""), known).score
    flat = real().check(Frame(card, 0.0, "card"), Landmarks(points, 1.0)).score
    assert live is not None
    assert flat is not None
    assert flat < live


def judged(path: Path) -> Liveness:
    bgr = read(path)
    faces = acquisition().faces(bgr)
    assert faces, f"no face in {path.name}"
    return real().check(Frame(bgr, 0.0, path.name), faces[0])


def test_live_faces_pass_and_photographed_attacks_are_refused(data: Path) -> None:
    folder = data / "pad"
    if not folder.is_dir():
        pytest.skip("the measuring data has no pad")
    live = {path.name: judged(path).state for path in sorted(folder.glob("live_*"))}
    attacks = {
        path.name: judged(path).state
        for kind in ("print_*", "attack_*")
        for path in sorted(folder.glob(kind))
    }
    assert live == dict.fromkeys(live, LivenessState.LIVE)
    assert attacks == dict.fromkeys(attacks, LivenessState.SPOOF)
    assert len(live) >= 3
    assert len(attacks) >= 3
