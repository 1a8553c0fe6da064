"""What the running service does when it is asked over its socket: the seam of the API.

The daemon implements `Service`, the API turns requests into calls, `words` are what passes
between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from appliance.control.authority import Act, Caller
from appliance.control.words import Event, Kept, Reloaded, Status, Unlocked
from appliance.types import AuditRecord, Template


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
