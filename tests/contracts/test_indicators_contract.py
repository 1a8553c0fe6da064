"""One suite for all lamps: the simulated twin, gpiozero's mock pins and our own pin factory.

The thread that plays them runs on the real clock here, so tests wait for what must come, and
state nothing about when. `test_signals` has the times.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from appliance import assemble
from appliance.config import parse
from appliance.errors import LockError
from appliance.hardware import indicators
from appliance.hardware.clock import SystemClock
from appliance.hardware.indicators import GpioIndicators, SimulatedIndicators
from appliance.hardware.pins import ChipFactory
from appliance.ports import Indicators
from appliance.signals import ON, Output, Pattern
from tests.hardware.fake_lgpio import FakeLgpio
from tests.patience import patient

READY, GRANTED, DENIED, BUZZER = Output
PINS = {READY: 2, GRANTED: 3, DENIED: 4, BUZZER: 5}
SHORT = Pattern(0.05, 0.05, 3)  # longer than a busy machine oversleeps


class Rig:
    """A kind of lamps on a bench.

    changes: every change of a level, in order.
    """

    changes: list[tuple[Output, bool]]

    def build(self) -> SimulatedIndicators | GpioIndicators:
        raise NotImplementedError

    def lit(self) -> set[Output]:
        raise NotImplementedError

    def break_line(self, output: Output) -> None:
        raise NotImplementedError

    def mend(self) -> None:
        raise NotImplementedError


class SimulatedRig(Rig):
    def __init__(self, folder: Path) -> None:
        self.journal = folder / "lamps.jsonl"
        self.changes = []
        self.broken: set[Output] = set()

    def build(self) -> SimulatedIndicators:
        rig = self

        class Observed(SimulatedIndicators):
            def _drive(self, output: Output, *, on: bool) -> None:
                if output in rig.broken:
                    raise OSError("no current")
                super()._drive(output, on=on)
                rig.changes.append((output, on))

        return Observed(SystemClock(), journal=self.journal)

    def lit(self) -> set[Output]:
        return {output for output, on in dict(self.changes).items() if on}

    def break_line(self, output: Output) -> None:
        self.broken.add(output)

    def mend(self) -> None:
        self.broken.clear()


class ChipRig(Rig):
    """Our own factory over a chip in memory."""

    def __init__(self) -> None:
        self.chip = FakeLgpio()
        self.broken: set[int] = set()
        self.changes = []
        chip, write = self.chip, self.chip.gpio_write
        outputs = {pin: output for output, pin in PINS.items()}

        def watched(handle: int, gpio: int, level: int) -> int:
            if gpio in self.broken:
                raise chip.error("GPIO failed")
            self.changes.append((outputs[gpio], bool(level)))
            return write(handle, gpio, level)

        chip.gpio_write = watched  # type: ignore[method-assign]

    def build(self) -> GpioIndicators:
        return GpioIndicators(PINS, lambda: ChipFactory(0, self.chip), SystemClock())

    def lit(self) -> set[Output]:
        return {output for output, pin in PINS.items() if self.chip.levels.get(pin)}

    def break_line(self, output: Output) -> None:
        self.broken.add(PINS[output])

    def mend(self) -> None:
        self.broken.clear()


class MockRig(Rig):
    """gpiozero's own mock pins."""

    def __init__(self) -> None:
        self.factory = MockFactory()
        self.changes = []
        self.broken: set[int] = set()

    def build(self) -> GpioIndicators:
        lamps = GpioIndicators(PINS, lambda: self.factory, SystemClock())
        self.pins = {output: self.factory.pin(number) for output, number in PINS.items()}
        for output, pin in self.pins.items():
            self._watch(output, pin)
        return lamps

    def _watch(self, output: Output, pin: Any) -> None:
        write = pin._set_state

        def watched(value: object) -> None:
            if PINS[output] in self.broken:
                raise OSError("no current")
            self.changes.append((output, bool(value)))
            write(value)

        pin._set_state = watched

    def lit(self) -> set[Output]:
        return {output for output, on in dict(self.changes).items() if on}

    def break_line(self, output: Output) -> None:
        self.broken.add(PINS[output])

    def mend(self) -> None:
        self.broken.clear()


