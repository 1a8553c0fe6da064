"""A camera that is watched for years, with cameras that come, go and misbehave."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import CameraError, InputError
from appliance.hardware import latest, steady
from appliance.hardware.clock import SystemClock
from appliance.hardware.files import FileCamera
from appliance.hardware.latest import FROZEN, Handling
from appliance.hardware.steady import Backoff, SteadyCamera
from appliance.hardware.v4l2 import V4l2Camera
from appliance.ports import Camera
from appliance.types import Frame, Pixels, Trouble, TroubleKind
from appliance.vision.scene import SceneWatch
from tests.hardware import picture_files as make
from tests.hardware.scripted_capture import ScriptedCapture, Step, noisy
from tests.patience import patient

Sight = Frame | Trouble
Watching = Callable[..., SteadyCamera]
Opening = Camera | Exception | threading.Event


class Script:
    """A camera that gives these frames, then raises; it notes what it is told."""

    live = True
    length = None

    def __init__(self, *steps: Pixels | Exception) -> None:
        self._steps = steps
        self._closed = threading.Event()
        self.paces: list[float | None] = []

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def frames(self) -> Iterator[Frame]:
        for number, step in enumerate(self._steps):
            if isinstance(step, Exception):
                raise step
            yield Frame(step, number / 10, "script", number)
        self._closed.wait()
        raise CameraError("The camera script has been closed.")

    def pace(self, fps: float | None) -> None:
        self.paces.append(fps)

    def close(self) -> None:
        self._closed.set()


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Watches these cameras one after the other, and then nothing.

    An error is raised when opening; an event is waited for.
    """
    watched: list[SteadyCamera] = []

    def watching(openings: Iterable[Opening], backoff: Backoff | None = None) -> SteadyCamera:
        line = iter(openings)

        def open_camera() -> Camera:
            opening = next(line, CameraError("There is no more."))
            if isinstance(opening, threading.Event):
                opening.wait(patient(10))
                return open_camera()
            if isinstance(opening, Exception):
                raise opening
            return opening

        watched.append(
            SteadyCamera(
                "door",
                open_camera,
                SystemClock(),
                SceneWatch,
                backoff=backoff or Backoff(0.001, 0.002),
            )
        )
        return watched[-1]

    yield watching
    for each in watched:
        each.close()


def _until(sights: Iterator[Sight], wanted: Callable[[Sight], bool]) -> list[Sight]:
    """All sights up to the wanted one."""
    found = []
    for sight in itertools.islice(sights, 1000):
        found.append(sight)
        if wanted(sight):
            return found
    raise AssertionError(f"not among {found[-5:]}")


def _is_frame(sight: Sight) -> bool:
    return isinstance(sight, Frame)


def _says(text: str) -> Callable[[Sight], bool]:
    return lambda sight: isinstance(sight, Trouble) and text in sight.sentence


def _kinds(sights: Iterable[Sight]) -> list[TroubleKind]:
    return [sight.kind for sight in sights if isinstance(sight, Trouble)]


def test_frames_come_through(watching: Watching) -> None:
    sights = watching([Script(big(1))]).sights()
    (*_, frame) = _until(sights, _is_frame)
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.bgr, big(1))


def big(seed: int) -> Pixels:
    return noisy(seed, 144, 192)


def test_it_is_opened_again_after_a_fault_and_the_fault_is_told(watching: Watching) -> None:
    first = Script(big(1), CameraError("The camera door was unplugged.", hint="Plug it in."))
    second = Script(big(2))
    heard = threading.Event()
    sights = watching([first, heard, CameraError("It does not exist."), second]).sights()
    told = _until(sights, _says("unplugged"))
    heard.set()
    assert isinstance(told[-1], Trouble)
    assert (told[-1].kind, told[-1].hint) == (TroubleKind.LOST, "Plug it in.")
    (*_, frame) = _until(sights, _is_frame)
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.bgr, big(2))
    assert first.closed


