"""Codec chatter stays off standard error, everything else reaches it."""

from __future__ import annotations

import os

import cv2
import pytest

from appliance.hardware.quiet import codec_warnings, quiet_opencv


def test_chatter_is_caught_and_other_lines_pass(capfd: pytest.CaptureFixture[str]) -> None:
    with codec_warnings() as warnings:
        os.write(2, b"Corrupt JPEG data: premature end\na log line of another thread\n")
    assert warnings == [b"Corrupt JPEG data: premature end\n"]
    assert capfd.readouterr().err == "a log line of another thread\n"


def test_standard_error_comes_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), codec_warnings():
        raise ZeroDivisionError
    os.write(2, b"here again\n")
    assert capfd.readouterr().err == "here again\n"


def test_a_process_without_standard_error_can_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with codec_warnings() as warnings:
        pass
    assert warnings == []


def _log_level() -> object:
    home = cv2 if hasattr(cv2, "getLogLevel") else cv2.utils.logging
    return home.getLogLevel()


def test_a_log_level_that_somebody_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "40")
    before = _log_level()
    quiet_opencv()
    assert os.environ["OPENCV_FFMPEG_LOGLEVEL"] == "40"
    assert _log_level() == before


def test_otherwise_opencv_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENCV_LOG_LEVEL", raising=False)
    quiet_opencv()
    assert _log_level() == 0
