"""The surroundings: still behind a head, carried along by a sheet, and in depth behind a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.liveness.cue import View
from appliance.liveness.surroundings import Surroundings, similarity
from appliance.types import Box, Frame, Landmarks, Pixels
from appliance.vision.tracker import follow
from tests.attacks.present import present
from tests.attacks.sources import sources
from tests.portraits import acquisition, mesh
from tests.toys import mesh_in

WIDTH, HEIGHT = 480, 360
FACE = Box(205, 130, 70, 85)
# What belongs to the person: the head with its hair, and below it all that stands there.
HEAD = (slice(105, 360), slice(190, 290))
SHEET = (slice(60, 320), slice(130, 350))
# No head moves the surroundings by more, no sheet by less.
LITTLE, MUCH = 0.05, 0.3

Shift = NDArray[np.float64]


def texture(seed: int) -> Pixels:
    """Blobs of all greys, a few pixels wide."""
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 4.0)
    return np.asarray(np.clip(128 + 45 * blobs / blobs.std(), 0, 255), np.uint8)


def moved(picture: Pixels, shift: Shift) -> Pixels:
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    flags = {"borderMode": cv2.BORDER_REFLECT}
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), **flags), np.uint8)  # type: ignore[call-overload]


def sway(seconds: float) -> Shift:
    """How a head, a hand or a camera drifts, in pixels."""
    return np.array([5 * np.sin(5 * seconds) + 2 * np.sin(11 * seconds), 3 * np.sin(4 * seconds)])


Scene = Callable[[float], tuple[Pixels, Shift]]
WALL, PERSON = texture(1), texture(2)


def carried(part: tuple[slice, slice], wall: Shift, over: Shift) -> tuple[Pixels, Shift]:
    """A part that has moved by `over` before a wall that has moved by `wall`."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[part] = 255
    front = moved(mask, over)
    return np.where(front > 127, moved(PERSON, over), moved(WALL, wall)), over


def living(seconds: float) -> tuple[Pixels, Shift]:
    """A head before a wall, and a camera on that wall's opposite."""
    return carried(HEAD, np.zeros(2), sway(seconds))


def sheet(seconds: float) -> tuple[Pixels, Shift]:
    """A photograph that is held up, and the true wall around it."""
    return carried(SHEET, np.zeros(2), sway(seconds))


def large_sheet(seconds: float) -> tuple[Pixels, Shift]:
    """A photograph or a screen that fills the picture."""
    return moved(PERSON, sway(seconds)), sway(seconds)


def camera_in_a_hand(seconds: float) -> tuple[Pixels, Shift]:
    """The camera sways before a head, which is nearer than the wall and moves by itself."""
    own = np.array([3 * np.sin(3 * seconds), 2 * np.sin(7 * seconds)])
    return carried(HEAD, sway(seconds), 1.3 * sway(seconds) + own)


def passer_by(seconds: float) -> tuple[Pixels, Shift]:
    """Somebody walks past behind the living head, on its left."""
    picture, shift = living(seconds)
    left = int(60 + 60 * seconds)
    picture[100:, left : left + 60] = texture(3)[100:, :60]
    return picture, shift


def lamp(seconds: float) -> tuple[Pixels, Shift]:
    """The light goes up by a half within a second."""
    picture, shift = living(seconds)
    return np.asarray(np.clip(picture * (0.7 + 0.35 * seconds), 0, 255), np.uint8), shift


def plain_wall(seconds: float) -> tuple[Pixels, Shift]:
    """A living head before nothing."""
    picture, shift = living(seconds)
    head = np.zeros((HEIGHT, WIDTH), np.uint8)
    head[HEAD] = 255
    return np.where(moved(head, shift) > 127, picture, 200).astype(np.uint8), shift


def motionless(seconds: float) -> tuple[Pixels, Shift]:
    """A living head that keeps still, or a photograph on a stand."""
    return carried(HEAD, np.zeros(2), np.zeros(2))


def views(scene: Scene, seconds: float, fps: float = 15.0, noise: float = 2.0) -> Iterator[View]:
    """What a camera with noise sees of it."""
    random = np.random.default_rng(5)
    grain = random.normal(0, noise, 2 * HEIGHT * WIDTH)
    for number in range(round(seconds * fps)):
        picture, shift = scene(number / fps)
        begin = int(random.integers(HEIGHT * WIDTH))
        grey = picture + grain[begin : begin + HEIGHT * WIDTH].reshape(HEIGHT, WIDTH)
        bgr = cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
        face = mesh_in(Box(FACE.left + shift[0], FACE.top + shift[1], FACE.width, FACE.height))
        yield View(Frame(np.asarray(bgr, np.uint8), number / fps, "toy"), face)


@cache
def seen(scene: Scene, seconds: float = 1.2) -> Mapping[str, float]:
    cue = Surroundings()
    for view in views(scene, seconds):
        cue.see(view)
    return cue.measures()


@pytest.mark.parametrize("scene", [living, passer_by, lamp])
def test_behind_a_living_head_the_wall_stands_still(scene: Scene) -> None:
    found = seen(scene)
    assert found["surroundings_follow"] < LITTLE
    assert found["surroundings_held"] < LITTLE
    assert "surroundings_depth" not in found


