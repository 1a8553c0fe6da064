"""One line for each attempt of `evaluate pad`, as CSV or as JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.errors import InputError
from appliance.evaluation.pad import Presented
from appliance.evaluation.pad_report import Judged
from appliance.evaluation.place import require_writable

CUE = "cue_"
_PLAIN = (
    *("path", "class", "attempt", "outcome", "score", "reasons", "lack", "judged_from"),
    *("frames_looked_at", "frames_judged", "refused", "after_s", "seconds", "trouble"),
)


def check(path: Path) -> None:
    """InputError where no file could be written there; to be asked before long work."""
    require_writable(path, "lines", _not_written)


def rows(judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    """One an attempt, and one for each file that could not be read (its outcome is None)."""
    for item in judged:
        place = {"path": item.name, "class": item.label}
        trouble = {"trouble": item.unreadable or item.damage}
        for number, attempt in enumerate(item.attempts, 1):
            yield {**place, "attempt": number, **_told(attempt), **trouble}
        if not item.attempts:
            yield {**place, "attempt": None, "outcome": None, **trouble}


def _told(it: Presented) -> dict[str, Any]:
    return {
        "outcome": it.outcome.value,
        "score": None if it.score is None else _finite(it.score),
        "reasons": [reason.value for reason in it.reasons],
        "lack": it.lack.value if it.lack else None,
        "judged_from": "picture" if it.still else "clip",
        "frames_looked_at": it.looked,
        "frames_judged": it.judged,
        "refused": {fault.value: count for fault, count in it.faults.items()},
        "after_s": round(it.after_s, 3),
        "seconds": round(it.seconds, 3),
        "cues": {name: _finite(value) for name, value in sorted(it.cues.items())},
    }


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def json_lines(judged: Sequence[Judged]) -> str:
    """A JSON object a line."""
    return "".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows(judged))


def table(judged: Sequence[Judged]) -> str:
    """CSV with a heading; a column for each cue (`cue_NAME`), empty where it could not tell."""
    found = list(rows(judged))
    cues = sorted({name for row in found for name in row.get("cues", ())})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*_PLAIN, *(CUE + name for name in cues)], lineterminator="\n")
    writer.writeheader()
    for row in found:
        row |= {CUE + name: value for name, value in row.pop("cues", {}).items()}
        row["reasons"] = " ".join(row.get("reasons", ()))
        row["refused"] = " ".join(f"{name}:{n}" for name, n in row.get("refused", {}).items())
        writer.writerow(row)
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Put the text at `path`, whole or not at all. InputError where that fails."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        # A file name that is no UTF-8 came in as surrogates, and goes out as its bytes.
        draft.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise _not_written(path, (error.strerror or str(error)).lower()) from error


def _not_written(path: Path, why: str) -> InputError:
    return InputError(
        f"The file {path} cannot be written: {why}.",
        hint="Name a file in a folder of yours.",
        code="lines_not_written",
    )
