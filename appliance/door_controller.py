"""The hands of the door's table: the only place that commands the lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import RLock

from appliance import door
from appliance.errors import LockError
from appliance.ports import AuditLog, Clock, Lock
from appliance.types import AuditRecord

START = "door start"


class DoorController:
    """Does what `appliance.door` says, on a lock that is handed in and stays its owner's.

    policy: the bound on every pulse. pulse_s: how long `pulse` releases the door.

    May be called from several threads; the guard is never held while waiting. A signal handler
    raises (SystemExit, KeyboardInterrupt) instead of calling in here: `pulse` locks on the way
    out, and whoever waits in a loop of their own calls `secure` in a `finally`.
    """

    def __init__(
        self, lock: Lock, audit: AuditLog, clock: Clock, *, policy: door.Policy, pulse_s: float
    ) -> None:
        self._lock = lock
        self._audit = audit
        self._clock = clock
        self._policy = policy
        self._pulse_s = pulse_s
        self._guard = RLock()
        self._state: door.State = door.Locked()
        self.secure(START)

    @property
    def state(self) -> door.State:
        """Where the table stands."""
        return self._state

    @property
    def pulsing(self) -> bool:
        """True while the door is released."""
        return isinstance(self._state, door.Unlocked)

    def pulse(self, cause: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        """Audit, release the door, wait, lock. Returns the audit record.

        cause: the audit event, such as "door_test". However this is left, the door is locked.
        Raises LockError, or what the audit log raises; then the door was not released at all.
        """
        self._check_ready()
        record = self._audit.append(cause, subject, detail)
        try:
            self.grant(record, self._pulse_s)
            self.wait()
        except BaseException as error:
            # Also Ctrl-C and a stop of the service: a strike must not stay energised for them.
            self.secure(f"{type(error).__name__} in a pulse")
            raise
        return record

    def grant(self, record: AuditRecord, pulse_s: float) -> None:
        """Release the door for `pulse_s` seconds and return at once; `tick` ends the pulse.

        record: what the audit log gave back. Without one there is no way to open the door.
        Raises LockError; the door is then locked again.
        """
        with self._guard:
            self._check_ready()
            self._tell(door.Grant(f"{record.event} #{record.number}", pulse_s))

    def tick(self) -> None:
        """Lock when the pulse is over; try again after a fault. Raises LockError."""
        self._tell(door.Tick())

    def wait(self) -> None:
        """Return when no pulse runs any more. Raises LockError."""
        while isinstance(state := self._state, door.Unlocked):
            self._clock.sleep(max(state.until - self._clock.monotonic(), 0.0))
            self.tick()

    def secure(self, cause: str) -> None:
        """Command *locked* now. Raises LockError."""
        self._tell(door.Secure(cause))

    def shutdown(self) -> None:
        """Command *locked* and grant nothing any more; the lock's owner then closes it."""
        self._tell(door.Shutdown())

    def _check_ready(self) -> None:
        """Refuse before anything is written that would claim an opening."""
        if isinstance(self._state, door.Fault):
            raise LockError(
                f"The door is not released while its lock does not obey: {self._state.error}",
                hint="`appliance doctor` checks the lock's line.",
            )
        if isinstance(self._state, door.OutOfService):
            raise LockError("The appliance is stopping; the door is not released any more.")

    def _tell(self, event: door.Event) -> None:
        """Take the event through the table and do all that follows from it.

        Nothing that fails keeps the door from being locked or an alarm from being raised; the
        first error leaves at the end.
        """
        errors: list[Exception] = []
        with self._guard:
            pending = deque([event])
            while pending:
                now = self._clock.monotonic()
                # The state first: an interrupt in an action then finds it where the line may be.
                self._state, actions = door.step(self._state, pending.popleft(), now, self._policy)
                for action in actions:
                    if errors and isinstance(action, door.DriveUnlock):
                        continue  # a line that has just failed is not energised
                    pending.extend(self._do(action, errors))
        if errors:
            raise errors[0]

    def _do(self, action: door.Action, errors: list[Exception]) -> list[door.Event]:
        """Do one action; the events it brings about."""
        try:
            if isinstance(action, door.Alarm):
                detail = {"kind": action.kind.value, "detail": action.detail}
                self._audit.append("alarm", "door", detail)
                return []
            return self._drive(action)
        except Exception as error:  # noqa: BLE001 - raised again by _tell once the door is safe
            errors.append(error)
            return (
                []
                if isinstance(action, door.Alarm)
                else [door.LockFailed(str(error) or type(error).__name__)]
            )

    def _drive(self, action: door.DriveUnlock | door.DriveLock) -> list[door.Event]:
        if isinstance(action, door.DriveUnlock):
            self._lock.unlock(action.cause)
            return []
        self._lock.lock(action.cause)
        return [door.Recovered()] if isinstance(self._state, door.Fault) else []
