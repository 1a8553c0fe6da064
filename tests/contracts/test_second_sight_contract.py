"""One suite for both second cameras: one that is watched, and one that is a recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import CameraError
from appliance.hardware.clock import SystemClock
from appliance.hardware.files import FileCamera
from appliance.hardware.second_sight import ASLEEP_AFTER_S, LARGEST, FileSight, KeptSight
from appliance.hardware.steady import SLOWEST_FPS
from appliance.ports import SecondSight
from appliance.types import Frame, Pixels, Trouble, TroubleKind
from tests.fakes import FakeClock
from tests.hardware import picture_files as make
from tests.patience import patient

# Seconds. A busy machine is given time; nothing here says how long it takes.
PATIENCE = patient(30.0)


class Scripted:
    """A watch that hands over what it is told, and notes its paces."""

    def __init__(self, *sights: Frame | Trouble | Exception) -> None:
        self._sights = list(sights)
        self._changed = threading.Condition()
        self._closed = False
        self.paces: list[float | None] = []

    def pace(self, fps: float | None) -> None:
        self.paces.append(fps)

    def show(self, sight: Frame | Trouble | Exception) -> None:
        with self._changed:
            self._sights.append(sight)
            self._changed.notify_all()

    def sights(self) -> Iterator[Frame | Trouble]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._sights or self._closed)
                if self._closed:
                    return
                sight = self._sights.pop(0)
            if isinstance(sight, Exception):
                raise sight
            yield sight

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def picture(level: int, width: int = 64, height: int = 48) -> Pixels:
    bgr = np.full((height, width, 3), level, np.uint8)
    bgr[::2, :, 2] = 200  # red lines: what is handed over is grey
    return bgr


def five(step: float = 0.1) -> list[Frame]:
    return [Frame(picture(10 * number), number * step, "ir") for number in range(5)]


def _watched(_: Path) -> KeptSight:
    return KeptSight(Scripted(*five()), FakeClock())


def _recorded(folder: Path) -> FileSight:
    levels = [10 * number for number in range(5)]
    clip = make.write_video(folder / "ir.avi", levels)
    return FileSight(lambda: FileCamera([clip], SystemClock()))


SIGHTS: dict[str, Callable[[Path], SecondSight]] = {"watched": _watched, "recorded": _recorded}


@pytest.fixture(params=list(SIGHTS))
def sight(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecondSight]:
    found = SIGHTS[request.param](tmp_path)
    until(lambda: len(found.near(0.05)) >= 1)
    yield found
    found.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_pictures_come_nearest_first_and_grey(sight: SecondSight) -> None:
    at = 0.1
    until(lambda: len(sight.near(at)) >= 2)
    near = sight.near(at)
    apart = [abs(frame.at - at) for frame in near]
    assert apart == sorted(apart)
    for frame in near:
        assert frame.bgr.shape == (48, 64, 3)
        assert frame.bgr.dtype == np.uint8
        assert np.array_equal(frame.bgr[..., 0], frame.bgr[..., 2])
    assert sight.trouble == ""


def test_a_closed_one_says_nothing_new_and_may_be_closed_twice(sight: SecondSight) -> None:
    sight.close()
    sight.close()
    assert all(frame.at <= 0.5 for frame in sight.near(100.0))


class TestWatched:
    def test_old_pictures_go(self) -> None:
        watch = Scripted(Frame(picture(1), 1.0, "ir"), Frame(picture(2), 9.0, "ir"))
        sight = KeptSight(watch, FakeClock())
        until(lambda: [frame.at for frame in sight.near(1.0)] == [9.0])
        sight.close()

    def test_large_pictures_are_kept_small(self) -> None:
        sight = KeptSight(Scripted(Frame(picture(1, 1280, 800), 1.0, "ir")), FakeClock())
        until(lambda: bool(sight.near(1.0)))
        assert sight.near(1.0)[0].bgr.shape == (400, LARGEST, 3)
        sight.close()

    def test_trouble_is_told_until_pictures_come_again(self) -> None:
        watch = Scripted()
        sight = KeptSight(watch, FakeClock())
        assert "being opened" in sight.trouble
        watch.show(Trouble(TroubleKind.LOST, "The camera ir was unplugged.", 0.0))
        until(lambda: sight.trouble == "Infrared: The camera ir was unplugged.")
        watch.show(five()[0])
        until(lambda: sight.trouble == "")
        sight.close()

    def test_a_fault_of_its_own_is_trouble_for_good(self, caplog: pytest.LogCaptureFixture) -> None:
        sight = KeptSight(Scripted(ZeroDivisionError("odd")), FakeClock())
        until(lambda: sight.trouble == "Infrared: ZeroDivisionError: odd.")
        assert sight.near(0.0) == []
        until(lambda: "not looked at any more" in caplog.text)
        sight.close()

    def test_a_question_wakes_it_and_silence_lets_it_sleep(self) -> None:
        clock, watch = FakeClock(), Scripted()
        sight = KeptSight(watch, clock)
        assert watch.paces == [SLOWEST_FPS]
        sight.near(0.0)
        sight.near(0.1)
        assert watch.paces == [SLOWEST_FPS, None]
        clock.advance(ASLEEP_AFTER_S)
        watch.show(five()[0])
        until(lambda: watch.paces == [SLOWEST_FPS, None, SLOWEST_FPS])
        sight.near(0.0)
        assert watch.paces[-1] is None
        sight.close()


class TestRecorded:
    def test_runs_as_far_as_is_asked_for_and_again_from_its_beginning(self, tmp_path: Path) -> None:
        clip = make.write_video(tmp_path / "ir.avi", [0, 20, 40, 60, 80, 100])
        opened = []

        def opening() -> FileCamera:
            opened.append(FileCamera([clip], SystemClock()))
            return opened[-1]

        sight = FileSight(opening)
        frames = list(FileCamera([clip], SystemClock()).frames())
        for frame in (frames[1], frames[4], frames[2]):
            near = sight.near(frame.at)[0]
            assert (near.at, near.source) == (frame.at, frame.source)
        assert len(opened) == 2
        sight.close()

    def test_its_end_is_told(self, tmp_path: Path) -> None:
        sight = _recorded(tmp_path)
        assert sight.trouble == ""
        assert all(frame.at < 1.0 for frame in sight.near(60.0))
        assert sight.trouble == "Infrared: all of the recording has been shown."
        sight.close()

    def test_a_file_that_is_missing_is_told_at_once(self, tmp_path: Path) -> None:
        sight = FileSight(lambda: FileCamera([tmp_path / "none.avi"], SystemClock()))
        assert sight.trouble == "Infrared: none.avi does not exist."
        assert sight.near(0.0) == []
        sight.close()

    def test_a_camera_that_breaks_off_is_told(self) -> None:
        class Breaks(Scripted):
            live, length = False, None

            def frames(self) -> Iterator[Frame]:
                yield from five()[:2]
                raise CameraError("It broke.")

        sight = FileSight(Breaks)
        assert [frame.at for frame in sight.near(0.05)] == [0.0, 0.1]
        assert sight.near(1.0) == []
        assert sight.trouble == "Infrared: It broke."
        assert sight.near(2.0) == []
        assert sight.trouble == "Infrared: It broke."
        sight.close()
