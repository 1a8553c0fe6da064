"""The appearance check: its thresholds, what it is shown, and real faces and attacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.assemble import APPEARANCE_THRESHOLDS
from appliance.liveness.appearance import (
    LOPSIDED,
    SHIPPED,
    AppearanceCheck,
    Context,
    Thresholds,
    is_lopsided,
)
from appliance.liveness.network import Network, Recipe, recipe_of
from appliance.types import Box, Floats, Frame, Landmarks, Liveness, LivenessState, Pixels, Region
from appliance.vision import manifest
from tests.portraits import NAMES, acquisition, face, network, picture, read
from tests.toys import mesh_in

SIDE = 16


class Scripted:
    """A network that gives these logits, in turns, and keeps what it was shown."""

    def __init__(self, *turns: Sequence[float]) -> None:
        self.input_shape: tuple[int, ...] = (1, SIDE, SIDE, 3)
        self.output_shapes: list[tuple[int, ...]] = [(1, 3)]
        self.turns = [np.array([logits], np.float32) for logits in turns]
        self.shown: list[Floats] = []

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        self.shown.append(tensor[0])
        # The first picture is the trial of the network itself.
        return (self.turns[(len(self.shown) - 2) % len(self.turns)],)


def check(model: Scripted, thresholds: Thresholds = APPEARANCE_THRESHOLDS) -> AppearanceCheck:
    made = AppearanceCheck(Network("scripted", model, Recipe()), SHIPPED, thresholds)
    assert len(model.shown) == 1
    return made


@cache
def real() -> AppearanceCheck:
    entry = manifest.load(manifest.shipped_folder()).entry("antispoof", "liveness")
    shipped = Network(entry.name, network("antispoof"), recipe_of(entry))
    return AppearanceCheck(shipped, SHIPPED, APPEARANCE_THRESHOLDS)


GREY = np.full((400, 400, 3), (10, 20, 30), np.uint8)
FRAME = Frame(GREY, 0.0, "grey")
STILL = Frame(GREY, 0.0, "grey", still=True)
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
    found = check(Scripted(logits(score))).check(FRAME, FACE)
    assert found.state is state
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.cues == {"appearance": found.score}


def test_thresholds_belong_to_the_side_that_they_open() -> None:
    half = check(Scripted([0.0, 0.0, -1e9]), Thresholds(attack=0.5, live=0.5))
    assert half.check(FRAME, FACE).state is LivenessState.LIVE


def test_huge_logits_do_not_overflow_and_one_look_outvotes_no_other_by_them() -> None:
    assert check(Scripted([1e6, 0, 0])).check(FRAME, FACE).score == pytest.approx(1, abs=1e-6)
    assert check(Scripted([-1e6, 0, 0])).check(FRAME, FACE).score == pytest.approx(0, abs=1e-6)
    apart = check(Scripted([1e6, 0, 0], [-1e6, 0, 0]))
    assert apart.check(FRAME, FACE).score == pytest.approx(0.5)


def test_two_looks_are_averaged_in_log_odds() -> None:
    found = check(Scripted([3.0, 0.0, -1e9], [1.0, 0.0, -1e9])).check(FRAME, FACE)
    assert found.score == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-6)


def test_what_is_shown_nothing_is_not_built() -> None:
    with pytest.raises(ValueError, match="shown nothing"):
        AppearanceCheck(
            Network("scripted", Scripted([0, 0, 0]), Recipe()), (), APPEARANCE_THRESHOLDS
        )


def test_the_tight_square_is_black_beyond_the_edge_and_the_wide_one_stays_inside() -> None:
    model = Scripted([0, 0, 0])
    check(model).check(FRAME, mesh_in(Box(-50, 150, 100, 120)))
    _, tight, wide = model.shown
    assert tight.dtype == np.float32
    assert tight[SIDE // 2, 1].tolist() == [0, 0, 0]
    assert tight[SIDE // 2, SIDE - 2].tolist() == [10, 20, 30]
    assert wide.min() == 10


def test_a_square_that_is_larger_than_the_picture_is_shrunk_into_it() -> None:
    bgr = np.zeros((100, 200, 3), np.uint8)
    bgr[:, :100] = 200
    huge = mesh_in(Box(80, -20, 100, 140))
    crop = Context(2.0, outside="inside").crop(bgr, huge, 100)
    # A square of the picture's height about x = 130: 20 columns of the bright half and 80 others.
    assert (crop[50] > 100).all(axis=1).sum() == pytest.approx(20, abs=2)
    assert (crop[0] == crop[-1]).all()


def test_a_stretched_crop_has_the_proportions_of_the_face() -> None:
    bgr = np.zeros((400, 400, 3), np.uint8)
    bgr[100:300, 150:250] = 255  # the box of the face, exactly
    known = mesh_in(Box(149.5, 99.5, 100, 200))
    square = Context(2.0).crop(bgr, known, 100)
    stretched = Context(2.0, stretch=True).crop(bgr, known, 100)
    across = [(it[50] > 127).all(axis=1).sum() for it in (square, stretched)]
    down = [(it[:, 50] > 127).all(axis=1).sum() for it in (square, stretched)]
    assert across == pytest.approx([25, 50], abs=1)
    assert down == pytest.approx([50, 50], abs=1)


def test_the_surroundings_are_a_square_around_the_face() -> None:
    region = Context(side=2.0, drop=0.1).region(mesh_in(Box(100, 50, 101, 201)))
    assert (region.x, region.y, region.side, region.angle) == pytest.approx((150, 170, 400, 0))


# --- faces at the edge of the picture -------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "side", "lopsided"),
    [
        (200, 150, 100, False),  # inside
        (50, 50, 100, False),  # touches two edges from within
        (200, 150, 300, False),  # fills the height exactly
        (200, 150, 360, False),  # out above and below alike
        (200, 150, 600, False),  # out on all four sides, as far on both of each pair
        (43, 150, 100, False),  # out on the left by 7 %
        (41, 150, 100, True),  # by 9 %
        (359, 150, 100, True),
        (357, 150, 100, False),
        (200, 41, 100, True),
        (200, 259, 100, True),
        (41, 41, 100, True),  # a corner
        (0, 0, 100, True),
        (400, 300, 100, True),
        (-500, 150, 100, True),  # not in the picture at all
        (150, 150, 500, True),  # out on both sides, on the left by 100 and on the right by 0
        (180, 150, 500, False),  # by 70 and by 30: 8 % exactly
        (179, 150, 500, True),
    ],
)
def test_a_region_is_lopsided_that_reaches_out_of_the_picture_on_one_side(
    x: float, y: float, side: float, *, lopsided: bool
) -> None:
    assert LOPSIDED == 0.08
    assert is_lopsided(Region(x, y, side), width=400, height=300) is lopsided


MIDDLE, LEFT = FACE, mesh_in(Box(0, 150, 100, 120))
CORNER, LARGE = mesh_in(Box(0, 0, 100, 120)), mesh_in(Box(20, 0, 360, 400))


@pytest.mark.parametrize(
    ("score", "where", "state"),
    [
        (0.99, MIDDLE, LivenessState.LIVE),
        (0.99, LARGE, LivenessState.LIVE),  # near, and out on both sides alike
        (0.99, LEFT, LivenessState.UNDETERMINED),
        (0.99, CORNER, LivenessState.UNDETERMINED),
        (0.5, LEFT, LivenessState.UNDETERMINED),
        (0.01, LEFT, LivenessState.SPOOF),
        (0.01, CORNER, LivenessState.SPOOF),
        (0.01, MIDDLE, LivenessState.SPOOF),
    ],
)
def test_a_face_at_the_edge_is_never_live_and_still_found_out(
    score: float, where: Landmarks, state: LivenessState
) -> None:
    found = check(Scripted(logits(score))).check(FRAME, where)
    assert found.state is state
    assert found.score == pytest.approx(score, abs=1e-5)  # what was measured is told all the same


@pytest.mark.parametrize(
    ("frame", "where", "state"),
    [
        (STILL, LEFT, LivenessState.SPOOF),
        (FRAME, LEFT, LivenessState.UNDETERMINED),
        (STILL, MIDDLE, LivenessState.LIVE),
        (FRAME, MIDDLE, LivenessState.LIVE),
    ],
)
def test_who_is_seen_at_the_edge_for_a_moment_is_not_accused_of_the_black_beyond_it(
    frame: Frame, where: Landmarks, state: LivenessState
) -> None:
    """The tight look says 0.1 and the wide one 0.99; a picture by itself has no next frame."""
    found = check(Scripted(logits(0.1), logits(0.99))).check(frame, where)
    assert found.state is state


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


@cache
def seen(path: Path) -> tuple[Pixels, Landmarks]:
    """A picture of the measuring data, with its largest face."""
    bgr = read(path)
    faces = acquisition().faces(bgr)
    assert faces, f"no face in {path.name}"
    return bgr, faces[0]


def judged(path: Path) -> Liveness:
    bgr, known = seen(path)
    return real().check(Frame(bgr, 0.0, path.name, still=True), known)


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


def cut_beside(bgr: Pixels, known: Landmarks, side: str, share: float) -> tuple[Pixels, Landmarks]:
    """The picture cut off on one side, that share of the face's box inside the box."""
    box = known.box
    left = max(round(box.left + share * box.width), 0) if side == "left" else 0
    top = max(round(box.top + share * box.height), 0) if side == "top" else 0
    right = round(box.left + (1 - share) * box.width) if side == "right" else bgr.shape[1]
    bottom = round(box.top + (1 - share) * box.height) if side == "bottom" else bgr.shape[0]
    points = known.points - np.array([left, top, 0], np.float32)
    cut = np.ascontiguousarray(bgr[top:bottom, left:right])
    return cut, Landmarks(points, known.presence)


