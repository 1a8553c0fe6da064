"""The desk: keys, cards and badges on a real store; what is told, counted and handed on."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance import lockout
from appliance.claims import badge, claiming, desk, pin
from appliance.claims.backoff import Backoff
from appliance.claims.desk import Answer, Desk
from appliance.claims.reading import Reading
from appliance.errors import StoreError
from appliance.ports import Credentials
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import (
    Claim,
    PinCost,
    PinSalt,
    PinVerdict,
    Subject,
    Template,
)
from tests.fakes import FakeClock

CHEAP = PinCost(memory_kib=64, passes=1, lanes=1)
PIN, DURESS, WRONG = "2580", "9731", "1111"
BADGE = badge.new()


def template() -> Template:
    vector = np.zeros(8, dtype=np.float32)
    vector[0] = 1
    return Template(np.stack([vector] * 5), vector, "toy", "f1ng3r")


class Lobby:
    """A desk with everything that belongs to it."""

    def __init__(
        self,
        folder: Path,
        clock: FakeClock,
        *,
        require_pin: frozenset[str] = frozenset(),
        policy: lockout.Policy | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.clock = clock
        place = StoreLocation(folder / "appliance.db", folder / "template.key")
        self.store = Store.open(place, clock, busy_timeout_s=0.05)
        self.claims: list[Claim] = []
        self.answers: list[tuple[Answer, str]] = []
        self.calls: list[tuple[str, str]] = []
        self.busy = False
        self.backoff = Backoff(self.store.failures, clock, policy or lockout.Policy(5, 60))
        tools = desk.Tools(
            credentials=credentials or self.store.credentials,
            backoff=self.backoff,
            audit=self.store.audit,
            clock=clock,
            hand=self._hand,
            show=lambda answer, sentence: self.answers.append((answer, sentence)),
            call=lambda name, via: self.calls.append((name, via)),
        )
        self.desk = Desk(tools, claiming.Policy(require_pin, keypad=True, pin_timeout_s=10.0))

    def _hand(self, claim: Claim) -> bool:
        if self.busy:
            return False
        self.claims.append(claim)
        return True

    def enrol(self, name: str, code: str, pin_: str | None = None, duress: str = "") -> None:
        self.store.people.add(name, template())
        self.store.credentials.add(name, "code", code)
        if pin_ is not None:
            salt = PinSalt(pin.new_salt().salt, CHEAP)
            self.store.credentials.keep_pin(name, salt, pin.digest(pin_, salt))
            if duress:
                self.store.credentials.keep_duress_pin(name, pin.digest(duress, salt))

    def type_in(self, *lines: str) -> None:
        for line in lines:
            for key in [*line, "#"]:
                self.desk.keypad(key)

    def swipe(self, number: str) -> None:
        for key in [*number, "\n"]:
            self.desk.card(key)

    @property
    def told(self) -> list[str]:
        return [it.value for it, _ in self.answers if it is not Answer.KEY]

    @property
    def records(self) -> list[tuple[str, str, object]]:
        return [(it.event, it.subject, it.detail) for it in self.store.audit.tail(100)]


@pytest.fixture
def lobby(tmp_path: Path) -> Iterator[Lobby]:
    built = Lobby(tmp_path, FakeClock())
    built.enrol("alice", "111", PIN, DURESS)
    built.enrol("bob", "222")
    built.store.credentials.add("alice", "card", "0012345678")
    built.store.credentials.add("alice", "qr", BADGE)
    yield built
    built.store.close()


# --- who gets through -----------------------------------------------------------------------


def test_a_code_without_a_pin_is_a_claim(lobby: Lobby) -> None:
    lobby.type_in("222")
    assert lobby.claims == [Claim("bob", "keypad")]
    assert lobby.told == ["claimed"]


def test_a_code_and_its_pin(lobby: Lobby) -> None:
    lobby.type_in("111", PIN)
    assert lobby.claims == [Claim("alice", "keypad", pin=True)]
    assert lobby.told == ["pin_wanted", "claimed"]
    assert lobby.records == []


def test_a_card_or_badge_and_the_pin_at_the_keypad(lobby: Lobby) -> None:
    lobby.swipe("00:12 34-5678")
    lobby.type_in(PIN)
    lobby.desk.badge(BADGE)
    lobby.type_in(PIN)
    assert lobby.claims == [Claim("alice", "card", pin=True), Claim("alice", "qr", pin=True)]


def test_the_duress_pin_does_the_same_and_calls(lobby: Lobby) -> None:
    lobby.type_in("111", PIN)
    normal, lobby.answers = lobby.answers, []
    lobby.type_in("111", DURESS)
    assert lobby.answers == normal
    assert lobby.claims[-1] == Claim("alice", "keypad", pin=True, duress=True)
    assert lobby.calls == [("alice", "keypad")]
    assert lobby.records == [("duress", "alice", {"via": "keypad"})]


def test_a_duress_call_goes_out_though_it_cannot_be_recorded(
    lobby: Lobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(lobby.store.audit, "append", full)
    lobby.type_in("111", DURESS)
    assert lobby.calls == [("alice", "keypad")]
    assert lobby.claims == [Claim("alice", "keypad", pin=True, duress=True)]


def test_whoever_comes_while_another_is_served_is_told(lobby: Lobby) -> None:
    lobby.busy = True
    lobby.type_in("222")
    assert (lobby.claims, lobby.told) == ([], ["refused"])


# --- who does not ---------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [("111", WRONG), ("999", PIN), ("999", DURESS), (PIN, "111")])
def test_anything_else_is_refused_in_one_way(lobby: Lobby, typed: tuple[str, str]) -> None:
    lobby.type_in(*typed)
    assert lobby.claims == []
    assert [it for it in lobby.answers if it[0] is not Answer.KEY] == [
        (Answer.PIN_WANTED, "Enter your PIN."),
        (Answer.REFUSED, "That is not right; after several failures, wait a while."),
    ]


def test_what_is_wrong_is_recorded_without_the_secret(lobby: Lobby) -> None:
    lobby.type_in("111", "864209")
    lobby.type_in("999", "864209")
    lobby.swipe("DEADBEEF99")
    assert lobby.records == [
        ("claim_refused", "alice", {"via": "keypad", "reason": "wrong_pin"}),
        ("claim_refused", "", {"via": "keypad", "reason": "unknown"}),
        ("claim_refused", "", {"via": "card", "reason": "unknown"}),
    ]


def test_a_way_that_requires_a_pin_refuses_whoever_has_none(tmp_path: Path) -> None:
    lobby = Lobby(tmp_path, FakeClock(), require_pin=frozenset({"keypad"}))
    lobby.enrol("bob", "222")
    lobby.type_in("222", PIN)
    assert (lobby.claims, lobby.told) == ([], ["pin_wanted", "refused"])
    lobby.store.close()


def test_other_peoples_qr_codes_are_passed_over(lobby: Lobby) -> None:
    lobby.desk.badge("https://example.org/menu")
    assert (lobby.answers, lobby.records) == ([], [])


def test_a_badge_held_up_is_heard_once(lobby: Lobby) -> None:
    for _ in range(30):
        lobby.desk.badge(BADGE)
        lobby.clock.advance(0.2)
    assert lobby.told == ["pin_wanted"]


def test_a_badge_in_the_picture_does_not_take_the_keypad_away(lobby: Lobby) -> None:
    lobby.type_in("111")
    lobby.desk.badge(BADGE)
    lobby.type_in(PIN)
    assert lobby.claims == [Claim("alice", "keypad", pin=True)]
    lobby.desk.keypad("2")
    lobby.desk.badge(BADGE)
    lobby.type_in("22")
    assert lobby.claims[-1] == Claim("bob", "keypad")
    lobby.desk.badge(BADGE)  # is heard as soon as nobody types
    assert lobby.told[-1] == "pin_wanted"


def test_a_pin_is_not_awaited_for_ever(lobby: Lobby) -> None:
    lobby.type_in("111")
    lobby.clock.advance(9.9)
    lobby.desk.tick()
    assert lobby.told == ["pin_wanted"]
    lobby.clock.advance(0.2)
    lobby.desk.tick()
    assert lobby.told == ["pin_wanted", "refused"]
    lobby.type_in(PIN)  # is a code by now, of nobody
    assert lobby.claims == []


def test_nobody_finishes_the_code_or_the_pin_of_another(lobby: Lobby) -> None:
    lobby.desk.keypad("2")
    lobby.desk.keypad("2")
    lobby.clock.advance(11)
    lobby.type_in("2")
    assert lobby.claims == []
    lobby.desk.keypad("*")
    for key in PIN[:2]:
        lobby.desk.keypad(key)
    lobby.swipe("0012345678")
    lobby.type_in(PIN[2:])
    assert lobby.claims == []


def test_clear_begins_anew(lobby: Lobby) -> None:
    lobby.type_in("111")
    lobby.desk.keypad("*")
    lobby.type_in("222")
    assert lobby.claims == [Claim("bob", "keypad")]


# --- back-off -------------------------------------------------------------------------------


def test_a_stranger_at_the_keypad_does_not_lock_the_card(lobby: Lobby) -> None:
    for _ in range(5):
        lobby.type_in("111", WRONG)
    lobby.answers.clear()
    lobby.type_in("111", PIN)
    assert (lobby.told, lobby.claims) == (["pin_wanted", "refused"], [])
    lobby.swipe("0012345678")
    lobby.type_in(PIN)
    assert lobby.claims == [Claim("alice", "card", pin=True)]


def test_a_lock_out_ends_and_neither_asking_nor_a_restart_lengthens_it(
    lobby: Lobby, tmp_path: Path
) -> None:
    for _ in range(5):
        lobby.type_in("111", WRONG)
    for _ in range(59):
        lobby.clock.advance(1)
        lobby.type_in("111", *[PIN] * (lobby.clock.monotonic() % 10 < 1))
        lobby.desk.keypad("*")
    assert lobby.told[-1] == "pin_wanted"
    assert lobby.claims == []
    reasons = [it[2]["reason"] for it in lobby.records]  # type: ignore[index]
    assert set(reasons[5:]) == {"locked_out"}
    assert len(reasons) < 12  # each is a PIN, and counts against the way
    lobby.store.close()
    lobby.clock.set_wall(lobby.clock.now().replace(year=1970))
    again = Lobby(tmp_path, lobby.clock)
    again.clock.advance(1)
    again.type_in("111", PIN)
    assert again.claims == [Claim("alice", "keypad", pin=True)]
    again.store.close()


def test_failing_on_tells_nobody_whether_a_code_exists(tmp_path: Path) -> None:
    """Neither the lock-out of the name nor the slowing of the way tells them apart."""

    def seen(code: str) -> list[tuple[Answer, str]]:
        lobby = Lobby(tmp_path / code, FakeClock(), policy=lockout.Policy(3, 60, per_hour=8))
        lobby.enrol("alice", "111", PIN)
        for _ in range(12):
            lobby.type_in(code, WRONG)
            lobby.clock.advance(2)
        lobby.store.close()
        return lobby.answers

    assert seen("111") == seen("999")


def test_a_card_that_is_locked_out_is_told_how_long(lobby: Lobby) -> None:
    for _ in range(5):
        lobby.swipe("0012345678")
        lobby.type_in(WRONG)
    recorded = lobby.records
    lobby.swipe("0012345678")
    assert lobby.answers[-1] == (Answer.REFUSED, "Too many failed attempts. Wait 60 seconds.")
    assert lobby.records == recorded


def test_right_pins_do_not_free_a_stranger_of_his_failures(lobby: Lobby) -> None:
    """Only a face that is accepted clears them; and each way has its own."""
    for _ in range(4):
        lobby.type_in("111", WRONG)
    lobby.type_in("111", PIN)
    lobby.type_in("111", WRONG)
    assert lobby.backoff.locked_for("alice", "keypad") == 60


def test_trying_many_codes_is_slowed_and_the_others_ways_are_not(tmp_path: Path) -> None:
    lobby = Lobby(tmp_path, FakeClock(), policy=lockout.Policy(5, 60, per_hour=10))
    lobby.enrol("alice", "111", PIN)
    lobby.store.credentials.add("alice", "card", "4711")
    for number in range(30):
        lobby.type_in(f"9{number}", "1")
    assert len(lobby.records) == 10
    lobby.answers.clear()
    lobby.type_in("111")
    assert lobby.told == ["refused"]
    lobby.swipe("4711")
    lobby.type_in(PIN)
    assert lobby.claims == [Claim("alice", "card", pin=True)]
    lobby.clock.advance(360)
    lobby.type_in("111", PIN)
    assert lobby.claims[-1] == Claim("alice", "keypad", pin=True)
    lobby.store.close()


# --- what breaks ----------------------------------------------------------------------------


def test_a_failing_ledger_stops_the_guessing(lobby: Lobby, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not make wrong PINs free of charge."""

    def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(lobby.store.failures, "update", full)
        with pytest.raises(StoreError):
            lobby.type_in("111", WRONG)
        lobby.desk.keypad("*")
        lobby.answers.clear()
        lobby.type_in("111")
        assert lobby.answers[-1] == (Answer.REFUSED, "Wait 30 seconds.")
    lobby.clock.advance(desk.HOLD_S)
    lobby.type_in("111", PIN)
    assert lobby.claims == [Claim("alice", "keypad", pin=True)]


