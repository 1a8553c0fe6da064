"""Packs: what is known of some pictures as a few plain arrays, and back, checked.

The columns of both kinds have a row for each picture: `digest` is the SHA-256 of its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.embed import Embedded, Found
from appliance.types import Fault, Landmarks, Quality

Columns = dict[str, NDArray[Any]]

_DIGEST_BYTES = 32
_MESH = (468, 3)
_MEASURES = tuple(item.name for item in fields(Quality) if item.name != "faults")


class DamagedPackError(Exception):
    """A pack that does not hold what it should; the text ends a sentence."""


def pack_faces(items: Sequence[tuple[bytes, Found]]) -> Columns:
    """Where the faces of these pictures are, as columns."""
    nothing = Landmarks(np.zeros(_MESH, np.float32), 0.0)
    shown = [found.landmarks or nothing for _, found in items]
    return {
        "digest": _digests(items),
        "found": np.array([found.landmarks is not None for _, found in items], np.bool_),
        "points": np.stack([face.points for face in shown]).astype(np.float32, copy=False),
        "presence": np.array([face.presence for face in shown], np.float64),
        "fault": np.array([found.fault or "" for _, found in items], np.str_),
    }


def faces_in(pack: Columns) -> Iterator[tuple[bytes, Found]]:
    """What `pack_faces` was given. DamagedPackError where that cannot be."""
    _check(pack, {"found": np.bool_, "points": np.float32, "presence": np.float64})
    if pack["points"].shape[1:] != _MESH or not np.isfinite(pack["points"]).all():
        raise DamagedPackError("its landmarks are none")
    for row, digest in enumerate(pack["digest"]):
        face = Landmarks(pack["points"][row], float(pack["presence"][row]))
        found = face if pack["found"][row] else None
        yield digest.tobytes(), Found(found, str(pack["fault"][row]) or None)


def pack_vectors(items: Sequence[tuple[bytes, Embedded]]) -> Columns:
    """What became of these pictures, as columns."""
    size = next((it.vector.size for _, it in items if it.vector is not None), 1)
    nothing = np.zeros(size, np.float32)
    unmeasured = [0.0] * len(_MEASURES)
    return {
        "digest": _digests(items),
        "found": np.array([it.vector is not None for _, it in items], np.bool_),
        "vector": np.stack([nothing if it.vector is None else it.vector for _, it in items]),
        "fault": np.array([it.fault or "" for _, it in items], np.str_),
        "measured": np.array([it.quality is not None for _, it in items], np.bool_),
        "quality": np.array(
            [
                [getattr(it.quality, name) for name in _MEASURES] if it.quality else unmeasured
                for _, it in items
            ],
            np.float64,
        ),
        "faults": np.array([_joined(it.quality) for _, it in items], np.str_),
    }


def vectors_in(pack: Columns) -> Iterator[tuple[bytes, Embedded]]:
    """What `pack_vectors` was given. DamagedPackError where that cannot be."""
    _check(
        pack,
        {"found": np.bool_, "vector": np.float32, "measured": np.bool_, "quality": np.float64},
    )
    norms = np.linalg.norm(pack["vector"][pack["found"]], axis=1)
    if not (np.abs(norms - 1) < 1e-3).all() or pack["quality"].shape[1:] != (len(_MEASURES),):
        raise DamagedPackError("its vectors are none")
    for row, digest in enumerate(pack["digest"]):
        yield (
            digest.tobytes(),
            Embedded(
                pack["vector"][row] if pack["found"][row] else None,
                str(pack["fault"][row]) or None,
                _quality(pack, row) if pack["measured"][row] else None,
            ),
        )


def _quality(pack: Columns, row: int) -> Quality:
    values = dict(zip(_MEASURES, pack["quality"][row].tolist(), strict=True))
    faults = tuple(Fault(word) for word in str(pack["faults"][row]).split(",") if word)
    return Quality(**values, faults=faults)


def _joined(quality: Quality | None) -> str:
    return ",".join(fault.value for fault in quality.faults) if quality else ""


def _digests(items: Sequence[tuple[bytes, Any]]) -> NDArray[np.uint8]:
    return np.array([list(digest) for digest, _ in items], np.uint8)


def _check(pack: Columns, types: Mapping[str, type[np.generic]]) -> None:
    if pack["digest"].shape[1:] != (_DIGEST_BYTES,):
        raise DamagedPackError("its digests are none")
    if pack["digest"].dtype != np.uint8 or any(pack[it].dtype != types[it] for it in types):
        raise DamagedPackError("its columns are of another type")
    if len({len(column) for column in pack.values()}) != 1:
        raise DamagedPackError("its columns are not of one length")
