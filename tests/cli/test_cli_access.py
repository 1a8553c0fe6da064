"""`appliance people access`: what is written, shown, recorded and refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from appliance import assemble
from appliance.config import parse
from tests.cli.runs import Appliance
from tests.fakes import FakeClock

OVER = "that is over before it begins."
SATURDAY = datetime(2026, 1, 10, 12, tzinfo=timezone.utc)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Saturday noon, and trusted."""
    clock = FakeClock(now=SATURDAY, trusted=True)
    monkeypatch.setattr(assemble, "clock", lambda: clock)
    return clock


@pytest.fixture
def door(enrolled: Appliance, clock: FakeClock) -> Appliance:
    """Alice is enrolled at a door in Zurich."""
    enrolled.configure(access={"time_zone": "Europe/Zurich"})
    return enrolled


def audited(door: Appliance) -> list[dict[str, Any]]:
    records = door.json("audit", "tail").data["records"]
    return [item["detail"] for item in records if item["event"] == "access_changed"]


def test_somebody_just_enrolled_may_enter_at_any_time(door: Appliance) -> None:
    assert door.json("people", "access", "alice").data == {
        "name": "alice",
        "access": "at any time",
        "windows": [],
        "not_before": None,
        "expires": None,
        "keeper": False,
        "permitted_now": True,
        "why_not": None,
    }
    assert door("people", "access", "alice").out == "alice: at any time (permitted now).\n"


def test_windows_and_days_are_written_shown_and_recorded(door: Appliance) -> None:
    told = door.json(
        *("people", "access", "ALICE", "--allow", "Mon - Fri 8:00-18:00"),
        *("--allow", "sun 09:00-12:00", "--from", "2026-01-01", "--until", "2026-12-31"),
    )
    assert (told.code, told.data) == (
        0,
        {
            "name": "alice",
            "access": "mon-fri 08:00-18:00, sun 09:00-12:00 from 2026-01-01 "
            "until the end of 2026-12-31",
            "windows": ["mon-fri 08:00-18:00", "sun 09:00-12:00"],
            "not_before": "2026-01-01T00:00",
            "expires": "2027-01-01T00:00",
            "keeper": False,
            "permitted_now": False,
            "why_not": "is permitted mon-fri 08:00-18:00, sun 09:00-12:00 only, "
            "and it is Sat 13:00",
        },
    )
    assert audited(door) == [
        {
            "by": "local command",
            "before": {"access": "at any time", "keeper": False},
            "after": {"access": told.data["access"], "keeper": False},
        }
    ]
    for words in (("people", "show", "alice"), ("people", "access", "alice")):
        shown = door.json(*words).data
        assert {key: shown[key] for key in told.data} == told.data
    (listed,) = door.json("people", "list").data["people"]
    assert (listed["access"], listed["keeper"]) == (told.data["access"], False)
    assert "mon-fri 08:00-18:00" in door("people", "list").out
    assert "not now: is permitted mon-fri" in door("people", "access", "alice").out


def test_what_is_not_named_stays(door: Appliance) -> None:
    door("people", "access", "alice", "--allow", "sat 09:00-12:00", "--until", "2026-12-31")
    door("people", "access", "alice", "--keeper")
    after = door.json("people", "access", "alice", "--allow", "sat 12:00-14:00").data
    assert (after["windows"], after["expires"], after["keeper"], after["permitted_now"]) == (
        ["sat 12:00-14:00"],
        "2027-01-01T00:00",
        True,
        True,
    )
    after = door.json("people", "access", "alice", "--until", "none", "--no-keeper").data
    assert (after["windows"], after["expires"], after["keeper"]) == (
        ["sat 12:00-14:00"],
        None,
        False,
    )
    assert len(audited(door)) == 4


def test_always_takes_every_restriction_away_but_not_the_duty(door: Appliance) -> None:
    door("people", "access", "alice", "--allow", "sun 09:00-12:00", "--keeper")
    after = door.json("people", "access", "alice", "--always").data
    assert (after["access"], after["keeper"]) == ("at any time", True)
    assert door("people", "list").out.count("(keeper)") == 1


