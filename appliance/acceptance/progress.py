"""An acceptance that is under way, as it is kept: it goes on after a restart of the board."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from appliance.acceptance.plan import BY_KEY
from appliance.acceptance.values import Hand, Mark, Result, Status
from appliance.errors import InputError
from appliance.store.canonical import canonical

MOST_BYTES = 4 * 1024 * 1024
_FORMAT = "appliance acceptance in progress v2"


@dataclass(frozen=True)
class Progress:
    """What was done so far.

    run: its identity. begun: ISO 8601, UTC. config: sha256 of the configuration's text, or of
    nothing where there is none. by: who carries it out, as they say themselves. person: who is
    verified; never in a report. database, device: the identity of the store and the public half of
    the device's key, for what was tried at one door says nothing of another. results, marks: by
    step.
    """

    run: str
    begun: str
    config: str
    by: str = ""
    person: str = ""
    database: str = ""
    device: str = ""
    results: Mapping[str, Result] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def with_result(self, result: Result) -> Progress:
        """The same, one step further."""
        marks = {key: mark for key, mark in self.marks.items() if key != result.key}
        return replace(self, results={**self.results, result.key: result}, marks=marks)

    def with_mark(self, key: str, mark: Mark) -> Progress:
        """The same, waiting for the machine's next start."""
        return replace(self, marks={**self.marks, key: mark})

    def again(self, key: str) -> Progress:
        """The same, where a step is to be done once more; what it said before is kept."""
        done = self.results.get(key)
        if done is None or done.status is Status.OPEN:
            return self
        earlier = (*done.earlier, done.reason or done.status.value)
        return replace(
            self, results={**self.results, key: Result(key, Status.OPEN, earlier=earlier)}
        )

    def content(self) -> bytes:
        """As it is kept."""
        return f"{canonical({'format': _FORMAT, **asdict(self)})}\n".encode()


def parse(content: bytes, source: str) -> Progress:
    """What `content` gave. InputError `bad_progress` for anything else."""
    try:
        return _parsed(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(
            f"{source} does not hold an acceptance that is under way.",
            hint="Begin anew: `appliance acceptance --anew`.",
            code="bad_progress",
        ) from None


def _parsed(data: Any) -> Progress:
    if data.pop("format") != _FORMAT:
        raise ValueError(_FORMAT)
    results = {key: _result(item) for key, item in data.pop("results").items()}
    marks = {key: Mark(**item) for key, item in data.pop("marks").items()}
    if not (results.keys() | marks.keys()) <= BY_KEY.keys():
        raise ValueError(results)
    return Progress(**data, results=results, marks=marks)


def _result(item: dict[str, Any]) -> Result:
    status, earlier = Status(item.pop("status")), tuple(item.pop("earlier"))
    return Result(status=status, earlier=earlier, hand=Hand(**item.pop("hand")), **item)