@pytest.fixture(params=["simulated", "chip", "mock"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    if request.param == "simulated":
        return SimulatedRig(tmp_path)
    return ChipRig() if request.param == "chip" else MockRig()


@pytest.fixture
def lamps(rig: Rig) -> Iterator[Indicators]:
    lamps = rig.build()
    yield lamps
    lamps.close()


def await_(what: Callable[[], bool]) -> None:
    """Until it is so; a test that waits in vain fails."""
    end = time.monotonic() + patient(10)
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


def test_new_lamps_are_dark(rig: Rig, lamps: Indicators) -> None:
    assert rig.lit() == set()
    assert lamps.faults == ()


def test_what_is_shown_burns_and_what_is_not_named_goes_out(rig: Rig, lamps: Indicators) -> None:
    lamps.show({READY: ON, DENIED: ON})
    await_(lambda: rig.lit() == {READY, DENIED})
    lamps.show({READY: ON})
    await_(lambda: rig.lit() == {READY})
    lamps.show({})
    await_(lambda: rig.lit() == set())


def test_what_is_played_once_comes_and_goes(rig: Rig, lamps: Indicators) -> None:
    lamps.show({READY: ON})
    lamps.play({BUZZER: SHORT})
    await_(lambda: rig.changes.count((BUZZER, False)) == 3)
    assert [it for it in rig.changes if it[0] is BUZZER] == [(BUZZER, True), (BUZZER, False)] * 3
    assert rig.lit() == {READY}


def test_blinking_goes_on_by_itself(rig: Rig, lamps: Indicators) -> None:
    lamps.show({DENIED: Pattern(0.005, 0.005)})
    await_(lambda: len(rig.changes) >= 20)
    assert {output for output, _ in rig.changes} == {DENIED}


def test_the_end_is_dark_and_nothing_comes_after_it(rig: Rig, lamps: Indicators) -> None:
    lamps.show({READY: ON, DENIED: Pattern(0.005, 0.005)})
    await_(lambda: READY in rig.lit())
    lamps.close()
    assert rig.lit() == set()
    told = len(rig.changes)
    lamps.show({GRANTED: ON})
    lamps.play({BUZZER: ON})
    lamps.close()
    time.sleep(0.03)
    assert len(rig.changes) == told
    assert not [it for it in threading.enumerate() if it.name == "indicators" and it.is_alive()]


def test_a_line_that_fails_is_told_once_and_costs_only_itself(
    rig: Rig, lamps: Indicators, caplog: pytest.LogCaptureFixture
) -> None:
    rig.break_line(READY)
    with caplog.at_level(logging.WARNING):
        lamps.show({READY: Pattern(0.005, 0.005), GRANTED: ON})
        await_(lambda: GRANTED in rig.lit() and lamps.faults != ())
        time.sleep(0.05)
    (fault,) = lamps.faults
    assert fault.startswith("feedback.ready_led_pin does not obey: ")
    assert len([it for it in caplog.records if it.name == indicators.__name__]) == 1
    rig.mend()
    await_(lambda: lamps.faults == () and (READY, True) in rig.changes)


def test_a_buzzer_that_did_not_fall_silent_is_told_again(
    rig: Rig, lamps: Indicators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indicators, "_TRIES_AGAIN", 0.01)
    lamps.show({BUZZER: ON})
    await_(lambda: rig.lit() == {BUZZER})
    rig.break_line(BUZZER)
    lamps.show({})
    await_(lambda: lamps.faults != ())
    rig.mend()
    await_(lambda: rig.lit() == set())
    assert lamps.faults == ()


def test_whoever_shows_something_never_waits_for_a_line(rig: Rig, lamps: Indicators) -> None:
    stuck, go_on = threading.Event(), threading.Event()
    drive = lamps._drive  # type: ignore[attr-defined]

    def hang(output: Output, *, on: bool) -> None:
        stuck.set()
        go_on.wait(patient(10))
        drive(output, on=on)

    lamps._drive = hang  # type: ignore[attr-defined]
    lamps.show({READY: ON})
    assert stuck.wait(patient(10))
    done = threading.Event()

    def speak() -> None:
        lamps.play({BUZZER: SHORT})
        lamps.show({GRANTED: ON})
        done.set()

    threading.Thread(target=speak, daemon=True).start()
    assert done.wait(patient(5))
    go_on.set()
    await_(lambda: rig.lit() == {GRANTED})


def test_without_a_thread_nothing_raises_and_the_next_one_is_tried(
    rig: Rig, lamps: Indicators, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        lamps.show({READY: ON})
    assert lamps.faults == ("The lamps cannot be played: can't start new thread.",)
    lamps.show({READY: ON})
    await_(lambda: rig.lit() == {READY} and not lamps.faults)


# --- the real lines ---------------------------------------------------------------------------


def test_lines_are_claimed_dark_and_given_back_dark() -> None:
    chip = FakeLgpio()
    lamps = GpioIndicators({READY: 2, BUZZER: 5}, lambda: ChipFactory(0, chip), SystemClock())
    lamps.show({READY: ON})
    await_(lambda: chip.levels[2] == 1)
    lamps.close()
    assert chip.commands()[:2] == [
        ("gpio_claim_output", 16, 2, 0, 0),
        ("gpio_claim_output", 16, 5, 0, 0),
    ]
    assert chip.levels == {2: 0, 5: 0}
    assert chip.calls[-1] == ("gpiochip_close", 16)


def test_a_line_that_is_taken_leaves_the_others_working() -> None:
    chip = FakeLgpio()
    claim = chip.gpio_claim_output

    def taken(handle: int, gpio: int, level: int, lFlags: int) -> int:  # noqa: N803 - lgpio's own name
        if gpio == 4:
            raise chip.error("GPIO busy")
        return claim(handle, gpio, level, lFlags)

    chip.gpio_claim_output = taken  # type: ignore[method-assign]
    lamps = GpioIndicators(PINS, lambda: ChipFactory(0, chip), SystemClock())
    (fault,) = lamps.faults
    assert fault.startswith("feedback.denied_led_pin cannot be used: Line 4 of ")
    lamps.show({DENIED: ON, READY: ON})
    await_(lambda: chip.levels.get(2) == 1)
    lamps.close()
    assert 4 not in chip.levels


def test_without_its_chip_each_lamp_is_told_of_and_nothing_raises() -> None:
    def gone() -> Any:
        raise LockError("The GPIO chip /dev/gpiochip9 does not exist.")

    lamps = GpioIndicators(PINS, gone, SystemClock())
    assert len(lamps.faults) == 4
    assert all("/dev/gpiochip9 does not exist." in fault for fault in lamps.faults)
    lamps.show({READY: ON})
    lamps.play({BUZZER: SHORT})
    lamps.close()


def test_where_nothing_is_connected_no_chip_is_opened() -> None:
    def opened() -> Any:
        pytest.fail("nothing asked for the chip")

    lamps = GpioIndicators({}, opened, SystemClock())
    lamps.show({READY: ON})
    lamps.close()
    assert lamps.faults == ()


# --- the twin ---------------------------------------------------------------------------------


def test_the_twin_s_journal_says_what_was_asked_for(tmp_path: Path) -> None:
    lamps = SimulatedIndicators(SystemClock(), journal=tmp_path / "new" / "lamps.jsonl")
    lamps.show({READY: ON})
    lamps.play({BUZZER: SHORT})
    lamps.close()
    lines = (tmp_path / "new" / "lamps.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert [(it["what"], it["patterns"]) for it in told] == [
        ("show", {"ready_led": [None, 0.0, None]}),
        ("play", {"buzzer": [0.05, 0.05, 3]}),
        ("close", {}),
    ]
    assert all(datetime.fromisoformat(it["wall"]).tzinfo for it in told)


def test_a_journal_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lamps = SimulatedIndicators(SystemClock(), journal=tmp_path / "file" / "lamps.jsonl")
    lamps.show({READY: ON})
    await_(lambda: lamps.faults != ())
    assert "cannot be written: " in lamps.faults[0]
    await_(lambda: (READY, True) in lamps.history)
    lamps.close()


def test_the_journal_of_a_twin_that_runs_for_months_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indicators, "LONGEST_JOURNAL", 2000)
    journal = tmp_path / "lamps.jsonl"
    lamps = SimulatedIndicators(SystemClock(), journal=journal)
    for _ in range(300):
        lamps.show({READY: ON})
        await_(lambda: not lamps._notes)
    lamps.close()
    assert 0 < journal.stat().st_size < 2300


# --- what the config builds -------------------------------------------------------------------


def test_the_twin_is_used_only_where_the_config_names_the_simulated_lock(tmp_path: Path) -> None:
    pins = f"store: {{path: {tmp_path}}}\nfeedback: {{ready_led_pin: 2, buzzer_pin: 5}}\n"
    for door, kind in (
        ("door: {driver: simulated}", SimulatedIndicators),
        ("door: {driver: gpiozero, pin: 17, chip: 63}", GpioIndicators),
        ("", GpioIndicators),
    ):
        lamps = assemble.indicators(parse(pins + door))
        lamps.close()
        assert type(lamps) is kind


def test_the_lines_are_those_of_the_config() -> None:
    config = parse("feedback: {granted_led_pin: 7, denied_led_pin: 8}")
    assert assemble.indicator_lines(config) == {GRANTED: 7, DENIED: 8}
