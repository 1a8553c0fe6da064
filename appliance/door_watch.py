"""From the levels of contact, button and tamper contact to the events of the door's table."""

from __future__ import annotations

from appliance import door
from appliance.debounce import Debounced, debounce
from appliance.door_values import DoorReadings
from appliance.ports import DoorInputs

# For how long a level must stand before it counts. The button is the quickest: who presses and
# pushes at once must be known to have pressed before the leaf is known to have opened.
EXIT_HOLD_S = 0.03
CONTACT_HOLD_S = 0.06
TAMPER_HOLD_S = 0.1
# Inputs that cannot be read for this long are an alarm.
FAILED_AFTER_S = 0.5


class DoorWatch:
    """Reads the inputs whenever it is asked, and tells what changed.

    A button that is pressed when it is read first, releases nothing: starting never does. An
    input that cannot be read keeps its last value, and what changed meanwhile is told later.
    """

    def __init__(self, inputs: DoorInputs | None) -> None:
        self._inputs = inputs
        self._open = Debounced()
        self._exit = Debounced()
        self._tamper = Debounced()
        self._failing_since: float | None = None
        self.error = ""

    @property
    def connected(self) -> bool:
        """Whether there is anything to read."""
        return self._inputs is not None

    @property
    def readings(self) -> DoorReadings:
        """What counts, bounced out; None: not connected, or not known yet."""
        return DoorReadings(self._open.value, self._exit.value, self._tamper.value)

    def poll(self, now: float) -> list[door.Event]:
        """Read once; what that brings about, the button first. now: monotonic seconds.

        Raises nothing: inputs that fail are an event as well.
        """
        if self._inputs is None:
            return []
        try:
            readings = self._inputs.read()
        except Exception as error:  # noqa: BLE001 - whatever fails, the door goes on, and it is told
            return self._failed(str(error) or type(error).__name__, now)
        return [
            *self._back(),
            *self._pressed(readings, now),
            *self._moved(readings, now),
            *self._tampered(readings, now),
        ]

    def _failed(self, error: str, now: float) -> list[door.Event]:
        if self._failing_since is None:
            self._failing_since = now
        if self.error or now - self._failing_since < FAILED_AFTER_S:
            return []
        self.error = error
        return [door.InputsFailed(error)]

    def _back(self) -> list[door.Event]:
        self._failing_since = None
        told, self.error = self.error, ""
        return [door.InputsBack()] if told else []

    def _pressed(self, readings: DoorReadings, now: float) -> list[door.Event]:
        if readings.exit_pressed is None:
            return []
        before = self._exit.value
        self._exit = debounce(self._exit, readings.exit_pressed, now, EXIT_HOLD_S)
        pressed = before is False and self._exit.value is True
        return [door.RequestToExit()] if pressed else []

    def _moved(self, readings: DoorReadings, now: float) -> list[door.Event]:
        if readings.open is None:
            return []
        before = self._open.value
        self._open = debounce(self._open, readings.open, now, CONTACT_HOLD_S)
        if self._open.value is before:
            return []
        if before is None:
            return [door.FoundOpen()] if self._open.value else []
        return [door.DoorOpened() if self._open.value else door.DoorClosed()]

    def _tampered(self, readings: DoorReadings, now: float) -> list[door.Event]:
        if readings.tampered is None:
            return []
        before = self._tamper.value
        self._tamper = debounce(self._tamper, readings.tampered, now, TAMPER_HOLD_S)
        on = self._tamper.value
        return [door.Tamper(on)] if on is not None and on is not bool(before) else []
