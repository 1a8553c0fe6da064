"""A second, infrared camera from the config to the verdict, with recordings in its place.

No infrared camera was ever connected. Its recordings are synthetic: the red channel of the bundled
clip with another gamma and noise, seen from a little aside; and the same with a dark sheet where
the face is, as a screen would look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance import assemble, config, doctor
from appliance.config import Config, parse
from appliance.daemon.supervisor import OF_THE_PIPELINE
from appliance.doctor import Check, Status
from appliance.errors import CameraError, ConfigError
from appliance.hardware.second_sight import FileSight, KeptSight
from appliance.perception import Perception
from appliance.reports.verdicts import describe_basis
from appliance.types import Frame, Landmarks, Liveness, LivenessState, Pixels, Suspicion
from tests.portraits import FOLDER, acquisition
from tests.toys import ToyCamera

CLIP = FOLDER / "single_face.mp4"
# Frames of the clip that are used: 30 a second.
FRAMES = 13
L, U, S = LivenessState.LIVE, LivenessState.UNDETERMINED, LivenessState.SPOOF


def clip() -> Iterator[Frame]:
    return islice(assemble.file_camera([CLIP]).frames(), FRAMES)


def infrared(bgr: Pixels, *, screen: bool = False) -> Pixels:
    """(480, 640, 3): what a lamp of its own would show of this frame; see above."""
    lit = (bgr[..., 2] / 255.0) ** 0.8 * 190.0
    if screen:
        lit[60:340, 190:410] = 0.0  # the face of this clip is at 221 to 373, 105 to 299
    aside = cv2.warpAffine(lit, np.array([[1.0, 0, 20], [0, 1, 64]]), (640, 480))
    noise = np.random.default_rng(3).normal(6.0, 2.0, aside.shape)
    return np.repeat(np.clip(aside + noise, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ir.avi and screen.avi, of the same times as the clip."""
    folder = tmp_path_factory.mktemp("infrared")
    code = cv2.VideoWriter.fourcc(*"MJPG")
    for name in ("ir", "screen"):
        writer = cv2.VideoWriter(str(folder / f"{name}.avi"), code, 30.0, (640, 480))
        for frame in clip():
            writer.write(infrared(frame.bgr, screen=name == "screen"))
        writer.release()
    return folder


def configured(ir: Path | str) -> Config:
    return parse(
        f"camera: {{driver: files, source: {CLIP}, ir: {ir}}}\n"
        "liveness: {profile: passive}\nmodel: {threads: 1}\n"
    )


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Perception:
    return assemble.perception(configured(folder / "ir.avi"))


def judged(pipeline: Perception, frames: int = FRAMES) -> list[Liveness]:
    """What is said of a frame in each tenth of a second."""
    pipeline.forget()
    found = []
    for number, frame in enumerate(islice(clip(), frames)):
        seen = pipeline.look(frame, embed=number % 3 == 0)
        if number % 3 == 0:
            assert seen.faults == ()
            found.append(seen.liveness)
    return found


class TestTheVerdict:
    def test_is_not_changed_where_the_face_is_in_both(
        self, folder: Path, pipeline: Perception
    ) -> None:
        assemble.look_in_infrared(pipeline, assemble.second_sight(configured(folder / "ir.avi")))
        found = judged(pipeline)
        assert all(Suspicion.INFRARED not in it.reasons for it in found)
        assert {it.cues["infrared"] for it in found} == {1.0}

    def test_is_an_attack_where_it_is_dark_in_the_infrared(
        self, folder: Path, pipeline: Perception
    ) -> None:
        sight = assemble.second_sight(configured(folder / "screen.avi"))
        assemble.look_in_infrared(pipeline, sight)
        found = judged(pipeline)
        assert [it.state is S for it in found] == [False, False, False, False, True]
        assert found[-1].reasons[0] is Suspicion.INFRARED
        assert all(it.state is not L for it in found)

    def test_is_open_without_the_second_camera(self, folder: Path, pipeline: Perception) -> None:
        sight = assemble.second_sight(configured(folder / "none.avi"))
        assert sight is not None
        for given in (sight, None):
            assemble.look_in_infrared(pipeline, given)
            found = judged(pipeline, 4)
            assert {it.state for it in found} == {U}
            assert all("infrared" not in it.cues for it in found)
        assert sight.trouble == "Infrared: none.avi does not exist."


