"""`python -m tests.faults`: the whole campaign, with its tally at the end as a table.

    python -m tests.faults [--kills 1000] [--rigs 2] [--seed 1] [--only FAULT]... [--quick]

Leaves nothing behind. Exits with 1 when anything was not survived.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.faults import faults, kills
from tests.faults.kills import Tally
from tests.faults.outcome import Outcome, table
from tests.faults.rig import Rig, copied, die_with_parent, furnish, load_libraries

KILLS = "kill -9"
LEAST_IN_A_PULSE = 100


def main(words: Sequence[str]) -> int:
    """Run what is asked for; the exit code."""
    asked = _asked(words)
    if asked.worker is not None:
        return _worker(Path(asked.worker), asked.kills, asked.seed)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        # In a process of its own: what forks later must not have started OpenCV's threads.
        furnished = Path(folder) / "furnished"
        _in_another_process(["--furnish", str(furnished)])
        for name, fault in faults.ALL.items():
            if not asked.only or name in asked.only:
                _say(f"{name} ...")
                outcomes += fault(furnished, Path(folder), asked.quick)
                _say(f"  {time.monotonic() - began:.0f} s")
        if not asked.only or KILLS in asked.only:
            outcomes += _kills(furnished, Path(folder), asked)
    sys.stdout.write(table(outcomes))
    return 0 if all(outcome.survived for outcome in outcomes) else 1


def _asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--rigs", type=int, default=2, help="services killed side by side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=[*faults.ALL, KILLS])
    parser.add_argument("--quick", action="store_true", help="few trials of each")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--furnish", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.furnish is not None:
        furnish(asked.furnish)
        sys.exit()
    return asked


def _in_another_process(words: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "tests.faults", *words], cwd=ROOT, check=True)


def _kills(furnished: Path, folder: Path, asked: argparse.Namespace) -> list[Outcome]:
    """Several services side by side, each with its own share of the kills."""
    total = Tally()
    share = max(asked.kills // asked.rigs, 1)
    with _workers(furnished, folder, asked, share) as workers:
        for worker in workers:
            told, _ = worker.communicate()
            if worker.returncode not in {0, 1}:
                total.complaints.append(f"a worker ended with {worker.returncode}")
            else:
                total.add(kills.from_json(told))
    return kill_outcomes(total)


@contextmanager
def _workers(
    furnished: Path, folder: Path, asked: argparse.Namespace, share: int
) -> Iterator[list[subprocess.Popen[str]]]:
    workers = []
    for number in range(asked.rigs):
        place = copied(furnished, folder / f"rig-{number}")
        words = ["--worker", str(place), "--kills", str(share), "--seed", str(asked.seed + number)]
        program = [sys.executable, "-m", "tests.faults", *words]
        workers.append(subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _worker(folder: Path, count: int, seed: int) -> int:
    die_with_parent()
    load_libraries()
    rig = Rig(folder, forked=True)
    try:
        tally = kills.campaign(
            rig, count, seed, lambda done: None if done % 25 else _say(f"{done} of {count}")
        )
    finally:
        rig.close()
    sys.stdout.write(kills.to_json(tally))
    return 1 if tally.complaints else 0


def kill_outcomes(tally: Tally) -> list[Outcome]:
    """A line for each state in which the service was killed, and one for all."""
    in_all = sum(tally.kills.values())
    well = "; ".join(tally.complaints) or "database whole, chain verifies, each release recorded"
    rows = [Outcome(KILLS, in_all, not tally.complaints, f"{tally.releases} releases; {well}")]
    rows += [
        Outcome(f"  {state}", tally.kills[state], not tally.complaints, "")
        for state in kills.STATES
    ]
    if tally.left_energised_s:
        worst, median = max(tally.left_energised_s), statistics.median(tally.left_energised_s)
        text = f"relay left energised {worst:.2f} s at most, {median:.2f} s in the middle"
        soon = worst <= 1.0
        rows.append(Outcome("  helper after a kill in a pulse", len(tally.helper_s), soon, text))
    return rows


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
