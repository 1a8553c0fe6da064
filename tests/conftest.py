"""What all tests share: the checkout, and the measuring data where it is at hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from appliance.hardware.quiet import quiet_opencv
from tests.patience import FACTOR

# Some tests load ONNX Runtime by themselves; it is to report to nobody there either.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

ROOT = Path(__file__).resolve().parent.parent
# Pictures and recordings that are too large or not free to be kept in the repository.
DATA_PARTS = ("stills", "clips", "lfw-dev", "pad")


def data_folder() -> Path | None:
    """The measuring data: the folder APPLIANCE_DATA names, or `shared/data` beside the checkout.

    A folder that is named but not there is a mistake and fails, so that nobody believes in
    tests that did not run.
    """
    named = os.environ.get("APPLIANCE_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if any((folder / part).is_dir() for part in DATA_PARTS):
        return folder
    if named:
        pytest.fail(f"APPLIANCE_DATA names {named}, which holds none of: {', '.join(DATA_PARTS)}")
    return None


@pytest.fixture(scope="session")
def data() -> Path:
    """The measuring data, or a skip that says why."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no measuring data: set APPLIANCE_DATA to a folder with stills/ and clips/")
    return folder


@pytest.fixture(scope="session", autouse=True)
def quiet_codecs() -> None:
    """FFmpeg's level is read once in a process, by whichever test opens a video first."""
    quiet_opencv()


@pytest.fixture(scope="session", autouse=True)
def no_width_from_outside() -> Iterator[None]:
    """A library that reads keys tells its children how wide the terminal is; output obeys that."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        yield


def pytest_configure() -> None:
    """A run in a shell's background inherits that Ctrl-C is ignored, and one under nohup that a
    hang-up is; both are tested here, and what the tests start inherits it in turn.

    On a slow machine Hypothesis is not to take slowness for a fault either.
    """
    if FACTOR > 1:
        settings.register_profile(
            "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        settings.load_profile("patient")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
