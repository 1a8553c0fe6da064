"""The words of the API, version 1: what is asked, answered and told.

A field may be added, none may change its meaning. Only pydantic is needed to read this file, so
that a command which asks starts quickly.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
)

# A stream that has nothing to say says so this often (seconds), or it could not be ended.
ALIVE_S = 1.0

State = Literal["ok", "degraded", "failed"]
JsonObject = dict[str, Any]


class _Model(BaseModel):
    """What the service says. A command of an older version passes over what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class _Asked(BaseModel):
    """What the service is asked: anything it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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

    code: the value of a types.Fault, Pose or Ask, "hold" where all is well. say: the sentence.
    taken, of: good frames so far, and how many are wanted. urgent: it counts for a few seconds.
    """

    kind: Literal["guide"] = "guide"
    code: str
    say: str
    taken: int = 0
    of: int | None = None
    urgent: bool = False


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


def _shows(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that do not show")
    return text


_Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_shows),
]


class UnlockAsked(_Asked):
    """Why the door is to be released: for the audit log."""

    reason: _Text


class VerificationAsked(_Asked):
    """Who is said to stand at the camera."""

    name: _Text


class EnrolmentAsked(_Asked):
    """Whom to enrol from the camera; replace: also where the name has a template already."""

    name: _Text
    replace: bool = False


class TemplateSent(_Asked):
    """A template made from pictures by a command.

    template: base64 of the bytes of store.codec.encode_template. handicap: the median of the
    frames' handicaps (0: as good as the calibration's). replace: as in EnrolmentAsked.
    """

    model: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._-]{1,128}$")]
    template: Annotated[str, StringConstraints(max_length=900_000)]
    handicap: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.0
    replace: bool = False


class Refusal(_Model):
    """The body of every answer that is no success."""

    error: ErrorTold


class Line(RootModel[Event]):
    """One line of a stream."""