def test_what_was_seen_in_both_is_told() -> None:
    told = describe_basis(3, Liveness(L, 0.9, {"infrared": 1.0}))
    assert told == "appearance of 3 frames, in infrared as well"
    assert "infrared" not in describe_basis(3, Liveness(L, 0.9, {}))


def test_recordings_are_judged_without_it_and_say_so(folder: Path) -> None:
    wanted = configured(folder / "screen.avi")
    check = assemble.liveness(wanted)
    assert check is not None
    assert getattr(check, "infrared", "") is None
    told = describe_basis(3, Liveness(L, 0.9, {}), without_infrared=True)
    assert told == "appearance of 3 frames, not looked at in infrared"


def test_each_driver_gets_the_sight_that_suits_it(folder: Path) -> None:
    assert assemble.second_sight(parse("")) is None
    recorded = assemble.second_sight(configured(folder / "ir.avi"))
    watched = assemble.second_sight(parse("camera: {source: /dev/none0, ir: /dev/none1}"))
    assert isinstance(recorded, FileSight)
    assert isinstance(watched, KeptSight)
    recorded.close()
    watched.close()


def test_the_pipeline_is_built_anew_where_it_looks_elsewhere() -> None:
    keys = [key for key in config.known_keys() if key.startswith("camera.ir")]
    assert keys == ["camera.ir", "camera.ir_shift", "camera.ir_scale"]
    assert all(key.startswith(OF_THE_PIPELINE) for key in keys)


class TestTheConfig:
    @pytest.mark.parametrize(
        ("camera", "source", "shift", "scale"),
        [
            ("{ir: /dev/video2}", "/dev/video2", (0.0, 0.0), 1.0),
            ("{ir: 2, ir_shift: [0.1, -0.02], ir_scale: 1.2}", "/dev/video2", (0.1, -0.02), 1.2),
            ("{driver: picamera2, source: 0, ir: 1}", "/dev/video1", (0.0, 0.0), 1.0),
        ],
    )
    def test_names_it(
        self, camera: str, source: str, shift: tuple[float, float], scale: float
    ) -> None:
        found = parse(f"camera: {camera}").camera
        assert (found.infrared.source, found.ir_shift, found.ir_scale) == (source, shift, scale)
        assert (found.infrared.width, found.infrared.height) == (640, 480)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("camera: {ir: 0}", "are the same camera"),
            ("camera: {driver: picamera2, source: 0, ir: /dev/video0}", "are the same camera"),
            ("camera: {driver: picamera2, source: 0, ir: x}", "the number of the sensor"),
            ("camera: {driver: rtsp, source: 'rtsp://h/a', ir: 'rtsp://u:S3cret@h/b'}", "wired"),
            ("camera: {ir: ''}", "camera.ir: a path is expected"),
            ("camera: {ir: -1}", "camera.ir: the number of a camera"),
            ("camera: {ir_shift: 0.1}", "camera.ir_shift: two numbers are expected"),
            ("camera: {ir_shift: [0.1]}", "camera.ir_shift: two numbers are expected"),
            ("camera: {ir_shift: [0.7, 0]}", "less than or equal to 0.5"),
            ("camera: {ir_scale: 0}", "camera.ir_scale"),
            ("camera: {ir: 2}\nliveness: {profile: off}", "a liveness.profile other than off"),
        ],
    )
    def test_refuses_what_cannot_be(self, text: str, told: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse(text)
        assert told in caught.value.message
        assert "S3cret" not in caught.value.message

    def test_begins_a_relative_path_at_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "config.yaml"
        path.write_text("camera: {driver: files, source: a.mp4, ir: b.mp4}\n")
        assert config.load(path).camera.ir == str(tmp_path / "b.mp4")

    def test_two_pipelines_are_hidden_and_still_two(self) -> None:
        one, other = "v4l2src device=/dev/a ! key=S3cret", "v4l2src device=/dev/b ! key=S3cret"
        found = parse(f"camera: {{driver: gstreamer, source: '{one}', ir: '{other}'}}")
        told = found.model_dump_json()
        assert "S3cret" not in told
        assert Config.model_validate_json(told).camera.ir == "v4l2src 2"

    def test_a_link_to_the_same_device_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "link.mp4").symlink_to(CLIP)
        with pytest.raises(ConfigError, match="lead to the same camera"):
            assemble.infrared_camera(configured(tmp_path / "link.mp4"))