def test_unplugged_a_hundred_times(watching: Watching, tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    clock, opened = SystemClock(), itertools.count()

    def plugged() -> Iterator[Camera]:
        for number in opened:
            # Three pictures, and then the driver fails at every read.
            steps: list[Step] = [big(number * 3 + more) for more in range(3)]
            fails: Iterator[Step] = itertools.repeat("fails", 1000)
            capture = ScriptedCapture([*steps, *fails])
            handling = Handling(warm_up_frames=0, timeout_s=0.02)
            yield V4l2Camera(device, clock, handling=handling, open_capture=capture)

    before = threading.active_count()
    watch = watching(plugged())
    sights = watch.sights()
    for _ in range(100):
        _until(sights, _is_frame)
        _until(sights, lambda sight: isinstance(sight, Trouble) and sight.kind is TroubleKind.LOST)
    assert next(opened) >= 100
    # Nothing of the cameras of before is left: the watch's own thread and one reader.
    assert threading.active_count() <= before + 2
    watch.close()
    assert threading.active_count() <= before


def test_one_absence_is_one_trouble(watching: Watching) -> None:
    gone = [CameraError("The camera door does not exist.") for _ in range(5)]
    sights = watching([CameraError("The camera door was unplugged."), *gone]).sights()
    found = _until(sights, _says("There is no more"))
    assert len({sight.since for sight in found if isinstance(sight, Trouble)}) == 1


def test_an_absence_is_told_though_the_camera_is_back_before_anybody_looks(
    watching: Watching,
) -> None:
    back = Script(big(2))
    sights = watching([Script(big(1), CameraError("It was unplugged.")), back]).sights()
    while not back.paces:  # the second one is in use
        pass
    assert _kinds(_until(sights, _is_frame))[-1:] == [TroubleKind.LOST]


def test_a_frozen_camera_is_told_as_such_and_opened_again(watching: Watching) -> None:
    frozen = Script(big(1), CameraError("It is frozen.", code=FROZEN))
    sights = watching([frozen, Script(big(2))]).sights()
    assert TroubleKind.FROZEN in _kinds(_until(sights, _says("frozen")))
    _until(sights, _is_frame)


@pytest.mark.parametrize("error", [RuntimeError("libcamera has gone"), KeyError("model")])
def test_whatever_a_driver_raises_does_not_end_the_watch(
    watching: Watching, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sights = watching([error, Script(big(1), error), Script(big(2))]).sights()
    told = _until(sights, _says("failed:"))
    assert _kinds(told)[-1] is TroubleKind.LOST
    _until(sights, lambda sight: isinstance(sight, Frame) and np.array_equal(sight.bgr, big(2)))
    assert type(error).__name__ in caplog.text  # for whoever mends it, the traceback


def test_something_comes_while_the_camera_says_nothing(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(steady, "SILENT_AFTER_S", 0.5)
    sights = watching([Script(big(1))]).sights()
    _until(sights, _is_frame)
    found = _until(sights, _says("silent"))
    # A hiccup is waited for, as an opening is: it ends no attempt, and makes no PIN enough.
    assert _kinds(found[:-1])[:1] == [TroubleKind.STARTING]
    assert set(_kinds(found[:-1])) == {TroubleKind.STARTING}
    silent = found[-1]
    assert isinstance(silent, Trouble)
    assert (silent.kind, silent.sentence) == (TroubleKind.LOST, "The camera door is silent.")
    assert next(sights) == silent
    assert {sight.since for sight in found if isinstance(sight, Trouble)} == {silent.since}


def test_a_camera_that_is_being_opened_is_no_fault_until_it_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steady, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(steady, "OPENED_WITHIN_S", 0.05)
    answer = threading.Event()

    def hangs() -> Camera:
        answer.wait()
        raise CameraError("At last.")

    watch = SteadyCamera("door", hangs, SystemClock(), SceneWatch)
    sights = watch.sights()
    assert _kinds([next(sights)]) == [TroubleKind.STARTING]
    found = _until(sights, _says("does not answer"))
    assert _kinds(found)[-1] is TroubleKind.LOST
    answer.set()
    watch.close()


def test_an_opening_that_hangs_after_a_fault_is_a_camera_that_is_lost(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(steady, "OPENED_WITHIN_S", 0.05)
    answer = threading.Event()
    frozen = Script(big(1), CameraError("It is frozen.", code=FROZEN))
    sights = watching([frozen, answer, Script(big(2))]).sights()
    found = _until(sights, _says("does not answer"))
    assert _kinds(found)[-2:] == [TroubleKind.FROZEN, TroubleKind.LOST]
    assert next(sights) == found[-1]
    answer.set()
    _until(sights, _is_frame)


def test_reads_that_hang_take_only_so_many_threads(
    watching: Watching, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(latest, "_JOIN_S", 0.01)
    device = tmp_path / "video0"
    device.touch()
    captures: list[ScriptedCapture] = []

    def hanging() -> Iterator[Camera]:
        for number in itertools.count():
            captures.append(ScriptedCapture([big(number)]))  # and then it hangs
            handling = Handling(warm_up_frames=0, timeout_s=0.02)
            yield V4l2Camera(device, SystemClock(), handling=handling, open_capture=captures[-1])

    sights = watching(hanging()).sights()
    found = _until(sights, _says("3 reads of it have not come back"))
    assert _kinds(found)[-1] is TroubleKind.LOST
    for _ in range(20):
        next(sights)
    assert len(captures) == latest.left_behind() == latest.MOST_LEFT_BEHIND
    captures[0].unhang()  # somebody unplugs it: the driver lets go
    while len(captures) == latest.MOST_LEFT_BEHIND:
        next(sights)
    for capture in captures:
        capture.unhang()


def test_a_pace_is_kept_over_reconnections_and_never_too_slow(watching: Watching) -> None:
    first, second = Script(big(1)), Script(big(2))
    watch = watching([first, CameraError("It went."), second])
    sights = watch.sights()
    _until(sights, _is_frame)
    watch.pace(5)
    watch.pace(0.01)
    assert first.paces == [None, 5, steady.SLOWEST_FPS]
    first.close()
    _until(sights, _is_frame)
    assert second.paces == [steady.SLOWEST_FPS]
    watch.pace(None)
    assert second.paces[-1] is None


def test_a_change_of_size_is_told_between_the_sizes(watching: Watching) -> None:
    small, large = noisy(1, 144, 192), noisy(2, 240, 320)
    sights = watching([_Patient([small, noisy(3, 144, 192), large, noisy(4, 240, 320)])]).sights()
    shapes: list[str] = []
    while len(shapes) < 5:
        sight = next(sights)
        if isinstance(sight, Frame):
            shapes.append(f"{sight.width} x {sight.height}")
        elif sight.kind is TroubleKind.WRONG_SIZE:
            shapes.append(sight.sentence)
    assert shapes == [
        "192 x 144",
        "192 x 144",
        "The camera door went from 192 x 144 to 320 x 240.",
        "320 x 240",
        "320 x 240",
    ]


class _Patient(Script):
    """Not live: each of its frames waits until it is taken."""

    live = False

    def __init__(self, frames: Iterable[Pixels], step: float = 0.1) -> None:
        super().__init__()
        self._pictures = list(frames)
        self._step = step

    def frames(self) -> Iterator[Frame]:
        for number, picture in enumerate(self._pictures):
            yield Frame(picture, number * self._step, "script", number)


def test_frames_that_show_nothing_are_withheld(watching: Watching) -> None:
    black = np.zeros((144, 192, 3), np.uint8)
    frames = [big(1), *[black] * 40, *[big(seed) for seed in range(2, 12)]]
    sights = watching([_Patient(frames)]).sights()
    found = _until(sights, _says("has been shown"))
    given = [sight.sequence for sight in found if isinstance(sight, Frame)]
    # Two seconds of darkness are believed, and so is half a second of light.
    assert given == [*range(21), *range(46, 51)]
    dark = {sight for sight in found if isinstance(sight, Trouble)}
    assert [each.kind for each in dark if "darkness" in each.sentence] == [TroubleKind.DARK]


def test_pictures_that_are_too_small_are_of_no_use(watching: Watching) -> None:
    found = _until(watching([_Patient([noisy(1)] * 3)]).sights(), _says("has been shown"))
    assert not any(isinstance(sight, Frame) for sight in found)
    assert TroubleKind.WRONG_SIZE in _kinds(found)


def test_a_camera_that_gives_its_frozen_picture_again_after_reopening_gives_no_frame(
    watching: Watching,
) -> None:
    still = big(1)
    sights = watching([_Patient([still] * 200), Script(still)]).sights()
    found = _until(sights, _says("has been shown"))
    assert len([sight for sight in found if isinstance(sight, Frame)]) == 100  # ten seconds
    assert TroubleKind.FROZEN in _kinds(found)


def test_files_wait_until_they_are_taken(tmp_path: Path, watching: Watching) -> None:
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(make.encoded(big(number), ".png"))
    found = _until(
        watching([FileCamera([tmp_path], SystemClock())]).sights(), _says("has been shown")
    )
    frames = [sight for sight in found if isinstance(sight, Frame)]
    assert [frame.sequence for frame in frames] == list(range(8))
    assert isinstance(found[-1], Trouble)
    assert "camera.loop" in found[-1].hint


def test_files_that_are_missing_are_a_trouble(tmp_path: Path, watching: Watching) -> None:
    gone = InputError("clip.mp4 does not exist.", hint="Look.")
    sights = watching([gone, threading.Event()]).sights()
    assert _kinds(_until(sights, _says("clip.mp4 does not exist")))[-1] is TroubleKind.LOST


def test_the_latest_frame_of_a_sensor_wins(watching: Watching) -> None:
    last = threading.Event()

    class Fast(Script):
        def frames(self) -> Iterator[Frame]:
            yield from (Frame(big(seed), seed / 10, "script", seed) for seed in range(5))
            last.set()
            self._closed.wait()

    sights = watching([Fast()]).sights()
    last.wait(patient(5))
    (*_, frame) = _until(sights, _is_frame)
    assert isinstance(frame, Frame)
    assert frame.sequence == 4


def test_closing_twice_ends_the_sights_and_gives_the_camera_back(watching: Watching) -> None:
    camera = Script(big(1))
    watch = watching([camera])
    sights = watch.sights()
    _until(sights, _is_frame)
    watch.close()
    watch.close()
    assert list(sights) == []
    assert camera.closed
    assert not watch._thread.is_alive()


def test_closing_wakes_whoever_waits(watching: Watching) -> None:
    watch = watching([Script()])
    closer = threading.Timer(0.05, watch.close)
    closer.start()
    assert all(isinstance(sight, Trouble) for sight in watch.sights())
    closer.join()


def test_closing_while_a_recording_waits_to_be_taken(watching: Watching) -> None:
    watch = watching([_Patient([big(1), big(2)])])
    _until(watch.sights(), _is_frame)
    watch.close()
    assert not watch._thread.is_alive()


def test_back_off_doubles_up_to_a_limit() -> None:
    backoff = Backoff()
    assert [backoff.wait() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.wait() == 0.5


class _Noted(Backoff):
    def __init__(self) -> None:
        super().__init__(0.001, 0.004)
        self.waits: list[float] = []

    def wait(self) -> float:
        self.waits.append(super().wait())
        return self.waits[-1]


@pytest.mark.parametrize(
    ("sound_after", "waits"), [(0.0, [0.001] * 5), (60.0, [0.001, 0.002, 0.004, 0.004, 0.004])]
)
def test_only_a_camera_that_was_sound_for_a_while_is_opened_again_soon(
    watching: Watching, monkeypatch: pytest.MonkeyPatch, sound_after: float, waits: list[float]
) -> None:
    monkeypatch.setattr(steady, "SOUND_AFTER_S", sound_after)
    backoff = _Noted()
    flaky = [_Sound([big(seed)]) for seed in range(5)]
    _until(watching(flaky, backoff=backoff).sights(), _says("There is no more"))
    assert backoff.waits[:5] == waits


class _Sound(_Patient):
    """Gives its frames, each once it was taken, and then fails."""

    def frames(self) -> Iterator[Frame]:
        yield from super().frames()
        raise CameraError("It went.")
