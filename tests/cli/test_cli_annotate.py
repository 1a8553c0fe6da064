"""Naming everybody in a video, and greeting who comes: what is written, told and refused."""

from __future__ import annotations

import csv
import errno
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from appliance import assemble, workbench
from appliance.cli.main import run
from appliance.hardware.videos import Video
from appliance.tracking.greetings import Greetings, Voice
from appliance.types import Frame, Pixels
from appliance.vision.manifest import load
from tests.cli.runs import OBAMA, Appliance, write, write_config
from tests.conftest import ROOT
from tests.fakes import FakeClock
from tests.toys import ALICE, CAROL, Toy, ToyCamera, paint, scene, toy_perception

RECORDING = ROOT / "appliance" / "demo" / "pictures" / "single_face.mp4"
FPS = 10.0


# It never changes, and takes longer to read than all else here.
MANIFEST = cache(load)


@pytest.fixture(autouse=True)
def one_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "load", MANIFEST)


class ToyFilm(ToyCamera):
    """A recording of painted faces."""

    fps = FPS
    duration: float | None = None
    skipped: Sequence[object] = ()


def hall(frames: int = 8) -> list[Frame]:
    """Alice, and from the third frame on a stranger beside her."""
    return [
        scene(
            number / FPS,
            Toy(ALICE, x=80 + number, width=80),
            *([Toy(CAROL, x=240, width=80)] if number >= 2 else []),
            seed=0,
        )
        for number in range(frames)
    ]


