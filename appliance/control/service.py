"""What the running service does when it is asked over its socket, and the words of the API.

`Service` is the seam: the daemon implements it, the API turns requests into calls. The models are
the API's language, version 1: a field may be added, none may change its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.authority import Act, Caller
from appliance.types import AuditRecord, Template

# A stream that has nothing to say says so this often (seconds), or it could not be ended.
ALIVE_S = 1.0

State = Literal["ok", "degraded", "failed"]
JsonObject = dict[str, Any]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Model):
    """How one part of the service does. sentence: for people, empty while all is well."""

    name: str
    state: State = "ok"
    sentence: str = ""


class DoorTold(_Model):
    """The door. state: the word of the door's table. alarms: those that are on."""

    configured: bool
    simulated: bool = False
    state: str = "locked"
    since: datetime | None = None
    contact: Literal["open", "closed"] | None = None
    alarms: tuple[str, ...] = ()


class CameraTold(_Model):
    """The camera. trouble: one sentence, None while it delivers. fps: as measured lately."""

    driver: str
    live: bool = True
    trouble: str | None = None
    fps: float | None = None


class Status(_Model):
    """How the service does.

    state: the worst of its parts, where a declared degraded state is no failure. store: the
    database's path, by which a command knows whether this service serves the store it means.
    """

    version: str
    pid: int
    started: datetime
    uptime_s: float
    state: State
    store: str
    config: str | None = None
    model: str
    people: int | None = None
    rss_mb: float | None = None
    door: DoorTold
    camera: CameraTold
    parts: tuple[Part, ...] = ()


class Unlocked(_Model):
    """The door was released. record: the number of the audit record written before."""

    done: Literal[True] = True
    simulated: bool
    pulse_s: float
    record: int


class Reloaded(_Model):
    """The config was read anew. changed: keys in force now; restart: keys that wait for one."""

    done: Literal[True] = True
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


class LikenessTold(_Model):
    """How alike two templates are; fields as in enrolment.alike.Likeness."""

    name: str
    similarity: float
    far: float
    accepted: bool
    far_is_bound: bool


class Kept(_Model):
    """A template was kept; fields as in enrolment.account.Account."""

    name: str
    replaces: bool = False
    before: LikenessTold | None = None
    look_alikes: tuple[LikenessTold, ...] = ()
    not_compared: str | None = None


class Record(_Model):
    """One record of the audit log, as `appliance audit tail --json` tells it."""

    number: int
    at: datetime
    event: str
    subject: str
    detail: JsonObject


class Records(_Model):
    """The last records, oldest first."""

    records: tuple[Record, ...]


class Alive(_Model):
    """Nothing has happened; the stream is well. Sent at least every ALIVE_S seconds."""

    kind: Literal["alive"] = "alive"


class Guide(_Model):
    """What the person at the camera should do now.

    code: the value of a types.Fault or Pose, "hold" where all is well. say: the sentence. taken, of: good
    frames so far, and how many are wanted.
    """

    kind: Literal["guide"] = "guide"
    code: str
    say: str
    taken: int = 0
    of: int | None = None


class Result(_Model):
    """The last event of what went well: exactly what the command prints with --json."""

    kind: Literal["result"] = "result"
    data: JsonObject


class ErrorTold(_Model):
    """An error as the command line tells it. exit_code: that of the command."""

    code: str
    message: str
    hint: str = ""
    exit_code: int


class Failure(_Model):
    """The last event of what failed after the stream had begun."""

    kind: Literal["error"] = "error"
    error: ErrorTold


class DoorChanged(_Model):
    """The door has another state; cause as in the lock's history."""

    kind: Literal["door"] = "door"
    at: datetime
    state: str
    cause: str = ""


class Alarm(_Model):
    """An alarm begins or ends: forced, held_open, tamper, lock_failed, duress."""

    kind: Literal["alarm"] = "alarm"
    at: datetime
    alarm: str
    active: bool = True


class Attempted(_Model):
    """An attempt at the door has ended."""

    kind: Literal["attempt"] = "attempt"
    at: datetime
    name: str
    via: str
    decision: str


class Health(_Model):
    """A part of the service does better or worse than before."""

    kind: Literal["health"] = "health"
    at: datetime
    part: Part


class Missed(_Model):
    """This listener was too slow and has missed so many events."""

    kind: Literal["missed"] = "missed"
    count: int


Event = Annotated[
    Alive | Guide | Result | Failure | DoorChanged | Alarm | Attempted | Health | Missed,
    Field(discriminator="kind"),
]


class Service(Protocol):
    """What the daemon offers. Called from several threads at once.

    Whatever cannot be done raises an ApplianceError, which reaches the caller as the same class
    with the same exit code. The privileged acts write their audit record, with `by.audited` in
    it, before they do anything; who may ask has been checked before.

    An iterator is used by one thread. It yields at least every ALIVE_S seconds (`Alive` where
    there is nothing to say), and is closed as soon as the client has gone: what it had begun, it
    then gives up in its `finally`. Errors before the first event may be raised by the call itself.
    """

    def status(self) -> Status:
        """How it does; answers within milliseconds, also while everything else is stuck."""
        ...

    def unlock(self, reason: str, by: Caller) -> Unlocked:
        """Release the door for one pulse; returns when the line is driven, not after the pulse."""
        ...

    def verify(self, name: str, *, unlock: bool, by: Caller) -> Iterator[Event]:
        """Look whether the person at the camera is `name`: Guide events, at last one Result.

        unlock: it is an attempt, that opens the door, counts and is audited.
        """
        ...

    def enrol(self, name: str, *, replace: bool, by: Caller) -> Iterator[Event]:
        """Guide the person at the camera and keep the template: Guide events, then one Result."""
        ...

    def keep_template(
        self, name: str, template: Template, *, handicap: float, replace: bool, by: Caller
    ) -> Kept:
        """Keep a template that was made from pictures.

        handicap: the median of its frames' handicaps. InputError when it is of another model, or
        when `name` exists and `replace` is False (code `already_enrolled`).
        """
        ...

    def audit_tail(self, count: int) -> Sequence[AuditRecord]:
        """The last records, oldest first."""
        ...

    def events(self) -> Iterator[Event]:
        """What happens from now on. Never ends by itself but when the service ends."""
        ...

    def reload(self, by: Caller) -> Reloaded:
        """Read the config anew, as on SIGHUP. ConfigError leaves the old one in force."""
        ...

    def refused(self, act: Act, by: Caller) -> None:
        """Somebody asked for what the table does not allow: for the audit. Never raises.

        Called at most once a minute for one user and act, so nobody fills the log with it.
        """
        ...
