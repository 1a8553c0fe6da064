"""The values of an acceptance: what is at the door, a step, what came of it.

Facts are what the program measured, as JSON can hold it. They name nobody who is enrolled and hold
no picture, for the report leaves the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypedDict

Facts = Mapping[str, Any]


class Service(str, Enum):
    """What a step needs of the service."""

    EITHER = "either"
    STOPPED = "stopped"
    RUNNING = "running"


class Status(str, Enum):
    """What became of a step. ABSENT: the door does not have what it is about."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ABSENT = "not_applicable"
    OPEN = "open"


class Outcome(str, Enum):
    """What became of the whole.

    INCOMPLETE: nothing that counts has failed, but somebody skipped something that counts.
    UNFINISHED: steps are still open; there is no report of that.
    """

    ACCEPTED = "accepted"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Site:
    """What is at this door, as far as plan and verdicts depend on it.

    door: the driver of the lock, None: unconfigured. fail: "secure" or "safe". live: the camera is
    a sensor and no recording. width, height, fps: asked of the camera; pixels and frames a second,
    0 where it is not asked. installed: the system service is there and systemd runs.
    eye_distance: pixels; sharpness, brightness (least, most) and clipped: the limits of quality.
    """

    door: str | None = None
    fail: str = "secure"
    pulse_s: float = 3.0
    held_open_s: float = 30.0
    contact: bool = False
    exit_button: bool = False
    tamper: bool = False
    lamps: tuple[str, ...] = ()
    sound: bool = False
    claims: tuple[str, ...] = ()
    liveness: bool = True
    live: bool = True
    width: int = 0
    height: int = 0
    fps: float = 0.0
    eye_distance: float = 0.0
    sharpness: float = 0.0
    brightness: tuple[float, float] = (0.0, 255.0)
    clipped: float = 1.0
    installed: bool = False

    @property
    def twins(self) -> tuple[str, ...]:
        """Which parts are simulated: a report of them says nothing of a real door."""
        return (
            *(("lock",) if self.door == "simulated" else ()),
            *(() if self.live else ("camera",)),
        )


Judge = Callable[[Facts, Site], Iterator[str]]
Obstacle = Callable[[Site], str]


@dataclass(frozen=True)
class Expected:
    """A record that the audit log must gain. detail: what must be in the record's own."""

    event: str
    detail: Mapping[str, object] = field(default_factory=dict)

    def fits(self, event: str, detail: Mapping[str, object]) -> bool:
        """Whether this is such a record."""
        return event == self.event and all(detail.get(key) == it for key, it in self.detail.items())

    def __str__(self) -> str:
        told = ", ".join(f"{key} {value}" for key, value in self.detail.items())
        return f"{self.event} ({told})" if told else self.event


def fits_always(_facts: Facts, _site: Site) -> Iterator[str]:
    """The judge of what only a person can judge."""
    yield from ()


def always(_facts: Facts) -> bool:
    """For a question that does not depend on what was measured."""
    return True


def never_absent(_site: Site) -> str:
    """For what every door has."""
    return ""


class Words(TypedDict, total=False):
    """Of a step, what depends on the kind of lock; see Step."""

    title: str
    do: tuple[str, ...]
    ask: str
    otherwise: str
    consent: str


@dataclass(frozen=True)
class Step:
    """One thing to be tried.

    key: its word in answers and reports. do: what the person does, a sentence each. probe: what
    measures, see `appliance.cli.acceptance_probes`; empty: nothing does. judge: the faults that the
    facts show, a sentence each. ask: a question that "yes" is the good answer to; otherwise: the
    fault that a "no" states. asks_when: whether the facts leave that question. absent: why the door
    does not have this; empty where it does. consent: what is about to be moved or ended. needs: of
    the service. required: without it nothing is accepted. reboot: it is judged in a later start of
    the machine. expects: for the probe "log". person: somebody is verified. guides: the probe shows
    its own progress. safe: what is said otherwise at a fail-safe door, which stands open without
    current.
    """

    key: str
    section: str
    title: str
    do: tuple[str, ...] = ()
    probe: str = ""
    judge: Judge = fits_always
    ask: str = ""
    otherwise: str = ""
    asks_when: Callable[[Facts], bool] = always
    absent: Obstacle = never_absent
    consent: str = ""
    needs: Service = Service.EITHER
    required: bool = True
    reboot: bool = False
    expects: tuple[Expected, ...] = ()
    person: bool = False
    guides: bool = False
    safe: Words = field(default_factory=Words)

    def at(self, site: Site) -> Step:
        """The step in the words of this door."""
        return replace(self, **self.safe) if site.fail == "safe" else self


@dataclass(frozen=True)
class Hand:
    """Who decided a step. A call of the command has one, and --resume may have another.

    by: who they say they are. user: the local user. answers: what answered, such as "terminal" or
    "file sha256:DIGEST"; a file has no ears.
    """

    by: str = ""
    user: str = ""
    answers: str = ""


@dataclass(frozen=True)
class Result:
    """What became of a step.

    reason: why it failed, was skipped or does not apply; empty otherwise. answer: of the person,
    None where nothing was asked. note: what the person added. at: ISO 8601, UTC. earlier: the
    reasons of tries before this one that did not pass. hand: who decided it; nobody where it does
    not apply.
    """

    key: str
    status: Status
    reason: str = ""
    facts: Facts = field(default_factory=dict)
    answer: bool | None = None
    note: str = ""
    at: str = ""
    earlier: tuple[str, ...] = ()
    hand: Hand = Hand()


@dataclass(frozen=True)
class Mark:
    """Where a step that is judged after a restart began.

    boot: which start of the machine it was. record: the number of the newest audit record then.
    """

    boot: str
    record: int
