"""Learns what the cues are worth, and what scores living people get: `liveness/weights.json`.

    python -m tests.attacks.fit MEASURED.jsonl... [--out appliance/liveness/weights.json]

MEASURED: what `tests.attacks.measure` wrote of people on the fitting side of the split only. Each
species weighs as much as any other, and living people as much as all of them together. What is
physically impossible for a living person before a camera (repeated frames, impossible times) is not
learnt: it is set, so that one such cue is enough. So is what the synthetic attacks hold nothing of,
because a real display's pattern depends on pitch and camera as no model can foretell.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from appliance.liveness.fusion import REACH, Weight, Weights
from appliance.types import Suspicion

# Where each measure is neutral, and its scale, from what living people show: those of which little
# is known there tell nothing. weight: the direction to learn, or what is set.
LEARNT: Mapping[str, Weight] = {
    # That a picture looks alive is no reason to overlook how it moves.
    "appearance": Weight(
        suspicion=Suspicion.APPEARANCE, neutral=0.85, scale=0.1, weight=1, only_against=True
    ),
    "surroundings_held": Weight(
        suspicion=Suspicion.SURROUNDINGS, neutral=0.3, scale=0.15, weight=-1, only_against=True
    ),
    # People who talk show little of it; so much more than a sheet's is needed to speak for life.
    "parallax": Weight(
        suspicion=Suspicion.FLAT_MOTION, neutral=0.12, scale=0.1, weight=1, only_against=True
    ),
}
SET: Mapping[str, Weight] = {
    "moire": Weight(
        suspicion=Suspicion.SCREEN_PATTERN, neutral=5.0, scale=2.0, weight=-1.5, only_against=True
    ),
    "bands": Weight(
        suspicion=Suspicion.SCREEN_PATTERN, neutral=4.0, scale=3.0, weight=-0.7, only_against=True
    ),
    "injected_again": Weight(
        suspicion=Suspicion.INJECTED, neutral=0.3, scale=0.1, weight=3, only_against=True
    ),
    "injected_times": Weight(
        suspicion=Suspicion.INJECTED, neutral=0.1, scale=0.1, weight=-4, only_against=True
    ),
    "injected_cut": Weight(
        suspicion=Suspicion.INJECTED, neutral=0.5, scale=0.15, weight=-4, only_against=True
    ),
    "injected_same": Weight(
        suspicion=Suspicion.INJECTED, neutral=0.5, scale=0.1, weight=-4, only_against=True
    ),
}
# A measure of which the material shows nothing gets this much: little, and not none.
LEAST = 0.5
# Frames in this stretch of an attempt are learnt from, seconds.
FROM_S, TO_S = 0.5, 4.0
# No lower rate can be promised: of so many pictures of living people the network is sure
# that they are attacks.
BPCER = (0.02, 0.03, 0.05, 0.1)

Row = Mapping[str, Any]


def read(paths: Sequence[Path]) -> list[Row]:
    """The rows that may be learnt from: good frames in the stretch."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    fits = (row for row in rows if row["good"])
    return [row for row in fits if row["still"] or FROM_S <= row["t"] <= TO_S]


def moved(rows: Sequence[Row]) -> np.ndarray:
    """(rows, measures): by how many scales each measure moves, times its direction."""
    table = np.zeros((len(rows), len(LEARNT)))
    for column, (name, weight) in enumerate(LEARNT.items()):
        for number, row in enumerate(rows):
            if name in row["cues"]:
                table[number, column] = weight.moves(row["cues"][name])
    return table


def balanced(rows: Sequence[Row]) -> np.ndarray:
    """A weight for each row: presentations alike, species alike, life as much as all attacks."""
    of_one: dict[tuple[str, str], int] = defaultdict(int)
    of_label: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        of_one[row["label"], row["name"]] += 1
        of_label[row["label"]].add(row["name"])
    species = len(of_label) - 1
    shares = []
    for row in rows:
        share = 1 / of_one[row["label"], row["name"]] / len(of_label[row["label"]])
        shares.append(share if row["label"] == "live" else share / species)
    return np.array(shares) * len(rows) / 2


def learnt(rows: Sequence[Row]) -> tuple[float, dict[str, Weight]]:
    """The intercept, and the weights; a measure never speaks against its own direction."""
    rows = [row for row in rows if not row["still"]]
    alive = np.array([row["label"] == "live" for row in rows])
    table, shares = moved(rows), balanced(rows)
    kept = list(range(table.shape[1]))
    while True:
        model = LogisticRegression(C=0.05).fit(table[:, kept], alive, sample_weight=shares)
        found = model.coef_[0]
        if (found > 0).all():
            break
        kept = [column for column, value in zip(kept, found, strict=True) if value > 0]
    gained = dict(zip(kept, found, strict=True))
    weights = {}
    for column, (name, weight) in enumerate(LEARNT.items()):
        size = max(float(gained.get(column, 0.0)), LEAST)
        weights[name] = weight.model_copy(update={"weight": round(weight.weight * size, 3)})
    return round(float(model.intercept_[0]), 3), weights


def curve(rows: Sequence[Row], weights: Weights) -> tuple[float, ...]:
    """What share of living people fall below which score, pictures of people included.

    There are few people in recordings and many in pictures, so the pictures say how often a living
    person looks like an attack, and the recordings what else can be against one.
    """
    table = np.array(
        [
            weights.intercept
            + sum(
                weight.moves(row["cues"][name])
                for name, weight in weights.measures.items()
                if name in row["cues"]
            )
            for row in rows
            if row["label"] == "live"
        ]
    )
    shares = balanced(rows)[[row["label"] == "live" for row in rows]]
    order = np.argsort(table)
    reached = np.cumsum(shares[order]) / shares.sum()
    odds = np.interp(BPCER, reached, table[order])
    # The curve must rise, also where all are as good as can be, and not beyond that.
    best = weights.intercept - 1e-3 * np.arange(len(BPCER), 0, -1)
    odds = np.minimum(np.maximum.accumulate(odds), best)
    return tuple(round(float(1 / (1 + np.exp(-one))), 6) for one in odds)


def main(words: list[str]) -> int:
    """Learn, and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.fit")
    parser.add_argument("measured", type=Path, nargs="+")
    parser.add_argument("--relief", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=Path("appliance/liveness/weights.json"))
    asked = parser.parse_args(words)
    rows = read(asked.measured)
    intercept, weights = learnt(rows)
    counted: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        counted[row["label"]].add(row["name"])
    about = "Learnt from people on the fitting side alone: " + ", ".join(
        f"{len(names)} {label}" for label, names in sorted(counted.items())
    )
    found = Weights(
        about=f"{about}.",
        intercept=intercept,
        relief=asked.relief,
        measures={**weights, **SET},
        bpcer=(0.1, 0.2),
        score=(0.1, 0.2),
    )
    scores = curve(rows, found)
    found = Weights(**{**found.model_dump(), "bpcer": BPCER, "score": scores})
    asked.out.write_text(json.dumps(found.model_dump(mode="json"), indent=2) + "\n")
    for name, weight in found.measures.items():
        sys.stdout.write(
            f"{name}: {weight.weight} a scale, at most {abs(weight.weight) * REACH:.1f}\n"
        )
    sys.stdout.write(f"intercept {intercept}; scores at {BPCER}: {scores}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