@pytest.fixture(scope="module")
def store_of_painted_alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alice, enrolled from one painted picture."""
    folder = tmp_path_factory.mktemp("painted")
    (images := folder / "images").mkdir()
    write(images / "alice.png", paint(Toy(ALICE)))
    write_config(folder / "config.yaml", folder / "state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "perception", lambda *_, **__: toy_perception())
        words = ["enroll", "--from-folder", str(images)]
        assert run(["--config", str(folder / "config.yaml"), *words]) == 0
    return folder / "state"


@pytest.fixture
def alice(
    appliance: Appliance, store_of_painted_alice: Path, monkeypatch: pytest.MonkeyPatch
) -> Appliance:
    """An installation that knows Alice; nothing but toys sees."""
    monkeypatch.setattr(workbench, "crowd_perception", lambda *_, **__: toy_perception())
    shutil.copytree(store_of_painted_alice, appliance.state)
    return appliance


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[Frame]], None]:
    """What a video is to show, whatever its name."""

    def set_up(frames: Sequence[Frame]) -> None:
        monkeypatch.setattr(assemble, "one_file", lambda _: ToyFilm(frames))
        monkeypatch.setattr(assemble, "file_camera", lambda _: ToyFilm(frames))

    return set_up


def played(path: Path) -> tuple[float, list[Pixels]]:
    """Frames a second, and the frames."""
    video = Video(path, path.name)
    frames = []
    while video.advance():
        picture = video.picture()
        assert picture is not None
        frames.append(picture)
    return video.fps, frames


def test_everybody_in_every_frame_is_named(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None]
) -> None:
    shows(hall())
    out, table = alice.folder / "out.mp4", alice.folder / "out.csv"
    told = alice.json("annotate", "--from", "hall.mp4", "--out", out, "--csv", table)
    assert told.code == 0, told
    assert told.data["people"] == ["alice"]
    keys = ("name", "state", "frames", "frames_named")
    assert [tuple(it[key] for key in keys) for it in told.data["tracks"]] == [
        ("alice", "named", 8, 8),
        (None, "unknown", 6, 0),  # also in the frames before the one in which he was found
    ]
    assert (told.data["frames"], told.data["fps"], told.data["sound"]) == (8, FPS, False)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows if row["name"] == "alice"] == list(range(8))
    assert [int(row["frame"]) for row in rows if row["state"] == "unknown"] == list(range(2, 8))
    assert all(float(it["similarity"]) >= float(it["threshold"]) for it in rows if it["name"])
    assert not list(alice.folder.glob(".out*"))


def test_the_video_keeps_rate_length_and_size_and_shows_the_boxes(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None]
) -> None:
    shows(hall())
    alice("annotate", "--from", "hall.mp4", "--out", alice.folder / "out.mp4")
    fps, frames = played(alice.folder / "out.mp4")
    assert (fps, len(frames), frames[0].shape) == (FPS, 8, (240, 320, 3))
    # Green beside Alice, orange beside the stranger.
    edge = frames[-1][120, 44:52].astype(int)
    assert (edge[:, 1] - edge[:, 2]).max() > 60
    edge = frames[-1][120, 196:204].astype(int)
    assert (edge[:, 2] - edge[:, 1]).max() > 60


def test_people_read_what_it_cost_and_that_the_sound_is_gone(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None]
) -> None:
    shows(hall())
    told = alice("annotate", "--from", "hall.mp4", "--out", alice.folder / "out.mp4")
    assert "8 frames (0.8 s at 10 a second), 14 faces in 2 tracks." in told.out
    assert "times real time" in told.out
    assert "of processor time" in told.out
    assert "Sound is not carried over." in told.out


def test_frames_in_which_a_name_was_withheld_are_not_counted_for_it(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None]
) -> None:
    # Another one, who cannot be compared, takes Alice's place.
    blurred = Toy(CAROL, x=80, width=80, sharp=False)
    first = [scene(it / FPS, Toy(ALICE, x=80, width=80), seed=0) for it in range(4)]
    later = [scene((4 + it) / FPS, blurred, seed=1) for it in range(5)]
    shows([*first, *later])
    told = alice("annotate", "--from", "x.mp4", "--out", alice.folder / "out.mp4")
    assert re.search(r"alice .* 4 of 9 *$", told.out, re.MULTILINE)


def test_where_nobody_is_enrolled_everybody_is_unknown_and_that_is_told(
    appliance: Appliance,
    shows: Callable[[Sequence[Frame]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbench, "crowd_perception", lambda *_, **__: toy_perception())
    shows(hall(3))
    told = appliance.json("annotate", "--from", "x.mp4", "--out", appliance.folder / "out.mp4")
    assert (told.code, told.data["people"]) == (0, [])
    assert told.data["warnings"] == ["nobody is enrolled, so everybody is unknown."]


def test_faces_too_small_to_be_compared_are_told(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None]
) -> None:
    shows([scene(number / FPS, Toy(ALICE, width=50)) for number in range(3)])
    told = alice.json("annotate", "--from", "x.mp4", "--out", alice.folder / "out.mp4")
    assert told.data["tracks"][0]["state"] == "too_small"
    assert "--any-size" in told.data["warnings"][0]


@pytest.mark.parametrize("name", ["text.jpg", "empty.jpg", "cut.avi", "no-frames.avi", "none.mp4"])
def test_what_is_no_video_is_refused_and_nothing_is_left(
    name: str, appliance: Appliance, spoilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "crowd_perception", lambda *_, **__: toy_perception())
    out = appliance.folder / "out.mp4"
    told = appliance("annotate", "--from", spoilt / name, "--out", out)
    assert told.code == 3
    assert told.sentence
    assert {it.name for it in appliance.folder.iterdir()} <= {"config.yaml", "state"}


@pytest.mark.parametrize("source", [OBAMA, OBAMA.parent])
def test_a_picture_is_no_video(source: Path, appliance: Appliance) -> None:
    told = appliance.json("annotate", "--from", source, "--out", appliance.folder / "out.mp4")
    assert (told.code, told.error["code"]) == (3, "no_video")


@pytest.mark.parametrize("out", ["same.mp4", "link.mp4", "./folder/../same.mp4"])
def test_the_film_is_never_written_over_itself(out: str, appliance: Appliance) -> None:
    film = appliance.folder / "same.mp4"
    shutil.copy(RECORDING, film)
    (appliance.folder / "link.mp4").symlink_to(film)
    (appliance.folder / "folder").mkdir()
    told = appliance("annotate", "--from", film, "--out", appliance.folder / out)
    assert (told.code, told.sentence) == (2, "--from and --out name the same file.")
    assert film.read_bytes() == RECORDING.read_bytes()
    told = appliance("annotate", "--from", film, "--out", "x.mp4", "--csv", appliance.folder / out)
    assert (told.code, told.sentence) == (2, "--from and --csv name the same file.")


@pytest.mark.parametrize("words", [("x.avi",), ("nowhere/x.mp4",), ("x.mp4", "--csv", "nowhere/x")])
def test_what_cannot_be_written_is_told_before_the_work(
    words: tuple[str, ...], appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(appliance.folder)
    told = appliance("annotate", "--from", RECORDING, "--out", *words)
    assert told.code == 3
    assert told.sentence


def test_a_video_that_is_closed_to_writing_stays_as_it_is(appliance: Appliance) -> None:
    (out := appliance.folder / "out.mp4").write_bytes(b"earlier")
    out.chmod(0o444)
    told = appliance("annotate", "--from", RECORDING, "--out", out)
    assert (told.code, out.read_bytes()) == (3, b"earlier")
    assert "read-only" in told.sentence


def test_a_disk_that_fills_up_leaves_the_earlier_video(
    alice: Appliance,
    shows: Callable[[Sequence[Frame]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shows(hall(3))
    (out := alice.folder / "out.mp4").write_bytes(b"earlier")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    told = alice("annotate", "--from", "x.mp4", "--out", out)
    assert told.code == 3
    assert "no space left" in told.sentence
    assert (out.read_bytes(), list(alice.folder.glob(".out*"))) == (b"earlier", [])


def test_a_video_that_arrived_in_part_does_not_get_its_name(
    alice: Appliance,
    shows: Callable[[Sequence[Frame]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shows(hall(5))
    real = cv2.VideoWriter

    class Lossy:
        """Loses the first frame, and does not say so, as OpenCV does where a disk is full."""

        fourcc = staticmethod(real.fourcc)

        def __init__(self, *asked: Any) -> None:
            self._real, self._lost = real(*asked), False

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return self._real.isOpened()

        def write(self, image: Pixels) -> None:
            if self._lost:
                self._real.write(image)
            self._lost = True

        def release(self) -> None:
            self._real.release()

    monkeypatch.setattr(cv2, "VideoWriter", Lossy)
    told = alice("annotate", "--from", "x.mp4", "--out", alice.folder / "out.mp4")
    assert told.code == 3
    assert "is not what was written" in told.sentence
    assert list(alice.folder.glob("*out*")) == []


def test_a_table_that_could_not_be_written_takes_nothing_from_the_video(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shows(hall(3))
    out, table = alice.folder / "out.mp4", alice.folder / "out.csv"
    real = Path.write_text

    def full(path: Path, *words: Any, **more: Any) -> int:
        if path.name.startswith(".out.csv"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *words, **more)

    monkeypatch.setattr(Path, "write_text", full)
    words = ("annotate", "--from", "x.mp4", "--out", out, "--csv", table)
    told = alice(*words)
    assert (told.code, out.exists(), table.exists()) == (3, True, False)
    assert f"Written to {out}. Sound" in told.out
    assert "no space left" in told.err
    told = alice.json(*words)
    assert (told.code, told.data["csv"], told.data["frames"]) == (3, None, 3)
    assert told.data["error"]["code"] == "lines_not_written"


@pytest.mark.parametrize(("lasts", "words"), [(0.8, []), (0.88, []), (2.5, ["2.5 s", "0.8 s"])])
def test_a_film_that_is_written_shorter_than_it_was_is_told(
    lasts: float,
    words: list[str],
    alice: Appliance,
    shows: Callable[[Sequence[Frame]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shows(hall())
    monkeypatch.setattr(ToyFilm, "duration", lasts)
    told = alice.json("annotate", "--from", "x.mp4", "--out", alice.folder / "out.mp4")
    assert len(told.data["warnings"]) == bool(words)
    assert all(word in warning for warning in told.data["warnings"] for word in words)


def test_who_interrupts_leaves_nothing(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(ToyFilm):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            raise KeyboardInterrupt

    monkeypatch.setattr(assemble, "one_file", lambda _: Interrupted(hall(7)))
    told = alice("annotate", "--from", "x.mp4", "--out", alice.folder / "out.mp4")
    assert told.code == 130
    assert list(alice.folder.glob("*out*")) == []


# --- greet ----------------------------------------------------------------------------------


class RecordedVoice:
    """Sounds for so many looks after each greeting."""

    faults = ()

    def __init__(self, looks: int = 2) -> None:
        self.said: list[str] = []
        self._looks, self._left = looks, 0

    @property
    def sounding(self) -> bool:
        self._left = max(self._left - 1, 0)
        return self._left > 0

    def examine(self) -> tuple[str, ...]:
        return ()

    def greet(self, text: str) -> None:
        self.said.append(text)
        self._left = self._looks

    def say(self, text: str) -> None:
        raise AssertionError("nobody is told to do anything")

    def close(self) -> None:
        """Nothing to give back."""


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_somebody_is_greeted_once_a_visit_and_no_stranger_is(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = RecordedVoice()
    monkeypatch.setattr(assemble, "voice", lambda _: voice)
    later = [scene(60 + it.at, Toy(ALICE, x=80, width=80), seed=0) for it in hall(2)]
    shows([*hall(), *later])
    told = alice.json("greet", "--from", "x.mp4", "--fast")
    assert told.code == 0, told
    first, second, end = lines(told.out)
    assert (first["name"], first["text"], first["at_s"]) == ("alice", "Welcome, alice.", 0.0)
    assert (second["name"], second["at_s"]) == ("alice", 60.0)
    assert end == {"event": "ended", "frames": 10, "greeted": {"alice": 2}, "voice_faults": []}
    assert voice.said == ["Welcome, alice."] * 2
    assert "No door is driven" in told.err


def test_who_looks_through_the_camera_stops_it_by_ctrl_c_and_nothing_was_kept(
    alice: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(ToyFilm):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            raise KeyboardInterrupt

    # A camera's clock counts from the start of the machine; greetings from the first frame.
    shown = [replace(frame, at=79_000.0 + frame.at) for frame in hall(3)]
    monkeypatch.setattr(assemble, "camera", lambda _: Stopped(shown))
    before = alice.snapshot()
    told = alice.json("greet", "--silent")
    assert told.code == 0, told
    greeted, end = lines(told.out)
    assert greeted["at_s"] == 0.0
    assert end == {"event": "ended", "frames": 3, "greeted": {"alice": 1}, "voice_faults": []}
    assert alice.snapshot() == before


def test_where_nothing_sounds_the_greeting_is_read(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None]
) -> None:
    shows(hall(2))
    told = alice("greet", "--from", "x.mp4", "--fast", "--silent")
    assert told.code == 0
    assert [line.split()[-2:] for line in told.out.splitlines()] == [
        ["Welcome,", "alice."],
        ["2", "frames."],
    ]


def test_a_sound_of_ones_own_takes_the_place_of_speech(
    alice: Appliance, shows: Callable[[Sequence[Frame]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = RecordedVoice()
    sounds: dict[str, RecordedVoice] = {}
    monkeypatch.setattr(assemble, "voice", lambda _: speech)
    monkeypatch.setattr(
        assemble, "sound", lambda path: sounds.setdefault(path.name, RecordedVoice())
    )
    (folder := alice.folder / "welcomes").mkdir()
    (folder / "Alice.wav").touch()
    (folder / "zed.wav").touch()
    shows(hall(2))
    told = alice("greet", "--from", "x.mp4", "--fast", "--sounds", folder)
    assert (told.code, speech.said) == (0, [])
    assert [(name, len(voice.said)) for name, voice in sounds.items()] == [("Alice.wav", 1)]
    assert "Of nobody who is enrolled: zed.wav." in told.err


def test_where_nobody_is_enrolled_nobody_is_waited_for(appliance: Appliance) -> None:
    told = appliance.json("greet", "--silent")
    assert (told.code, told.error["code"]) == (3, "nobody_enrolled")


@pytest.mark.parametrize("name", ["nowhere", "config.yaml"])
def test_a_folder_of_sounds_that_is_none_is_refused(name: str, alice: Appliance) -> None:
    told = alice("greet", "--from", OBAMA, "--sounds", alice.folder / name)
    assert told.code == 3
    assert "folder of sounds" in told.err


def test_without_a_camera_it_says_so(alice: Appliance) -> None:
    alice.configure(camera={"source": "/dev/video99"})
    told = alice("greet", "--silent")
    assert told.code == 4


def test_who_comes_together_is_greeted_one_after_the_other() -> None:
    voice = RecordedVoice(looks=3)
    greetings = Greetings(voice, {}, "de")
    assert greetings.welcome("alice") == "Willkommen, alice."
    greetings.welcome("bob")
    assert voice.said == ["Willkommen, alice."]
    clock = FakeClock()
    greetings.finish(clock, 5.0)
    assert voice.said == ["Willkommen, alice.", "Willkommen, bob."]


def test_a_voice_that_never_ends_is_not_waited_for() -> None:
    greetings, clock = Greetings(RecordedVoice(looks=10**9), {}, "en"), FakeClock()
    greetings.welcome("alice")
    before = clock.monotonic()
    greetings.finish(clock, 5.0)
    assert clock.monotonic() - before == pytest.approx(5.0, abs=0.2)


def test_the_recorded_voice_is_a_voice() -> None:
    voice: Voice = RecordedVoice()
    assert voice.examine() == ()


# --- the whole, with real faces -----------------------------------------------------------


@pytest.mark.slow
def test_the_bundled_recording_is_named_from_its_first_to_its_last_frame(
    appliance: Appliance,
) -> None:
    assert appliance("enroll", "--name", "alice", "--from", RECORDING).code == 0
    out, table = appliance.folder / "out.mp4", appliance.folder / "out.csv"
    told = appliance.json("annotate", "--from", RECORDING, "--out", out, "--csv", table)
    assert told.code == 0, told
    assert [(it["name"], it["frames"]) for it in told.data["tracks"]] == [
        ("alice", told.data["frames"])
    ]
    fps, frames = played(out)
    (was, before) = played(RECORDING)
    assert fps == pytest.approx(was)
    assert (len(frames), frames[0].shape) == (len(before), before[0].shape)
    # The picture is the same but for the box and its label.
    changed = np.abs(frames[0].astype(int) - before[0]).max(axis=2) > 60
    assert 0.002 < changed.mean() < 0.05
