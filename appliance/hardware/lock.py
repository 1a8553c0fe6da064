"""The lock: a relay on a GPIO line, and its simulated twin with the same contract.

Fail-secure: energised means unlocked. Fail-safe: energised means locked, so that people get out
when the current fails. Every lock is claimed at rest, which is without current; it commands
*locked* first when it is made, brings the line to rest when it is closed, and also when it could
not be energised. At rest a fail-secure lock is locked and a fail-safe one is not.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from appliance.errors import LockError
from appliance.hardware.lock_journal import LockJournal
from appliance.ports import Clock
from appliance.types import DoorEvent, LockState

# Commands kept in memory; the audit log keeps them all.
HISTORY = 1000


class _RelayLock(ABC):
    """What both locks share: the order of things, the history and the read-back."""

    def __init__(self, clock: Clock, *, fail_safe: bool) -> None:
        self._clock = clock
        # What the lock is told when current is to flow, and what it is without.
        self._energising = LockState.LOCKED if fail_safe else LockState.UNLOCKED
        self._rest = LockState.UNLOCKED if fail_safe else LockState.LOCKED
        self._events: deque[DoorEvent] = deque(maxlen=HISTORY)
        self._closed = False
        # The end of a pulse and a stop of the service may come from different threads.
        self._guard = RLock()

    @abstractmethod
    def _drive(self, event: DoorEvent) -> None:
        """Bring the relay into the event's state. May raise anything."""

    @abstractmethod
    def _energised(self) -> bool:
        """Read the relay's state back from where it is. May raise anything."""

    @abstractmethod
    def _release(self) -> None:
        """Give everything back; the relay is de-energised already. May raise anything."""

    @property
    def state(self) -> LockState:
        """What the line was last told."""
        return self._events[-1].state

    @property
    def history(self) -> Sequence[DoorEvent]:
        """The commands that reached the line, oldest first; the last `HISTORY` of them."""
        return tuple(self._events)

    @property
    def energised(self) -> bool:
        """True while current flows through the strike, read from the line. Raises LockError."""
        with self._guard:
            self._check_open()
            try:
                return self._energised()
            except LockError:
                raise
            except Exception as error:
                raise _broken("read", error) from error

    def lock(self, cause: str) -> None:
        """Let nobody through. When energising fails: de-energise, then raise LockError."""
        with self._guard:
            self._check_open()
            self._obey(LockState.LOCKED, cause)

    def unlock(self, cause: str) -> None:
        """Let people through. When energising fails: de-energise, then raise LockError."""
        with self._guard:
            self._check_open()
            self._obey(LockState.UNLOCKED, cause)

    def close(self) -> None:
        """Bring the line to rest, then give it back; may be called twice.

        Raises LockError when the command failed, but gives everything back all the same.
        """
        with self._guard:
            if self._closed:
                return
            try:
                self._command(self._rest, "close")
            finally:
                self._give_back()

    def _start(self) -> None:
        """The first command of a new lock. Raises LockError after giving everything back."""
        try:
            self._obey(LockState.LOCKED, "start")
        except LockError:
            with contextlib.suppress(LockError):
                self._give_back()
            raise

    def _give_back(self) -> None:
        self._closed = True
        try:
            self._release()
        except LockError:
            raise
        except Exception as error:
            raise _broken("given back", error) from error

    def _obey(self, state: LockState, cause: str) -> None:
        try:
            self._command(state, cause)
        except LockError as error:
            # A new lock whose line was never claimed has nothing to bring to rest.
            if state is self._energising and self._events:
                self._command_after(state, error)
            raise

    def _command(self, state: LockState, cause: str) -> None:
        event = DoorEvent(self._clock.monotonic(), state, cause)
        try:
            self._drive(event)
            self._events.append(event)
            energised = self._energised()
        except LockError:
            raise
        except Exception as error:
            # Whatever a driver raises: callers lock on LockError, so nothing else may leave.
            raise _broken(f"driven to {state.value}", error) from error
        if energised is not (state is self._energising):
            raise LockError(
                f"The lock was told to be {state.value}, but its line still reads "
                f"{'energised' if energised else 'not energised'}.",
                hint="Look for a short on the line, a wrong door.pin, or another program on it.",
            )

    def _command_after(self, state: LockState, error: LockError) -> None:
        """De-energise because energising failed; add to its message when that fails as well."""
        failed = "unlock" if state is LockState.UNLOCKED else "lock"
        try:
            self._command(self._rest, f"{failed} failed")
        except LockError as worse:
            again = "Locking" if self._rest is LockState.LOCKED else "Releasing"
            error.message += f" {again} it again failed too: {worse.message}"
            error.args = (error.message,)

    def _check_open(self) -> None:
        if self._closed:
            raise LockError("The lock has been closed.", hint="Build a new one.")


