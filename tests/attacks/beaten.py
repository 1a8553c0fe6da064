"""Which cue each species beats by itself, from what `tests.attacks.measure` wrote.

    python -m tests.attacks.beaten MEASURED.jsonl... [--strength strong]

A cue is beaten by a presentation when it alone would have let it in at some moment: three judged
frames in a row without anything against life by this cue (for geometry: with a motion in depth).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from appliance.liveness.fusion import load
from appliance.liveness.watch import RELIEF, SETTLE_S

_IN_A_ROW = 3


def cues() -> dict[str, Callable[[Mapping[str, float]], bool]]:
    """Each cue's own test of one frame's measures."""
    weights = load()

    def silent(name: str) -> Callable[[Mapping[str, float]], bool]:
        weight = weights.measures[name]
        return lambda found: name not in found or weight.moves(found[name]) >= 0

    return {
        "appearance": silent("appearance"),
        "geometry": lambda found: found.get(RELIEF, 0.0) >= weights.relief,
        "surroundings": silent("surroundings_held"),
        "moire": silent("moire"),
        "bands": silent("bands"),
    }


def beaten(
    rows: Sequence[Mapping[str, Any]], passes: Callable[[Mapping[str, float]], bool]
) -> bool:
    """Whether one presentation gets past one cue."""
    run = 0
    for row in rows:
        if row["t"] < SETTLE_S or not row["good"]:
            continue
        run = run + 1 if passes(row["cues"]) else 0
        if run >= _IN_A_ROW:
            return True
    return False


def main(words: list[str]) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.beaten")
    parser.add_argument("measured", type=Path, nargs="+")
    parser.add_argument("--strength", default="strong")
    asked = parser.parse_args(words)
    rows = [json.loads(line) for path in asked.measured for line in path.read_text().splitlines()]
    rows = [row for row in rows if f"_{asked.strength}_" in row["name"]]
    rows.sort(key=lambda row: (row["label"], row["name"]))
    tests, found = cues(), defaultdict[str, list[list[bool]]](list)
    for (label, _), group in groupby(rows, lambda row: (row["label"], row["name"])):
        shown = list(group)
        found[label].append([beaten(shown, passes) for passes in tests.values()])
    sys.stdout.write(
        f"| {asked.strength} | n | {' | '.join(tests)} |\n{'|---' * (len(tests) + 2)}|\n"
    )
    for label, results in sorted(found.items()):
        shares = [f"{sum(column) / len(results):.0%}" for column in zip(*results, strict=True)]
        sys.stdout.write(f"| {label} | {len(results)} | {' | '.join(shares)} |\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
