"""What an appliance has answered, written down where a power cut cannot take it back.

Read inside the guest as well: nothing but the standard library.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

# What a promise is about. BEGUN is none yet: from here on the person may be there or not.
ENROLLED, BEGUN, REMOVED, RECORDED = "enrolled", "begun", "removed", "recorded"
_KINDS = frozenset({ENROLLED, BEGUN, REMOVED, RECORDED})
_MAGIC = b"answered "


@dataclass(frozen=True)
class Promise:
    """What the appliance answered. about: the person; of a record: a text in it that is its own.

    event: of a record, such as `unlock`.
    """

    kind: str
    about: str
    event: str = ""


def to_line(promise: Promise) -> str:
    """The promise as one line, without its end."""
    return json.dumps(asdict(promise))


def from_line(line: str | bytes) -> Promise:
    """The promise that `to_line` wrote. ValueError for anything else."""
    try:
        promise = Promise(**json.loads(line))
    except TypeError as error:
        raise ValueError(f"{line!r} is no answer") from error
    if promise.kind not in _KINDS:
        raise ValueError(f"{promise.kind!r} is no kind of an answer")
    return promise


def to_mark(promise: Promise, size: int = 512) -> bytes:
    """The promise as one sector of a disk. ValueError where it does not fit."""
    text = _MAGIC + to_line(promise).encode() + b"\n"
    if len(text) > size:
        raise ValueError(f"{promise} does not fit into {size} bytes")
    return text.ljust(size, b"\0")


def from_mark(sector: bytes) -> Promise:
    """The promise that `to_mark` wrote. ValueError for anything else."""
    if not sector.startswith(_MAGIC):
        raise ValueError(f"{sector[:32]!r} is no answer")
    return from_line(sector[len(_MAGIC) :].rstrip(b"\0"))