class GpioLock(_RelayLock):
    """A relay on a line of a gpiozero pin factory.

    pin: the line's number. factory: where its pin comes from; never gpiozero's default, which
    obeys an environment variable. The lock owns the factory and closes it. active_high: False
    for a relay board that is energised by a low level. fail_safe: energised means locked.
    Raises LockError when the line cannot be claimed; the claim itself carries the level of rest.
    """

    simulated = False

    def __init__(
        self,
        pin: int,
        factory: Any,
        clock: Clock,
        *,
        active_high: bool = True,
        fail_safe: bool = False,
    ) -> None:
        super().__init__(clock, fail_safe=fail_safe)
        self._factory = factory
        self._pin = pin
        self._active_high = active_high
        self._device: Any = None
        self._start()

    def _drive(self, event: DoorEvent) -> None:
        energised = event.state is self._energising
        if self._device is None:
            # Claimed at rest, where the pin returns to when the device is dropped.
            self._device = self._claim()
            if not energised:
                return
        self._device.value = energised

    def _claim(self) -> Any:
        from gpiozero import OutputDevice  # only who drives a line pays for it

        return OutputDevice(
            self._pin,
            active_high=self._active_high,
            initial_value=False,
            pin_factory=self._factory,
        )

    def _energised(self) -> bool:
        return bool(self._device.value)

    def _release(self) -> None:
        try:
            if self._device is not None:
                self._device.close()
        finally:
            # Without this the process keeps holding the line.
            self._factory.close()


class SimulatedLock(_RelayLock):
    """A lock that drives nothing and behaves like the real one.

    journal: a file that gets one JSON line per command, on disk before the relay would be
    energised, so that the history survives a kill: at (seconds, monotonic), wall (ISO 8601,
    UTC), pid, state, cause. Raises LockError when it cannot be written.
    """

    simulated = True

    def __init__(
        self, clock: Clock, *, journal: Path | None = None, fail_safe: bool = False
    ) -> None:
        super().__init__(clock, fail_safe=fail_safe)
        self._current = False
        self._journal = None if journal is None else LockJournal(journal)
        self._start()

    def _drive(self, event: DoorEvent) -> None:
        energised = event.state is self._energising
        if not energised:
            self._current = False
        if self._journal is not None:
            self._journal.append(
                at=event.at,
                wall=self._clock.now().isoformat(),
                state=event.state.value,
                cause=event.cause,
            )
        self._current = energised

    def _energised(self) -> bool:
        return self._current

    def _release(self) -> None:
        if self._journal is not None:
            self._journal.close()


def open_gpio_lock(
    chip: int | str, pin: int, clock: Clock, *, active_high: bool = True, fail_safe: bool = False
) -> GpioLock:
    """The real lock on line `pin` of a chip, by number or label. Raises LockError."""
    try:
        from appliance.hardware import pins  # only who drives a line pays for it
    except ImportError as error:
        raise LockError(
            f"The library gpiozero is not installed: {error}.",
            hint="`pip install gpiozero`, or run install.sh again.",
        ) from error
    factory = pins.ChipFactory(chip, pins.import_lgpio())
    return GpioLock(pin, factory, clock, active_high=active_high, fail_safe=fail_safe)


def _broken(what: str, error: Exception) -> LockError:
    return LockError(
        f"The lock's line could not be {what}: {error or type(error).__name__}.",
        hint="Check door.pin and door.chip, and the wiring of the relay.",
    )
