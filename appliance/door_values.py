"""What is said about the door: its inputs, its state, its changes and its alarms.

Frozen values for whoever listens (feedback, the control API, logs); they know nothing of the
table that makes them. Times called `at` and `since` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DoorWord(str, Enum):
    """The state of the door in a word; docs/door.md has the picture."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    OPEN = "open"
    HELD_OPEN = "held_open"
    FORCED = "forced"
    FAULT = "fault"
    OUT_OF_SERVICE = "out_of_service"


class AlarmKind(str, Enum):
    """What the keeper of the door must know. Each alarm begins once and ends once."""

    FORCED = "forced"  # opened without having been released
    HELD_OPEN = "held_open"  # open for longer than door.held_open_s
    TAMPER = "tamper"  # somebody is at the appliance's case
    LOCK_FAILED = "lock_failed"  # the lock's line does not obey
    INPUTS_FAILED = "inputs_failed"  # contact, button and tamper contact cannot be read


class Happening(str, Enum):
    """What a `DoorChange` is about."""

    STATE = "state"
    RELEASED = "released"
    SECURED = "secured"
    REQUEST_TO_EXIT = "request_to_exit"
    ALARM = "alarm"
    ALARM_OVER = "alarm_over"


@dataclass(frozen=True)
class DoorReadings:
    """The levels of the door's inputs at one moment, translated; None: not connected."""

    open: bool | None = None
    exit_pressed: bool | None = None
    tampered: bool | None = None


@dataclass(frozen=True)
class DoorChange:
    """One thing that happened at the door.

    state: the door's after it. alarm: which one, for ALARM and ALARM_OVER. detail: the cause of
    a command to the lock ("access_granted #12"), or one sentence about an alarm.
    RELEASED and SECURED are commands that the lock's line obeyed: people may pass, nobody may.
    """

    at: float
    what: Happening
    state: DoorWord
    detail: str = ""
    alarm: AlarmKind | None = None


@dataclass(frozen=True)
class DoorStatus:
    """How the door stands.

    at: when this was asked. since: when the state began. released: whether the line was last
    told to let people through. open, exit_pressed, tampered: the inputs, bounced out; None: not
    connected, or not read yet. alarms: those that have begun and not ended. error: what the line
    or the inputs say that fails; empty otherwise.
    """

    at: float
    state: DoorWord
    since: float
    released: bool
    open: bool | None
    exit_pressed: bool | None
    tampered: bool | None
    alarms: tuple[AlarmKind, ...]
    error: str

    @property
    def contact(self) -> str | None:
        """The contact in a word: open, closed, or None."""
        return None if self.open is None else "open" if self.open else "closed"
