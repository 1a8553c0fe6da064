"""What doctor says of schedules, lamps and the greeting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from appliance import assemble, doctor
from appliance.access import Permission, parse_until, parse_window
from appliance.config import Config, parse
from appliance.doctor import Check, Status
from appliance.errors import LockError
from appliance.hardware import speaker
from appliance.hardware.indicators import GpioIndicators
from appliance.hardware.pins import ChipFactory
from appliance.signals import Output
from appliance.types import Template
from tests.fakes import FakeClock
from tests.hardware.fake_lgpio import FakeLgpio

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
OFFICE = Permission((parse_window("mon-fri 08:00-18:00"),))
OVER = Permission(expires=parse_until("2026-03-31"))
ALWAYS = Permission(keeper=True)

Enrol = Callable[..., Config]


@pytest.fixture
def enrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Enrol:
    """A door where these people may enter then, and the config that names it."""

    def made(
        people: Mapping[str, Permission], *, trusted: bool = True, policy: str = "deny"
    ) -> Config:
        clock = FakeClock(now=NOON, trusted=trusted)
        monkeypatch.setattr(assemble, "clock", lambda: clock)
        access = f"access: {{untrusted_clock: {policy}, time_zone: Europe/Zurich}}"
        config = parse(f"store: {{path: {tmp_path / 'state'}}}\n{access}")
        vectors = np.eye(5, 8, dtype=np.float32)
        mean = np.full(8, 8**-0.5, np.float32)
        with assemble.store(config) as store:
            for name, permission in people.items():
                store.people.add(name, Template(vectors, mean, "model", "f1ng3r"))
                store.permissions.put(name, permission)
        return config

    return made


@pytest.mark.parametrize(
    ("people", "trusted", "policy", "status", "detail"),
    [
        ({}, True, "deny", Status.OK, "everybody enrolled may enter at any time"),
        ({"kim": ALWAYS}, False, "deny", Status.OK, "everybody enrolled may enter at any time"),
        ({"alice": OFFICE, "kim": ALWAYS}, True, "deny", Status.OK, "1 of 2 may enter at times"),
        (
            *({"alice": OFFICE, "kim": ALWAYS}, False, "deny", Status.WARN),
            "not known to be right, so all of them are refused until it is",
        ),
        (
            *({"alice": OFFICE, "kim": ALWAYS}, False, "allow", Status.WARN),
            "not known to be right, so windows are open until it is",
        ),
        (
            *({"alice": OFFICE}, True, "deny", Status.WARN),
            "without network after a power cut nobody can enter",
        ),
        ({"alice": OFFICE}, True, "allow", Status.OK, "1 of 1 may enter at times only"),
        (
            *({"alice": OFFICE, "bob": OVER, "kim": ALWAYS}, True, "deny", Status.WARN),
            "the last day has passed of: bob",
        ),
    ],
)
def test_schedules(  # noqa: PLR0917 - of a table
    enrol: Enrol,
    people: dict[str, Permission],
    trusted: bool,  # noqa: FBT001 - of a table
    policy: str,
    status: Status,
    detail: str,
) -> None:
    check = doctor._schedules(enrol(people, trusted=trusted, policy=policy))
    assert (check.status, detail in check.detail) == (status, True), check
    assert bool(check.hint) is (status is not Status.OK)


def test_before_anybody_is_enrolled_doctor_founds_no_store(tmp_path: Path) -> None:
    config = parse(f"store: {{path: {tmp_path / 'state'}}}")
    assert doctor._schedules(config).status is Status.OK
    assert not (tmp_path / "state").exists()


def lamps(text: str, tmp_path: Path) -> Check:
    return doctor._lamps(parse(f"{{store: {{path: {tmp_path}}}, {text}}}"))


def test_lamps_that_are_not_there_are_fine(tmp_path: Path) -> None:
    assert lamps("", tmp_path) == Check("lamps", Status.OK, "none connected")


def test_lamps_without_a_door_are_told_of(tmp_path: Path) -> None:
    check = lamps("feedback: {ready_led_pin: 5}", tmp_path)
    assert (check.status, "nothing is driven" in check.detail) == (Status.WARN, True)


def test_simulated_lamps_are_called_so(tmp_path: Path) -> None:
    check = lamps("door: {driver: simulated}, feedback: {buzzer_pin: 5}", tmp_path)
    assert check == Check("lamps", Status.OK, "buzzer, simulated as the door is")
    assert list(tmp_path.iterdir()) == []


REAL = "door: {driver: gpiozero, pin: 7}, feedback: {ready_led_pin: 5, buzzer_pin: 6}"


def test_real_lamps_are_claimed_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = FakeLgpio()

    def opened(_chip: int, lines: dict[Output, int], clock: FakeClock) -> GpioIndicators:
        return GpioIndicators(lines, lambda: ChipFactory(0, chip), clock)

    monkeypatch.setattr(assemble, "open_gpio_indicators", opened)
    assert lamps(REAL, tmp_path) == Check("lamps", Status.OK, "ready_led, buzzer: claimed, dark")
    assert {call[2] for call in chip.commands()} == {5, 6}
    assert chip.levels == {5: 0, 6: 0}
    assert chip.calls[-1][0] == "gpiochip_close"


def test_lamps_that_cannot_be_had_are_a_warning_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> ChipFactory:
        raise LockError("The GPIO chip /dev/gpiochip0 does not exist.")

    def opened(_chip: int, lines: dict[Output, int], clock: FakeClock) -> GpioIndicators:
        return GpioIndicators(lines, gone, clock)

    monkeypatch.setattr(assemble, "open_gpio_indicators", opened)
    check = lamps(REAL, tmp_path)
    assert check.status is Status.WARN
    assert check.detail.count("does not exist.") == 2


@pytest.fixture
def sounding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system with espeak-ng, a player and a sound card; the folder of its programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("espeak-ng", "aplay"):
        (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(speaker, "has_a_sound_card", lambda _cards: True)
    return folder


def test_a_greeting_is_off_or_works(sounding: Path) -> None:
    assert doctor._greeting(parse("")) == Check("greeting", Status.OK, "off")
    check = doctor._greeting(parse("feedback: {greeting: speech, language: de}"))
    assert check == Check("greeting", Status.OK, "espeak-ng in de")
    chime = sounding / "chime.wav"
    chime.write_bytes(b"RIFF\0\0\0\0WAVE")
    check = doctor._greeting(parse(f"feedback: {{greeting: {chime}}}"))
    assert check == Check("greeting", Status.OK, "a sound")


def test_what_a_greeting_lacks_is_a_warning_and_no_failure(
    sounding: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = doctor._greeting(parse("feedback: {greeting: /nowhere/chime.wav}"))
    assert (check.status, "cannot be read" in check.detail) == (Status.WARN, True)
    monkeypatch.setenv("PATH", str(sounding / "nothing"))
    check = doctor._greeting(parse("feedback: {greeting: speech}"))
    assert (check.status, "sudo apt install espeak-ng" in check.detail) == (Status.WARN, True)


def test_a_challenge_that_nobody_hears_is_a_warning(sounding: Path) -> None:
    name = "instructions"
    assert doctor._instructions(parse("")) == Check(name, Status.OK, "off")
    for asks in ("profile: strict", "challenge: turn"):
        check = doctor._instructions(parse(f"liveness: {{{asks}}}"))
        assert (check.status, "nobody hears" in check.detail) == (Status.WARN, True)
        check = doctor._instructions(parse(f"liveness: {{{asks}}}\nfeedback: {{speak: true}}"))
        assert check == Check(name, Status.OK, "espeak-ng in en")
    check = doctor._instructions(parse("feedback: {speak: true, language: eo}"))
    assert check.detail == "Nothing can be asked for in eo (feedback.language)."
    assert check.status is Status.WARN


def test_all_four_are_among_the_checks() -> None:
    assert {"schedules", "lamps", "greeting", "instructions"} <= set(doctor._CHECKS)