class _Broken:
    """Credentials of a database that cannot be read."""

    def find(self, kind: str, secret: str) -> Subject | None:
        raise StoreError("The disk is gone.")

    def pin_salt(self, name: str) -> PinSalt | None:
        raise StoreError("The disk is gone.")

    def judge_pin(self, name: str | None, digest: bytes) -> PinVerdict:
        raise StoreError("The disk is gone.")


def test_a_failing_store_is_told_and_the_desk_serves_again(tmp_path: Path) -> None:
    lobby = Lobby(tmp_path, FakeClock(), credentials=_Broken())
    with pytest.raises(StoreError):
        lobby.type_in("111")
    assert lobby.answers[-1] == (Answer.REFUSED, "That cannot be checked at the moment.")
    assert lobby.desk.state == claiming.Ready()
    lobby.type_in("")
    with pytest.raises(StoreError):  # heard at once: nothing was learnt, nothing is held
        lobby.type_in("111")
    lobby.store.close()


def test_many_threads_at_one_desk_serve_one_person_at_a_time(lobby: Lobby) -> None:
    errors: list[Exception] = []

    def rush(act: int) -> None:
        try:
            for _ in range(10):
                if act == 0:
                    lobby.type_in("222")
                elif act == 1:
                    lobby.swipe("0012345678")
                else:
                    lobby.desk.badge(badge.new())
        except Exception as error:  # noqa: BLE001 - told below, in the thread that can fail the test
            errors.append(error)

    threads = [threading.Thread(target=rush, args=(act,)) for act in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {claim.name for claim in lobby.claims} <= {"bob"}


def test_a_reader_goes_on_after_an_error_and_is_closed_at_the_end() -> None:
    class Script:
        trouble = "The keypad is away."

        def __init__(self) -> None:
            self.keys = ["1", "2", None, "3"]
            self.closed = 0

        def next_key(self, timeout: float) -> str | None:
            if not self.keys:
                stopping.set()
                return None
            return self.keys.pop(0)

        def close(self) -> None:
            self.closed += 1

    heard: list[str] = []
    beats: list[str] = []
    turns: list[int] = []

    def hear(key: str) -> None:
        heard.append(key)
        if key == "2":
            raise StoreError("The disk is full.")

    stopping, keys = threading.Event(), Script()
    Reading("keypad", keys, hear, lambda: turns.append(1)).run(stopping, beats.append)
    assert heard == ["1", "2", "3"]
    assert beats == ["The keypad is away."] * 5
    assert len(turns) == 4  # but for the one that raised
    assert keys.closed == 1


@pytest.mark.slow
def test_codes_of_nobody_take_as_long_as_wrong_pins(tmp_path: Path) -> None:
    lobby = Lobby(tmp_path, FakeClock(), policy=lockout.Policy(100, 1, per_hour=3600))
    lobby.enrol("alice", "111")
    salt = pin.new_salt()
    lobby.store.credentials.keep_pin("alice", salt, pin.digest(PIN, salt))

    def once(code: str) -> float:
        lobby.type_in(code)
        began = time.perf_counter()
        lobby.type_in("864209")
        return time.perf_counter() - began

    known, unknown = [], []
    for _ in range(30):
        lobby.clock.advance(5)
        known.append(once("111"))
        unknown.append(once("999"))
    lobby.store.close()
    apart = statistics.median(known) - statistics.median(unknown)
    assert abs(apart) < statistics.median(known) / 4
    print(f"wrong PIN {statistics.median(known):.4f} s, nobody {statistics.median(unknown):.4f} s")  # noqa: T201 - a figure