def test_a_sheet_carries_its_surroundings_along_before_a_wall_that_stands_still() -> None:
    found = seen(sheet)
    assert found["surroundings_follow"] > MUCH
    assert found["surroundings_held"] > 2 * MUCH


def test_a_sheet_that_fills_the_picture_is_one_plane_with_the_face() -> None:
    found = seen(large_sheet)
    assert found["surroundings_follow"] > 0.9
    assert found["surroundings_depth"] < 0.08
    assert found["surroundings_held"] > 0.9


def test_a_camera_that_sways_is_known_by_the_depth_of_what_it_sees() -> None:
    found = seen(camera_in_a_hand)
    assert found["surroundings_follow"] > MUCH
    assert found["surroundings_depth"] > 0.15
    assert found["surroundings_held"] < MUCH


@pytest.mark.parametrize("scene", [plain_wall, motionless])
def test_where_nothing_can_be_told_nothing_is_said(scene: Scene) -> None:
    assert seen(scene) == {}


def test_a_second_of_motion_is_enough() -> None:
    assert seen(living, 0.95)["surroundings_follow"] < LITTLE
    assert seen(sheet, 0.95)["surroundings_follow"] > MUCH


def test_what_was_found_lasts_until_it_is_forgotten() -> None:
    cue = Surroundings()
    for view in views(sheet, 1.0):
        cue.see(view)
    late = [View(Frame(v.frame.bgr, v.frame.at + 60, "toy"), v.face) for v in views(sheet, 0.1)]
    cue.see(late[0])
    assert cue.measures()["surroundings_held"] > MUCH
    cue.forget()
    assert cue.measures() == {}
    for view in views(living, 1.0):
        cue.see(view)
    assert cue.measures()["surroundings_held"] < LITTLE


def test_pictures_by_themselves_have_no_motion() -> None:
    cue = Surroundings()
    for view in views(sheet, 1.0):
        cue.see(View(Frame(view.frame.bgr, view.frame.at, "toy", still=True), view.face))
    assert cue.measures() == {}


@pytest.mark.parametrize("box", [Box(-40, -30, 70, 85), Box(460, 340, 70, 85), Box(5, 5, 470, 350)])
def test_a_face_at_the_edge_or_too_near_leaves_nothing_to_look_at(box: Box) -> None:
    cue = Surroundings()
    for view in views(living, 1.0):
        cue.see(View(view.frame, mesh_in(box)))
    assert cue.measures() == {}


def test_another_size_of_pictures_begins_anew() -> None:
    cue = Surroundings()
    for number, view in enumerate(views(living, 1.0)):
        small = np.ascontiguousarray(view.frame.bgr[:200, :300])
        bgr = small if number % 4 == 3 else view.frame.bgr
        cue.see(View(Frame(bgr, view.frame.at, "toy"), view.face))
    assert cue.measures().get("surroundings_held", 0.0) < LITTLE


def test_the_similarity_of_two_sets_of_points_is_found() -> None:
    points = np.random.default_rng(0).random((20, 2)).astype(np.float32) * 100
    turn, shift = 0.9 * np.array([[0.8, -0.6], [0.6, 0.8]]), np.array([3.0, -7.0])
    found = similarity(points, (points @ turn.T + shift).astype(np.float32))
    assert found == pytest.approx(np.column_stack([turn, shift]), abs=1e-4)


# --- recordings ------------------------------------------------------------------------------


def measured(frames: Iterator[Frame]) -> Mapping[str, float]:
    cue, last = Surroundings(), None
    for frame in frames:
        last = _found(frame, last)
        if last is not None:
            cue.see(View(frame, last))
    return cue.measures()


def _found(frame: Frame, last: Landmarks | None) -> Landmarks | None:
    if last is not None:
        return follow(mesh(), frame.bgr, last)
    return next(iter(acquisition().faces(frame.bgr)), None)


def clip(path: Path, step: int) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(path))
    fps = video.get(cv2.CAP_PROP_FPS)
    number = 0
    while True:
        read, bgr = video.read()
        if not read:
            return
        if number % step == 0:
            yield Frame(np.asarray(bgr, np.uint8), number / fps, f"clip#{number}", number)
        number += 1


@pytest.mark.slow
def test_people_in_an_office_move_before_it(data: Path) -> None:
    found = measured(islice(clip(data / "clips" / "office" / "hungry.mkv", 2), 24))
    assert found["surroundings_follow"] < LITTLE


def test_a_camera_in_a_hand_is_no_sheet(data: Path) -> None:
    found = measured(islice(clip(data / "clips" / "single_face.mp4", 2), 30))
    assert found["surroundings_held"] < MUCH


@pytest.mark.slow
@pytest.mark.parametrize("species", ["matte_print", "phone_screen"])
def test_most_held_up_attacks_are_seen_by_their_surroundings(data: Path, species: str) -> None:
    people = sources(data, "score", pictures=12)
    told = [
        measured(present(person, species, "weak", seed)).get("surroundings_held", 0.0)
        for seed, person in enumerate(people[:8])
    ]
    assert np.mean(np.array(told) > LITTLE) > 0.6
