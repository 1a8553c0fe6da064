"""The hands of the door's table: the only place that commands the lock."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock as Guard
from threading import RLock

from appliance import door
from appliance.door_records import DoorRecords
from appliance.door_values import AlarmKind, DoorChange, DoorStatus, Happening
from appliance.door_watch import DoorWatch
from appliance.errors import LockError, StoreError
from appliance.ports import AuditLog, Clock, DoorInputs, Lock
from appliance.types import AuditRecord, LockState

START = "door start"
# Seconds after a decision in which the door may still be released for it.
GRANT_WITHIN_S = 5.0
# How often the inputs are read: who calls `tick` in a loop does so this often, in seconds.
POLL_S = 0.02

# Changes kept for a listener that hangs; then the oldest are forgotten.
MOST_UNHEARD = 1000

_log = logging.getLogger(__name__)


class DoorController:
    """Does what `appliance.door` says, on a lock that is handed in and stays its owner's.

    policy: the bound on every pulse. pulse_s: how long `pulse` releases the door. inputs: of the
    door; their owner closes them.

    May be called from several threads; the guard is never held while waiting, and neither `tick`
    nor `request_to_exit` writes to the disk: what they have to record, `write_records` writes,
    which a service calls from a thread that may wait. A signal handler raises (SystemExit,
    KeyboardInterrupt) instead of calling in here: `pulse` locks on the way out, and whoever waits
    in a loop of their own calls `secure` in a `finally`.
    """

    def __init__(  # noqa: PLR0913 - two more settings beside the parts, by keyword
        self,
        lock: Lock,
        audit: AuditLog,
        clock: Clock,
        *,
        policy: door.Policy,
        pulse_s: float,
        inputs: DoorInputs | None = None,
    ) -> None:
        self._lock = lock
        self._audit = audit
        self._clock = clock
        self._policy = policy
        self._pulse_s = pulse_s
        self._watch = DoorWatch(inputs)
        self._records = DoorRecords(audit, clock)
        self._guard = RLock()
        self._state: door.State = door.Locked()
        self._since = clock.monotonic()
        self._listeners: tuple[Callable[[DoorChange], None], ...] = ()
        self._changes: deque[DoorChange] = deque(maxlen=MOST_UNHEARD)
        self._telling = Guard()
        self.secure(START)

    @property
    def state(self) -> door.State:
        """Where the table stands."""
        return self._state

    @property
    def pulsing(self) -> bool:
        """True while the door is released."""
        return door.pulse_of(self._state) is not None

    def status(self) -> DoorStatus:
        """How the door stands; quick, and touches nothing."""
        with self._guard:
            readings, kinds = self._watch.readings, list(door.alarms(self._state))
            if readings.tampered:
                kinds.append(AlarmKind.TAMPER)
            if self._watch.error:
                kinds.append(AlarmKind.INPUTS_FAILED)
            fault = self._state.error if isinstance(self._state, door.Fault) else ""
            return DoorStatus(
                at=self._clock.monotonic(),
                state=door.word(self._state),
                since=self._since,
                released=self._lock.state is LockState.UNLOCKED,
                open=readings.open,
                exit_pressed=readings.exit_pressed,
                tampered=readings.tampered,
                alarms=tuple(kinds),
                error=fault or self._watch.error,
            )

    def listen(self, listener: Callable[[DoorChange], None]) -> Callable[[], None]:
        """Let `listener` hear every change from now on, in order; call the answer to end that.

        It is called on the thread that brought the change about, often the door's own, without
        the guard: it must return at once. What it raises is logged and does nothing else.
        """
        with self._guard:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._guard:
                self._listeners = tuple(it for it in self._listeners if it is not listener)

        return end

    def pulse(self, cause: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        """Audit, release the door, wait, lock. Returns the audit record.

        cause: the audit event, such as "door_test". However this is left, what was granted is
        over.
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

    def release(
        self, event: str, subject: str, detail: Mapping[str, object], pulse_s: float
    ) -> AuditRecord:
        """Audit, release the door for `pulse_s` seconds and return at once, with the record.

        event: of the audit record, such as "unlock"; one that ends in "_failed" follows where the
        door was not released after all.
        Raises LockError, or what the audit log raises; then the door was not released.
        """
        self._check_ready()
        asked = self._clock.monotonic()
        record = self._audit.append(event, subject, detail)
        try:
            self.grant(record, pulse_s, asked=asked)
        except LockError as error:
            with suppress(StoreError):
                self._audit.append(f"{event}_failed", subject, {"error": error.message})
            raise
        return record

    def grant(self, record: AuditRecord, pulse_s: float, *, asked: float | None = None) -> None:
        """Release the door for `pulse_s` seconds and return at once; `tick` ends the pulse.

        record: what the audit log gave back. Without one there is no way to open the door.
        asked: when it was decided, monotonic seconds; a disk may have kept the record waiting, and
        a door that opens long after is open for somebody else.
        Raises LockError; the door is then locked again.
        """
        waited = 0.0 if asked is None else self._clock.monotonic() - asked
        if waited > GRANT_WITHIN_S:
            raise LockError(
                f"The door was not released: its record took {waited:.0f} s to be written.",
                hint="The disk is very slow or failing; `appliance doctor` looks at it.",
                code="too_late",
            )

        def granted() -> tuple[door.Event, ...]:
            self._check_ready()
            return (door.Grant(f"{record.event} #{record.number}", pulse_s),)

        try:
            self._tell(granted)
        finally:
            self._records.write_if_possible()

    def request_to_exit(self) -> None:
        """Release the door for whoever leaves, in whatever state it is; recorded afterwards.

        Raises LockError when the line does not obey.
        """
        self._tell(lambda: (door.RequestToExit(),))

    def tick(self) -> None:
        """Read the inputs, end what is over, try again after a fault.

        To be called every `POLL_S`. Raises LockError when the line does not obey; the state says
        so as well, and the next call goes on.
        """
        self._tell(lambda: (*self._watch.poll(self._clock.monotonic()), door.Tick()))

    def wait(self) -> None:
        """Return when no pulse runs any more. Raises LockError, or StoreError for a record."""
        while (pulse := door.pulse_of(self._state)) is not None:
            left = max(pulse.until - self._clock.monotonic(), 0.0)
            self._clock.sleep(min(left, POLL_S) if self._watch.connected else left)
            self.tick()
        self.write_records()

    def secure(self, cause: str) -> None:
        """End every grant now, because something failed. Raises LockError.

        Only what is left of a press of the button runs out by itself.
        """
        self._tell_and_record(door.Secure(cause))

    def shutdown(self, cause: str = door.SHUTDOWN) -> None:
        """Bring the line to rest and grant nothing any more; the lock's owner then closes it.

        Also for a service that breaks off: whatever was released, the line rests.
        """
        self._tell_and_record(door.Shutdown(cause))

    def write_records(self) -> None:
        """Write what happened at the door since the last call to the audit log.

        Raises StoreError; what could not be written is kept and written by the next call.
        """
        self._records.write()

    def _check_ready(self) -> None:
        """Refuse before anything is written that would claim an opening."""
        if isinstance(self._state, door.Fault):
            raise LockError(
                f"The door is not released while its lock does not obey: {self._state.error}",
                hint="`appliance doctor` checks the lock's line.",
            )
        if isinstance(self._state, door.OutOfService):
            raise LockError("The appliance is stopping; the door is not released any more.")

    def _tell_and_record(self, event: door.Event) -> None:
        try:
            self._tell(lambda: (event,))
        finally:
            self._records.write_if_possible()

    def _tell(self, events: Callable[[], Sequence[door.Event]]) -> None:
        """Take events through the table and do all that follows from them.

        events: asked for under the guard, so that what they rest on still holds. No listener is
        called before the guard is free. Nothing that fails keeps the door from being locked or an
        alarm from being raised; the first error leaves at the end.
        """
        errors: list[Exception] = []
        try:
            with self._guard:
                pending = deque(events())
                while pending:
                    pending.extendleft(self._advance(pending.popleft(), errors))
        finally:
            self._tell_listeners()
        if errors:
            raise errors[0]

    def _advance(self, event: door.Event, errors: list[Exception]) -> list[door.Event]:
        """One event; the events that follow from what it asked for, last one first."""
        now, before = self._clock.monotonic(), door.word(self._state)
        # The state first: an interrupt in an action then finds it where the line may be.
        self._state, actions = door.step(self._state, event, now, self._policy)
        if door.word(self._state) is not before:
            self._since = now
            self._change(Happening.STATE)
        following: list[door.Event] = []
        for action in actions:
            failed = any(isinstance(it, door.LockFailed) for it in following)
            if failed and self._energises(action):
                continue  # a line that has just failed is not energised
            following = [*self._do(action, errors, failed=failed), *following]
        return following

    def _energises(self, action: door.Action) -> bool:
        wanted = door.DriveLock if self._policy.fail_safe else door.DriveUnlock
        return isinstance(action, wanted)

    def _do(
        self, action: door.Action, errors: list[Exception], *, failed: bool
    ) -> list[door.Event]:
        """Do one action; the events it brings about. failed: the line has just not obeyed."""
        if isinstance(action, door.Alarm):
            self._records.alarm(action.kind, on=action.on, detail=action.detail)
            what = Happening.ALARM if action.on else Happening.ALARM_OVER
            self._change(what, action.detail, action.kind)
        elif isinstance(action, door.Note):
            self._records.exit(door.word(self._state), failed=failed)
            self._change(Happening.REQUEST_TO_EXIT)
        else:
            return self._drive(action, errors)
        return []

    def _drive(
        self, action: door.DriveUnlock | door.DriveLock, errors: list[Exception]
    ) -> list[door.Event]:
        locks = isinstance(action, door.DriveLock)
        command = self._lock.lock if locks else self._lock.unlock
        try:
            command(action.cause)
        except Exception as error:  # noqa: BLE001 - raised again by _tell once the door is safe
            errors.append(error)
            return [door.LockFailed(str(error) or type(error).__name__)]
        self._change(Happening.SECURED if locks else Happening.RELEASED, action.cause)
        return [door.Recovered()] if locks and isinstance(self._state, door.Fault) else []

    def _change(self, what: Happening, detail: str = "", alarm: AlarmKind | None = None) -> None:
        now = self._clock.monotonic()
        self._changes.append(DoorChange(now, what, door.word(self._state), detail, alarm))

    def _tell_listeners(self) -> None:
        """Tell all changes, by one thread at a time so that they are heard in order."""
        while self._changes and self._telling.acquire(blocking=False):
            try:
                while self._changes:
                    change = self._changes.popleft()
                    for listener in self._listeners:
                        self._let_hear(listener, change)
            finally:
                self._telling.release()

    def _let_hear(self, listener: Callable[[DoorChange], None], change: DoorChange) -> None:
        try:
            listener(change)
        except Exception:  # noqa: BLE001 - a listener never breaks the door
            _log.exception("A listener of the door failed at: %s", change.what.value)