def test_one_that_is_not_there_is_told_by_its_own_key() -> None:
    with pytest.raises(CameraError, match="The camera /dev/none1 does not exist") as caught:
        assemble.infrared_camera(parse("camera: {source: /dev/none0, ir: /dev/none1}"))
    assert "set camera.ir" in caught.value.hint


class TestDoctor:
    @pytest.fixture
    def examine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Check]:
        """What its check finds in a picture of each camera."""

        def examined(seen: Pixels, there: Pixels, more: str = "") -> Check:
            wanted = parse(f"store: {{path: {tmp_path}}}\ncamera: {{ir: /dev/video2{more}}}")
            monkeypatch.setattr(assemble, "camera", lambda _: _showing(seen))
            monkeypatch.setattr(assemble, "infrared_camera", lambda _: _showing(there))
            monkeypatch.setattr(assemble, "acquisition", lambda _: Quick())
            return doctor._infrared(wanted)

        return examined

    @staticmethod
    def first() -> Pixels:
        return next(clip()).bgr

    def test_says_where_none_is(self) -> None:
        found = doctor._infrared(parse(""))
        assert (found.status, found.detail) == (Status.OK, "none configured")

    def test_is_content_where_the_face_is_in_both(self, examine: Callable[..., Check]) -> None:
        found = examine(self.first(), infrared(self.first()))
        assert found.status is Status.OK, found
        assert "0.03 right" in found.detail
        assert "which fits" in found.detail

    def test_tells_the_keys_for_a_camera_that_looks_elsewhere(
        self, examine: Callable[..., Check]
    ) -> None:
        elsewhere = np.roll(infrared(self.first()), 190, axis=1)
        found = examine(self.first(), elsewhere)
        assert found.status is Status.FAIL
        keys = found.hint.removeprefix("Set camera.").partition(";")[0]
        keys = keys.replace("camera.", "").replace("\n", "")
        assert examine(self.first(), elsewhere, f", {keys}").status is Status.OK

    def test_refuses_what_is_no_infrared_camera(self, examine: Callable[..., Check]) -> None:
        seen = self.first()
        again = np.clip(seen.astype(np.int16) + 1, 0, 255).astype(np.uint8)
        coloured = np.clip(seen * 0.6, 0, 255).astype(np.uint8)
        for there, told in (
            (again, "the same picture"),
            (coloured, "sees visible light"),
            (np.full((480, 640, 3), 5, np.uint8), "shows nothing"),
        ):
            found = examine(seen, there)
            assert found.status is Status.FAIL
            assert told in found.detail
            assert found.hint

    def test_takes_a_cast_over_the_whole_picture_for_what_it_is(
        self, examine: Callable[..., Check]
    ) -> None:
        cast = infrared(self.first()) * np.array([0.9, 0.6, 1.0])
        assert examine(self.first(), cast.astype(np.uint8)).status is Status.OK

    def test_asks_for_one_person(self, examine: Callable[..., Check]) -> None:
        found = examine(self.first(), infrared(self.first(), screen=True))
        assert found.status is Status.WARN
        assert "it shows 0 where the camera shows 1" in found.detail
        hall = np.full((360, 640, 3), 90, np.uint8)
        hall[200:] = 160
        found = examine(hall, hall[::-1])
        assert found.status is Status.OK
        assert "with one person before it" in found.detail


class Quick:
    """The finder without the slow detector."""

    def faces(self, bgr: Pixels) -> list[Landmarks]:
        return acquisition().glance(bgr)


def _showing(picture: Pixels) -> ToyCamera:
    return ToyCamera([Frame(picture, 0.0, "camera")])
