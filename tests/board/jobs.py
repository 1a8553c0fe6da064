"""Several commands side by side: a board keeps one core busy, and most machines have more."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

_POLL_S = 0.1


def side_by_side(commands: Sequence[Sequence[str]], jobs: int) -> list[str]:
    """Run commands, so many at a time and in their order; what each wrote to standard output.

    They end with this process, however that ends; call it from the main thread. What they write
    to standard error goes there, a line at a time. What a command exits with is not looked at.
    """
    # The child is killed when the thread ends that started it.
    words = [["setpriv", "--pdeathsig", "TERM", *command] for command in commands]
    told = [""] * len(words)
    running: dict[int, subprocess.Popen[str]] = {}
    left = iter(range(len(words)))
    try:
        while True:
            while len(running) < jobs and (number := next(left, None)) is not None:
                running[number] = subprocess.Popen(words[number], stdout=subprocess.PIPE, text=True)
            if not running:
                return told
            for number in [number for number, it in running.items() if it.poll() is not None]:
                told[number], _ = running.pop(number).communicate()
            time.sleep(_POLL_S)
    finally:
        for process in running.values():
            process.terminate()
            process.wait()
