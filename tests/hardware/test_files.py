"""Pictures, folders and videos in the place of a camera."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import cv2
import pytest

from appliance.errors import InputError
from appliance.hardware.files import PICTURE_INTERVAL, FileCamera, Skipped
from appliance.hardware.pictures import MAX_BYTES
from appliance.hardware.videos import DEFAULT_FPS, Video
from appliance.types import Frame, Pixels
from tests.fakes import FakeClock
from tests.hardware import picture_files as make


def _picture(path: Path, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make.encoded(make.QUARTERS // 2 + level, path.suffix))
    return path


def _told(camera: FileCamera) -> list[tuple[str, float, int]]:
    return [(frame.source, frame.at, frame.sequence) for frame in camera.frames()]


def test_named_pictures_come_in_the_given_order_a_second_apart(tmp_path: Path) -> None:
    paths = [_picture(tmp_path / name) for name in ("b.jpg", "a.png", "c.webp")]
    camera = FileCamera(paths, FakeClock())
    assert camera.length == 3
    assert _told(camera) == [("b.jpg", 0.0, 0), ("a.png", 1.0, 1), ("c.webp", 2.0, 2)]
    assert camera.live is False
    assert camera.skipped == []


def test_a_folder_is_sorted_and_its_other_files_are_left_out(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", ".hidden.jpg", "sub/c.jpg"):
        _picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "picture-without-extension").write_bytes(make.encoded(make.QUARTERS))
    camera = FileCamera([tmp_path], FakeClock())
    assert [source for source, _, _ in _told(camera)] == [
        "a.jpg",
        "b.jpg",
        "picture-without-extension",
    ]
    assert camera.skipped == []


def test_what_is_faulty_in_a_folder_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    whole = _picture(tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0")
    os.mkfifo(tmp_path / "pipe.jpg")
    camera = FileCamera([tmp_path], FakeClock())
    assert [source for source, _, _ in _told(camera)] == ["good.jpg"]
    assert sorted(camera.skipped) == [
        ("cut.jpg", "cut.jpg is a damaged JPEG file: it breaks off before its end."),
        ("empty.jpg", "empty.jpg is empty."),
        ("phone.heic", "phone.heic is a HEIC picture, which cannot be read."),
        ("pipe.jpg", "pipe.jpg is not a file."),
        ("text.jpg", "text.jpg is not a picture or a video that can be read."),
        (
            "video.mp4",
            (
                "video.mp4 is a video that cannot be opened: it is damaged, cut off, or of a kind "
                "that is not known."
            ),
        ),
    ]


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [_picture(tmp_path / folder / "me.jpg") for folder in ("a", "b")]
    _picture(tmp_path / "b" / "other.jpg")
    camera = FileCamera([paths[0], tmp_path / "b"], FakeClock())
    assert [source for source, _, _ in _told(camera)] == [
        str(tmp_path / "a" / "me.jpg"),
        str(tmp_path / "b" / "me.jpg"),
        "other.jpg",
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("gone.jpg", None, "gone.jpg does not exist"),
        ("empty.jpg", b"", "empty.jpg is empty"),
        ("text.jpg", b"hello", "text.jpg is not a picture or a video"),
        ("new.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC picture"),
        ("nul\0.jpg", None, "cannot be read: .*embedded null"),
        ("x" * 300, None, "cannot be read: file name too long"),
    ],
)
def test_a_faulty_file_that_was_named_is_an_error_at_once(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told) as caught:
        FileCamera([_picture(tmp_path / "good.jpg"), tmp_path / name], FakeClock())
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_a_damaged_picture_that_was_named_is_an_error_when_its_turn_comes(tmp_path: Path) -> None:
    good = _picture(tmp_path / "good.jpg")
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:-200])
    camera = FileCamera([good, tmp_path / "cut.jpg"], FakeClock())
    frames = camera.frames()
    assert next(frames).source == "good.jpg"
    with pytest.raises(InputError, match=r"cut\.jpg is a damaged JPEG file"):
        next(frames)


def test_devices_and_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
        with pytest.raises(InputError, match="is not a file"):
            FileCamera([path], FakeClock())


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _picture(tmp_path / "secret.jpg")

    def refuse(*_: object) -> int:  # root may read everything, so modes cannot test this
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match=r"secret\.jpg may not be read by this user") as caught:
        FileCamera([path], FakeClock())
    assert "ls -l" in caught.value.hint


def test_a_disk_that_fails_while_reading_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _picture(tmp_path / "a.jpg")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(InputError, match="cannot be read: input/output error"):
        FileCamera([path], FakeClock())


def test_a_file_of_too_many_bytes_is_not_loaded(tmp_path: Path) -> None:
    path = _picture(tmp_path / "padded.jpg")
    os.truncate(path, MAX_BYTES + 1)
    with pytest.raises(InputError, match="too large: 67 MB"):
        list(FileCamera([path], FakeClock()).frames())


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture that can be read") as caught:
        FileCamera([tmp_path], FakeClock())
    assert "subfolders are not searched" in caught.value.hint
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"the first: text\.jpg is not a picture"):
        FileCamera([tmp_path], FakeClock())


@pytest.mark.parametrize("loop", [False, True])
def test_a_folder_of_damaged_pictures_is_an_error_at_its_end(tmp_path: Path, loop: bool) -> None:  # noqa: FBT001
    whole = make.encoded(make.QUARTERS)
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"None of the files .*cut\.jpg is a damaged JPEG"):
        list(FileCamera([tmp_path], FakeClock(), loop=loop).frames())


def test_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="No picture was given"):
        FileCamera([], FakeClock())


@pytest.mark.parametrize(
    ("name", "fourcc"),
    [
        ("clip.avi", "MJPG"),
        ("clip.mp4", "mp4v"),
        ("clip.mov", "mp4v"),
        ("clip.mkv", "mp4v"),
        ("clip.webm", "VP80"),
    ],
)
def test_videos_of_every_kind(
    tmp_path: Path, name: str, fourcc: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make.write_video(tmp_path / name, [0, 80, 160, 240], fourcc)
    capfd.readouterr()  # the writer's own chatter
    camera = FileCamera([path], FakeClock())
    assert camera.length == 4
    frames = list(camera.frames())
    assert [frame.source for frame in frames] == [f"{name}#{index}" for index in range(4)]
    assert [frame.at for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [round(float(frame.bgr.mean()) / 80) for frame in frames] == [0, 1, 2, 3]
    assert camera.skipped == []
    assert capfd.readouterr().err == ""


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "wave.gif"
    path.write_bytes(make.gif([0, 100, 200]))
    frames = list(FileCamera([path], FakeClock()).frames())
    assert [(frame.source, frame.at) for frame in frames] == [
        ("wave.gif#0", 0.0),
        ("wave.gif#1", pytest.approx(0.1)),
        ("wave.gif#2", pytest.approx(0.2)),
    ]
    assert [round(float(frame.bgr.mean())) for frame in frames] == [0, 100, 200]


def test_a_still_gif_is_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    path.write_bytes(make.gif([100]))
    assert [source for source, _, _ in _told(FileCamera([path], FakeClock()))] == ["still.gif#0"]


def test_a_video_is_turned_as_its_metadata_says(tmp_path: Path) -> None:
    path = make.write_video(tmp_path / "held.mp4", [0, 100], "mp4v")
    assert next(FileCamera([path], FakeClock()).frames()).bgr.shape == (48, 64, 3)
    make.rotated_mp4(path)
    assert next(FileCamera([path], FakeClock()).frames()).bgr.shape == (64, 48, 3)


def test_a_video_without_frames_is_an_error(tmp_path: Path) -> None:
    path = make.write_video(tmp_path / "none.avi", [])
    camera = FileCamera([path], FakeClock())
    assert camera.length is None
    with pytest.raises(InputError, match="without a picture that can be decoded"):
        list(camera.frames())


def test_a_video_that_cannot_be_opened_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make.write_video(tmp_path / "cut.mp4", [0] * 5, "mp4v")
    os.truncate(path, path.stat().st_size // 2)
    capfd.readouterr()
    camera = FileCamera([path], FakeClock())
    assert camera.length == 0
    with pytest.raises(InputError, match="cannot be opened"):
        list(camera.frames())
    assert capfd.readouterr().err == ""


def test_a_video_that_breaks_gives_the_frames_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make.write_video(tmp_path / "torn.mkv", list(range(0, 200, 10)), "mp4v")
    monkeypatch.setattr(Video, "count", 20)  # a Matroska file claims only its length
    os.truncate(path, path.stat().st_size // 2)
    camera = FileCamera([path], FakeClock())
    used = len(list(camera.frames()))
    assert 0 < used < 20
    assert camera.skipped == [
        Skipped("torn.mkv", f"torn.mkv breaks off after {used} of 20 frames; those were used.")
    ]


def test_a_whole_video_of_a_varying_rate_does_not_break_off(tmp_path: Path) -> None:
    path = make.write_video(tmp_path / "varying.mkv", [0, 100] * 10, "mp4v", fps=4.0)
    make.claim_rate(path, 30)
    camera = FileCamera([path], FakeClock())
    assert (camera.fps, camera.length, camera.duration) == (30.0, 150, 5.0)
    assert len(list(camera.frames())) == 20
    assert camera.skipped == []
    os.truncate(path, path.stat().st_size // 2)
    camera = FileCamera([path], FakeClock())
    assert 0 < len(list(camera.frames())) < 20
    assert [it.source for it in camera.skipped] == ["varying.mkv"]


def test_a_video_too_large_to_decode_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make.write_video(tmp_path / "big.avi", [0])
    monkeypatch.setattr("appliance.hardware.pictures.MAX_SIDE", 50)
    with pytest.raises(InputError, match="too large: 64 x 48"):
        list(FileCamera([path], FakeClock()).frames())


@pytest.mark.parametrize("claimed", [0.0, -1.0, 90_000.0, float("nan")])
def test_senseless_frame_rates_become_the_default(
    tmp_path: Path, claimed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = Video(make.write_video(tmp_path / "odd.avi", [0]), "odd.avi")

    class Claims:
        def get(self, prop: int) -> float:
            assert prop == cv2.CAP_PROP_FPS
            return claimed

    real = video._capture
    monkeypatch.setattr(video, "_capture", Claims())
    assert video.fps == DEFAULT_FPS
    real.release()


def test_time_runs_on_from_file_to_file(tmp_path: Path) -> None:
    clip = make.write_video(tmp_path / "clip.avi", [0, 100])
    picture = _picture(tmp_path / "me.jpg")
    assert _told(FileCamera([picture, clip, picture], FakeClock())) == [
        (str(picture), 0.0, 0),
        ("clip.avi#0", 1.0, 1),
        ("clip.avi#1", 1.1, 2),
        (str(picture), pytest.approx(1.2), 3),
    ]


def test_a_loop_begins_again_and_time_runs_on(tmp_path: Path) -> None:
    clip = make.write_video(tmp_path / "clip.avi", [0, 100])
    camera = FileCamera([clip], FakeClock(), loop=True)
    assert camera.length is None
    frames = camera.frames()
    told = [(frame.source, frame.at, frame.sequence) for frame, _ in zip(frames, range(5))]  # noqa: B905
    assert told == [
        ("clip.avi#0", 0.0, 0),
        ("clip.avi#1", pytest.approx(0.1), 1),
        ("clip.avi#0", pytest.approx(0.2), 2),
        ("clip.avi#1", pytest.approx(0.3), 3),
        ("clip.avi#0", pytest.approx(0.4), 4),
    ]
    camera.close()
    with pytest.raises(InputError, match="closed"):
        next(frames)


def test_fast_pacing_never_waits(tmp_path: Path) -> None:
    clock = FakeClock()
    list(FileCamera([_picture(tmp_path / "a.jpg")] * 3, clock).frames())
    assert clock.slept == []


def test_real_time_pacing_waits_until_each_frame_is_due(tmp_path: Path) -> None:
    clock = FakeClock(monotonic=100.0)
    clip = make.write_video(tmp_path / "clip.avi", [0, 50, 100, 150])
    camera = FileCamera([clip], clock, pacing="real_time")
    for frame in camera.frames():
        assert clock.monotonic() - 100.0 >= frame.at - 1e-9
        # Each frame takes 30 ms of work, the second one takes longer than its turn.
        clock.advance(0.25 if frame.sequence == 1 else 0.03)
    assert clock.slept == [pytest.approx(0.07)]


def test_the_generator_gives_its_video_back(tmp_path: Path) -> None:
    clip = make.write_video(tmp_path / "clip.avi", [0, 50, 100, 150])
    frames = FileCamera([clip], FakeClock()).frames()
    next(frames)
    assert clip in _open_files()
    del frames
    assert clip not in _open_files()


def _open_files() -> set[Path]:
    return {link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def _offsets(frames: Iterable[Frame]) -> list[float]:
    return [round(frame.at, 6) for frame in frames]


def test_a_pace_leaves_frames_out_and_does_not_decode_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bool] = []
    real = Video.picture

    def noted(video: Video) -> Pixels | None:
        decoded.append(True)
        return real(video)

    monkeypatch.setattr(Video, "picture", noted)
    clip = make.write_video(tmp_path / "clip.avi", list(range(0, 200, 10)))  # 10 a second
    camera = FileCamera([clip], FakeClock())
    camera.pace(2)
    frames = list(camera.frames())
    assert _offsets(frames) == [0.0, 0.4, 0.9, 1.4, 1.9]
    assert [frame.source for frame in frames][:2] == ["clip.avi#0", "clip.avi#4"]
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 4]
    assert len(decoded) == 5
    camera.pace(None)
    assert len(list(camera.frames())) == 20


def test_a_pace_slower_than_the_loop_still_gives_frames(tmp_path: Path) -> None:
    camera = FileCamera([_picture(tmp_path / "a.jpg")], FakeClock(), loop=True)
    camera.pace(0.2)
    assert _offsets(islice(camera.frames(), 3)) == [0.0, 4.0, 9.0]


def test_in_real_time_who_is_late_sees_the_newest_picture(tmp_path: Path) -> None:
    clock = FakeClock()
    clip = make.write_video(tmp_path / "clip.avi", list(range(0, 200, 10)))  # 10 a second
    seen = []
    for frame in FileCamera([clip], clock, pacing="real_time").frames():
        seen.append((round(frame.at, 6), round(clock.monotonic(), 6)))
        clock.advance(0.45 if frame.at < 1 else 0.01)
    # Never older than one picture's time, and never from the future.
    assert all(0 <= now - at < 0.1 + 1e-6 for at, now in seen)
    assert [at for at, _ in seen][:4] == [0.0, 0.4, 0.9, 1.3]


def test_in_real_time_who_was_away_for_long_finds_it_where_it_was(tmp_path: Path) -> None:
    clock = FakeClock()
    clip = make.write_video(tmp_path / "clip.avi", list(range(0, 200, 10)))
    at = []
    for frame in FileCamera([clip], clock, pacing="real_time", loop=True).frames():
        at.append(round(frame.at, 6))
        if len(at) == 5:
            break
        clock.advance(3600 if len(at) == 2 else 0.01)
    assert at == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_closing_ends_the_wait_for_a_picture_that_is_far_off(tmp_path: Path) -> None:
    class Closing(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            camera.close()

    clock = Closing()
    camera = FileCamera([_picture(tmp_path / "a.jpg")] * 2, clock, pacing="real_time")
    frames = camera.frames()
    next(frames)
    with pytest.raises(InputError, match="closed"):
        next(frames)
    assert clock.monotonic() < PICTURE_INTERVAL


def test_a_damaged_picture_that_a_pace_leaves_out_is_no_fault(tmp_path: Path) -> None:
    good = _picture(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(good[: len(good) // 2])
    _picture(tmp_path / "c.jpg")
    camera = FileCamera([tmp_path], FakeClock())
    camera.pace(0.5)
    assert [frame.source for frame in camera.frames()] == ["a.jpg", "c.jpg"]
    assert camera.skipped == []
