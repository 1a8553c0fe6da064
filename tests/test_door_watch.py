from __future__ import annotations

from appliance import door
from appliance.door_values import DoorReadings
from appliance.door_watch import CONTACT_HOLD_S, EXIT_HOLD_S, FAILED_AFTER_S, DoorWatch
from appliance.errors import LockError


class Script:
    """Inputs that read one thing after another; an error is raised."""

    def __init__(self, *readings: DoorReadings | Exception) -> None:
        self._readings = iter(readings)

    def read(self) -> DoorReadings:
        reading = next(self._readings)
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self) -> None:
        raise NotImplementedError


CLOSED = DoorReadings(open=False, exit_pressed=False, tampered=False)
OPEN = DoorReadings(open=True, exit_pressed=False, tampered=False)


def told(*readings: DoorReadings | Exception, every: float = 0.1) -> list[door.Event]:
    """All events of readings so many seconds apart."""
    watch = DoorWatch(Script(*readings))
    return [event for number in range(len(readings)) for event in watch.poll(number * every)]


def test_without_inputs_nothing_happens() -> None:
    watch = DoorWatch(None)
    assert (watch.connected, watch.poll(0), watch.readings) == (False, [], DoorReadings())


def test_what_is_not_connected_is_never_told() -> None:
    assert told(*[DoorReadings()] * 5, *[DoorReadings(open=True)] * 2) == [door.FoundOpen()]


def test_a_door_that_is_closed_at_first_is_nothing_new() -> None:
    assert told(*[CLOSED] * 3, *[OPEN] * 3, *[CLOSED] * 3) == [door.DoorOpened(), door.DoorClosed()]


def test_a_door_that_is_open_at_first_is_found_so() -> None:
    assert told(*[OPEN] * 3, *[CLOSED] * 3) == [door.FoundOpen(), door.DoorClosed()]


def test_a_press_is_told_once_however_long_it_lasts() -> None:
    pressed = DoorReadings(exit_pressed=True)
    idle = DoorReadings(exit_pressed=False)
    assert told(*[idle] * 3, *[pressed] * 9, *[idle] * 3, *[pressed] * 3) == [
        door.RequestToExit(),
        door.RequestToExit(),
    ]


def test_a_button_that_is_pressed_at_first_releases_nothing() -> None:
    pressed, idle = DoorReadings(exit_pressed=True), DoorReadings(exit_pressed=False)
    assert told(*[pressed] * 9) == []
    assert told(*[pressed] * 3, *[idle] * 3, *[pressed] * 3) == [door.RequestToExit()]


def test_who_presses_and_pushes_at_once_has_pressed_first() -> None:
    both = DoorReadings(open=True, exit_pressed=True, tampered=False)
    assert EXIT_HOLD_S < CONTACT_HOLD_S
    for every in (0.01, 0.02, 0.1):
        settled = [CLOSED] * 20
        assert told(*settled, *[both] * 20, every=every) == [
            door.RequestToExit(),
            door.DoorOpened(),
        ]


def test_tampering_is_told_also_when_it_is_there_at_first() -> None:
    at_the_case = DoorReadings(tampered=True)
    left_alone = DoorReadings(tampered=False)
    assert told(*[at_the_case] * 3, *[left_alone] * 3) == [
        door.Tamper(on=True),
        door.Tamper(on=False),
    ]
    assert told(*[left_alone] * 3) == []


def test_inputs_that_fail_for_long_are_told_once_and_what_changed_meanwhile_later() -> None:
    gone = LockError("The chip is gone.")
    assert told(*[CLOSED] * 3, *[gone] * 20, *[OPEN] * 3) == [
        door.InputsFailed("The chip is gone."),
        door.InputsBack(),
        door.DoorOpened(),
    ]


def test_inputs_that_fail_for_a_moment_are_not_told() -> None:
    moment = [RuntimeError("busy")] * 5
    assert (len(moment) - 1) * 0.1 < FAILED_AFTER_S
    assert told(CLOSED, CLOSED, *moment, CLOSED, *moment, CLOSED) == []
    assert told(CLOSED, *[RuntimeError()] * 9) == [door.InputsFailed("RuntimeError")]
