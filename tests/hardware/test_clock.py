"""The system's clock."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from appliance import lockout
from appliance.hardware.clock import SystemClock, _this_process, kernel_is_in_step
from appliance.ports import Clock
from appliance.types import FailureCount


def test_it_moves_forward_and_knows_its_time_zone() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert clock.monotonic() - before >= 0.01
    assert clock.now().utcoffset() == timedelta(0)


def test_one_boot_has_one_name(tmp_path: Path) -> None:
    (kernel := tmp_path / "boot_id").write_text("17cace3d-9193\n")
    assert SystemClock(boot_id=kernel).boot == SystemClock(boot_id=kernel).boot == "17cace3d-9193"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_boots_that_cannot_be_told_apart_are_never_taken_for_one(
    tmp_path: Path, content: bytes | None
) -> None:
    kernel = tmp_path / "boot_id"
    if content is not None:
        kernel.write_bytes(content)
    before = SystemClock(boot_id=kernel)
    assert before.boot == SystemClock(boot_id=kernel).boot  # one process, one time
    _this_process.cache_clear()  # as another process finds it
    after = SystemClock(boot_id=kernel)
    assert after.boot != before.boot
    # Nobody who was locked out before is free because the machine has run for long.
    assert after.monotonic() <= before.monotonic()
    count = FailureCount(5, lockout.moment(before))
    left = lockout.remaining(count, lockout.moment(after), lockout.Policy(5, 86_400))
    assert left > 86_000


class _In(SystemClock):
    """A system whose wall clock stands in some year."""

    def __init__(self, year: int, synchronized: Path, in_step: Callable[[], bool]) -> None:
        super().__init__(synchronized=synchronized, in_step=in_step)
        self._year = year

    def now(self) -> datetime:
        return datetime(self._year, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("year", "told_by_file", "told_by_kernel", "trusted"),
    [
        (2027, False, False, False),
        (2027, True, False, True),
        (2027, False, True, True),
        (1970, True, True, False),
        (2025, True, True, False),
    ],
)
def test_a_clock_is_believed_when_a_time_server_has_set_it(
    tmp_path: Path, *, year: int, told_by_file: bool, told_by_kernel: bool, trusted: bool
) -> None:
    mark = tmp_path / "synchronized"
    if told_by_file:
        mark.touch()
    assert _In(year, mark, lambda: told_by_kernel).trusted() is trusted


def test_the_kernel_is_read_right() -> None:
    # What the call itself returns says the same in another way: TIME_ERROR, where out of step.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    if state < 0:
        pytest.skip("the kernel may not be asked here")
    assert kernel_is_in_step() is (state != 5)
