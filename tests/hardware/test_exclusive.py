"""Only one process holds the devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import DeviceBusyError, HardwareError
from appliance.hardware.exclusive import DevicesLock
from tests.patience import patient

_HOLD = """
import sys
from pathlib import Path
from appliance.hardware.exclusive import DevicesLock
with DevicesLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_them_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "run" / "devices.lock"
    with _holder(path) as holder:
        with pytest.raises(DeviceBusyError, match=f"in use by process {holder.pid} ") as caught:
            DevicesLock(path).__enter__()
        assert str(path) in caught.value.message  # its command line
        assert caught.value.exit_code == 4
        holder.kill()
        holder.wait(timeout=patient(10))
        with DevicesLock(path):
            assert path.read_text().startswith(f"{os.getpid()}\n")


def test_a_file_that_root_makes_belongs_to_the_folders_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _file, user, group: given.append((user, group)))
    for _ in range(2):  # and one that is there is left as it is
        with DevicesLock(tmp_path / "devices.lock"):
            assert given == [(tmp_path.stat().st_uid, tmp_path.stat().st_gid)]


def test_it_is_released_on_leaving_also_by_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "devices.lock"
    with pytest.raises(ZeroDivisionError), DevicesLock(path):
        raise ZeroDivisionError
    assert path.read_text() == ""
    with DevicesLock(path):
        pass


def test_the_same_process_cannot_hold_them_twice(tmp_path: Path) -> None:
    path = tmp_path / "devices.lock"
    with (
        DevicesLock(path),
        pytest.raises(DeviceBusyError, match=f"process {os.getpid()} "),
        DevicesLock(path),
    ):
        pass


@pytest.mark.parametrize("content", ["", "nonsense\n", "\xff\xfe", "12"])
def test_a_holder_that_tells_nothing_useful_is_still_a_holder(tmp_path: Path, content: str) -> None:
    path = tmp_path / "devices.lock"
    with DevicesLock(path):
        path.write_text(content)
        with pytest.raises(DeviceBusyError, match=r"in use by (another process|process 12)\."):
            DevicesLock(path).__enter__()


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path, tmp_path / "link", Path("/dev/full/devices.lock")):
        with pytest.raises(HardwareError, match="cannot be used"):
            DevicesLock(path).__enter__()
