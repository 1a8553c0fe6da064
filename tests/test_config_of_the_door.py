"""What config refuses of time zones, voices and lines, where each would only show at the door."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from appliance.config import load, parse
from appliance.errors import ConfigError


@pytest.mark.parametrize(
    ("zone", "advice"),
    [
        ("europe/zurihc", "did you mean Europe/Zurich?"),
        ("Europe", "did you mean"),
        ("''", "such as Europe/Zurich"),
        ("/etc/passwd", "such as Europe/Zurich"),
        ("../../etc/passwd", "such as Europe/Zurich"),
        ("x" * 3000, "such as Europe/Zurich"),
    ],
)
def test_a_time_zone_that_the_system_does_not_know_is_refused(zone: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=r"access\.time_zone: .* is no time zone") as told:
        parse(f"access: {{time_zone: {zone}}}")
    assert advice in told.value.message


def test_a_time_zone_that_the_system_knows_is_taken() -> None:
    assert parse("access: {time_zone: Asia/Kathmandu}").access.time_zone == "Asia/Kathmandu"


def test_a_system_without_time_zones_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_such(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", none_such)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ConfigError, match="apt install tzdata"):
        parse("access: {time_zone: Europe/Zurich}")


@pytest.mark.parametrize("language", ["-en", "en --stdout", "../../tmp/voice", "''", "e", "en;id"])
def test_a_voice_is_a_language_and_no_option_or_path(language: str) -> None:
    with pytest.raises(ConfigError, match=r"feedback\.language: a language such as"):
        parse(f"feedback: {{language: {language}}}")


@pytest.mark.parametrize("language", ["en", "de", "pt-br", "en-gb-x-rp", "en+f3", "cmn"])
def test_languages_and_variants_are_voices(language: str) -> None:
    assert parse(f"feedback: {{language: {language}}}").feedback.language == language


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (
            "{door: {driver: gpiozero, pin: 17}, feedback: {buzzer_pin: 17}}",
            "line 17 is given to both door.pin and feedback.buzzer_pin",
        ),
        (
            "{door: {contact_pin: 5, tamper_pin: 5}}",
            "line 5 is given to both door.contact_pin and door.tamper_pin",
        ),
        (
            "{claims: {keypad: matrix, keypad_rows: [1, 2], keypad_columns: [3, 1]}}",
            "line 1 is given to both claims.keypad_rows and claims.keypad_columns",
        ),
        (
            "{door: {driver: gpiozero, pin: 1}, claims: {keypad: matrix, keypad_rows: [1, 2]}}",
            "line 1 is given to both door.pin and claims.keypad_rows",
        ),
    ],
)
def test_a_line_has_one_use(text: str, keys: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse(text)
    assert keys in told.value.message


def test_lines_of_a_keypad_that_is_not_there_are_free() -> None:
    parse("{door: {driver: gpiozero, pin: 1}, claims: {keypad: usb, keypad_rows: [1, 2]}}")


def test_a_sound_begins_at_the_config_file_as_other_paths_do(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for written, meant in (
        ("chime.wav", str(tmp_path / "chime.wav")),
        ("/srv/chime.wav", "/srv/chime.wav"),
        ("speech", "speech"),
        ("off", "off"),
    ):
        file.write_text(f"feedback: {{greeting: {written}}}", encoding="utf-8")
        assert load(file).feedback.greeting == meant


def test_an_empty_greeting_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"feedback\.greeting: a path is expected"):
        parse("feedback: {greeting: ''}")
