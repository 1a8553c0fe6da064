"""Work that is spread over processes: what is told when one dies, and who ends with whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import InputError
from appliance.evaluation import workers
from appliance.evaluation.workers import Workers, each
from tests.patience import patient


class Pool:
    """Processes of which one dies at the third task."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Any, tasks: Sequence[int], chunksize: int) -> Iterator[int]:
        yield from tasks[:2]
        raise BrokenProcessPool("terminated abruptly")


def test_a_process_that_the_system_ends_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_: Path) -> Any:
        raise AssertionError

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    done: list[int] = []
    with pytest.raises(InputError, match="ended from outside") as told:
        done += each(abs, [1, 2, 3], Workers(object, nobody))
    assert (told.value.code, int(told.value.exit_code)) == ("worker_ended", 3)
    assert "--workers" in told.value.hint


_WORK = """
import signal, sys, time
from appliance.evaluation.workers import Workers, each

def nap(number):
    print(number, flush=True)
    time.sleep(0.1)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    for _ in each(nap, range(10_000), Workers(object, print, count=2, chunk=1)):
        pass
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_all_end_with_the_one_that_began_them(number: int, code: int, tmp_path: Path) -> None:
    """A signal to all of them, as of a closed terminal, or to none but that one."""
    (tmp_path / "work.py").write_text(_WORK, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, tmp_path / "work.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    if number == signal.SIGTERM:
        os.killpg(process.pid, number)
    else:
        process.kill()
    # Both ends of its output are closed when the last of them has ended, and not before.
    _, told = process.communicate(timeout=patient(60))
    assert process.returncode == code
    assert "Traceback" not in told