def test_a_look_and_a_word_that_changes_nothing_leave_no_record(door: Appliance) -> None:
    before = door.snapshot()
    door("people", "access", "alice")
    assert door.snapshot() == before
    door("people", "access", "alice", "--always")
    assert audited(door) == []


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--allow", "weekends"], 3, "'weekends' is not a part of the week."),
        (["--until", "soon"], 3, "'soon' is not a date from 2020 to 2199."),
        (["--from", ""], 3, "'' is not a date from 2020 to 2199."),
        (
            ["--from", "2026-03-01", "--until", "2026-02-01"],
            3,
            f"Nobody can enter from 2026-03-01 until the end of 2026-02-01: {OVER}",
        ),
        (
            ["--always", "--until", "2026-03-01"],
            2,
            "--always means at any time, so --allow, --from and --until say something else.",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_and_changes_nothing(
    door: Appliance, options: list[str], code: int, sentence: str
) -> None:
    before = door("people", "access", "alice", "--allow", "mon 08:00-09:00").out
    told = door("people", "access", "alice", *options)
    assert (told.code, told.sentence) == (code, sentence)
    assert door("people", "access", "alice").out == before
    assert len(audited(door)) == 1


def test_a_later_until_is_checked_against_the_from_of_before(door: Appliance) -> None:
    door("people", "access", "alice", "--from", "2026-06-01")
    told = door("people", "access", "alice", "--until", "2026-05-31")
    assert (told.code, "over before it begins" in told.sentence) == (3, True)
    assert len(audited(door)) == 1


@pytest.mark.parametrize("options", [[], ["--always"], ["--keeper"]])
def test_who_is_not_enrolled_is_told_of(door: Appliance, options: list[str]) -> None:
    told = door("people", "access", "mallory", *options)
    assert (told.code, told.sentence) == (3, "Nobody called 'mallory' is enrolled.")
    assert audited(door) == []


def test_an_untrusted_clock_shows(door: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    door("people", "access", "alice", "--allow", "sat 09:00-18:00")
    monkeypatch.setattr(assemble, "clock", lambda: FakeClock(now=SATURDAY, trusted=False))
    shown = door.json("people", "access", "alice").data
    assert (shown["permitted_now"], shown["why_not"]) == (
        False,
        "the clock is not known to be right",
    )
    door.configure(access={"time_zone": "Europe/Zurich", "untrusted_clock": "allow"})
    assert door.json("people", "access", "alice").data["permitted_now"] is True


def test_no_template_is_opened_for_it(door: Appliance) -> None:
    (door.state / "template.key").unlink()
    assert door("people", "access", "alice", "--keeper").code == 0
    assert door.json("people", "list").data["people"][0]["keeper"] is True


def test_the_zone_of_the_config_is_the_door_s(clock: FakeClock) -> None:
    assert clock.trusted()
    policy = assemble.access_policy(parse("access: {time_zone: Asia/Tokyo}"))
    assert SATURDAY.astimezone(policy.zone).hour == 21
    assert assemble.access_policy(parse("")).zone is None


def attempt(door: Appliance, film: Path) -> str:
    told = door.json("verify", "--name", "alice", "--unlock", "--from", film)
    return str(told.data["decision"])


def test_at_the_door_the_time_decides_before_the_face(
    door: Appliance, films: dict[str, Path], clock: FakeClock
) -> None:
    door("people", "access", "alice", "--allow", "sat 14:00-15:00")
    assert attempt(door, films["alice"]) == "not_permitted"
    assert [state for state, _ in door.journal if state == "unlocked"] == []
    (record,) = door.json("audit", "tail", "-n", "1").data["records"]
    assert (record["event"], record["detail"]["decision"]) == ("access_denied", "not_permitted")
    clock.set_wall(SATURDAY.replace(hour=13))  # fourteen in Zurich
    assert attempt(door, films["alice"]) == "accept"
    assert [state for state, _ in door.journal if state == "unlocked"] == ["unlocked"]


def test_at_the_door_nobody_learns_a_schedule(door: Appliance, films: dict[str, Path]) -> None:
    door("people", "access", "alice", "--allow", "sat 14:00-15:00", "--until", "2026-02-01")
    said = door("verify", "--name", "alice", "--unlock", "--from", films["bob"])
    assert said.code == 1
    assert "may not use this door now" in said.out + said.err
    assert not any(word in said.out + said.err for word in ("14:00", "sat", "2026", "Sat"))


def test_a_permission_that_cannot_be_read_lets_nobody_in(
    door: Appliance, films: dict[str, Path]
) -> None:
    door("people", "access", "alice", "--allow", "sat 00:00-24:00")
    with closing(sqlite3.connect(door.state / "appliance.db")) as connection, connection:
        connection.execute("UPDATE permission SET windows = 'whenever'")
    told = door.json("verify", "--name", "alice", "--unlock", "--from", films["alice"])
    assert (told.code, told.error["code"]) == (3, "corrupt")
    assert [state for state, _ in door.journal if state == "unlocked"] == []