@pytest.mark.parametrize(
    ("side", "still"), [("left", False), ("right", True), ("top", False), ("bottom", True)]
)
def test_an_attack_held_half_out_of_the_picture_is_never_live(
    data: Path, side: str, *, still: bool
) -> None:
    paths = [*sorted((data / "pad").glob("attack_*")), *sorted((data / "pad").glob("print_*"))]
    if not paths:
        pytest.skip("the measuring data has no pad")
    live = []
    for path in paths:
        bgr, known = seen(path)
        for share in (-0.15, 0.0, 0.1, 0.2, 0.4):
            cut, shifted = cut_beside(bgr, known, side, share)
            found = real().check(Frame(cut, 0.0, path.name, still=still), shifted)
            if found.state is LivenessState.LIVE:
                live.append((path.name, share, found.score))
    assert live == []


def test_a_face_that_is_found_at_the_left_edge_of_an_attack_is_never_live(data: Path) -> None:
    """The same by the detector and the mesh, which place the points anew in the cut picture."""
    path = data / "pad" / "attack_02.jpg"
    if not path.is_file():
        pytest.skip("the measuring data has no pad/attack_02.jpg")
    bgr, known = seen(path)
    states = []
    for share in (-0.15, 0.0, 0.03, 0.06, 0.1):
        cut, _ = cut_beside(bgr, known, "left", share)
        faces = acquisition().faces(cut)
        states += [real().check(Frame(cut, 0.0, path.name), it).state for it in faces]
    assert states
    assert LivenessState.LIVE not in states


@pytest.mark.parametrize("name", NAMES)
def test_not_even_a_portrait_cut_at_its_face_is_called_live(name: str) -> None:
    cut, shifted = cut_beside(picture(name), face(name), "left", 0.0)
    assert real().check(Frame(cut, 0.0, name), shifted).state is not LivenessState.LIVE
