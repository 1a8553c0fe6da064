"""A video file that is whole under its name, or not there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.errors import InputError
from appliance.hardware.video_writer import CODECS, VideoWriter, check
from appliance.hardware.videos import Video
from appliance.types import Pixels


def grey(level: int, width: int = 64, height: int = 48) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def write(path: Path, frames: list[Pixels], codec: str = "mpeg4", fps: float = 25.0) -> None:
    writer = VideoWriter(path, codec, fps, (frames[0].shape[1], frames[0].shape[0]))
    for frame in frames:
        writer.write(frame)
    writer.keep()


def levels(path: Path) -> list[int]:
    """How bright each frame of a file is."""
    found = []
    with closing(Video(path, path.name)) as video:
        while video.advance():
            picture = video.picture()
            assert picture is not None
            found.append(round(float(picture.mean())))
    return found


@pytest.mark.parametrize(
    ("codec", "fps"), [("mpeg4", 25.0), ("mpeg4", 30000 / 1001), ("mpeg4", 12.5), ("vp9", 25.0)]
)
def test_frames_come_back_in_order_at_their_rate(tmp_path: Path, codec: str, fps: float) -> None:
    wanted = [20, 60, 100, 140, 180]
    write(tmp_path / "a.mp4", [grey(level) for level in wanted], codec, fps)
    assert levels(tmp_path / "a.mp4") == pytest.approx(wanted, abs=6)
    with closing(Video(tmp_path / "a.mp4", "a.mp4")) as video:
        assert video.fps == pytest.approx(fps, rel=1e-4)
        assert video.count == 5
    assert [it.name for it in tmp_path.iterdir()] == ["a.mp4"]


def test_a_frame_of_another_size_is_scaled_and_not_lost(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [grey(50), grey(100, 128, 96), grey(150, 30, 90)])
    assert levels(tmp_path / "a.mp4") == pytest.approx([50, 100, 150], abs=6)


def test_an_odd_size_loses_one_column_or_row(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [grey(50, 65, 49)] * 2)
    with closing(Video(tmp_path / "a.mp4", "a.mp4")) as video:
        assert video.advance()
        picture = video.picture()
    assert picture is not None
    assert picture.shape == (48, 64, 3)


def test_until_it_is_kept_the_earlier_file_stands(tmp_path: Path) -> None:
    (path := tmp_path / "a.mp4").write_bytes(b"earlier")
    writer = VideoWriter(path, "mpeg4", 25.0, (64, 48))
    writer.write(grey(50))
    assert path.read_bytes() == b"earlier"
    writer.discard()
    writer.discard()
    assert [it.name for it in tmp_path.iterdir()] == ["a.mp4"]


def test_a_codec_that_this_library_lacks_is_told_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CODECS, "h264", "none")
    with pytest.raises(InputError, match="cannot write h264 videos of 64 x 48") as caught:
        VideoWriter(tmp_path / "a.mp4", "h264", 25.0, (64, 48))
    assert caught.value.hint == "Choose another codec: mpeg4, vp9."
    assert list(tmp_path.iterdir()) == []


def test_a_film_without_a_frame_is_none(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", "mpeg4", 25.0, (64, 48))
    with pytest.raises(InputError, match="cannot be written"):
        writer.keep()
    assert list(tmp_path.iterdir()) == []


def test_what_was_cut_off_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", "mpeg4", 25.0, (64, 48))
    for level in range(0, 250, 10):
        writer.write(grey(level))
    real = cv2.VideoCapture

    def cut_first(path: str, *rest: int) -> cv2.VideoCapture:
        draft = Path(path)
        draft.write_bytes(draft.read_bytes()[:-400])
        return real(path, *rest)

    monkeypatch.setattr(cv2, "VideoCapture", cut_first)
    with pytest.raises(InputError, match="is not what was written"):
        writer.keep()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.avi", "a", "folder.mp4", "nowhere/a.mp4"])
def test_what_can_be_no_video_is_told_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError):
        check(tmp_path / name)


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", "mpeg4", 25.0, (64, 48))
