"""`appliance people code|pin|card|badge`: what is kept, told, recorded and refused."""

from __future__ import annotations

import io
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from appliance import assemble
from appliance.claims import badge, pin
from appliance.config import parse
from appliance.types import PinVerdict, Subject
from appliance.vision.qr import QrReader
from tests.cli.runs import Appliance, Outcome
from tests.conftest import ROOT
from tests.patience import patient


@pytest.fixture
def at_hand(enrolled: Appliance, monkeypatch: pytest.MonkeyPatch) -> _Hand:
    return _Hand(enrolled, monkeypatch)


class _Hand:
    """The commands, and somebody who types into them."""

    def __init__(self, appliance: Appliance, patch: pytest.MonkeyPatch) -> None:
        self.appliance = appliance
        self._patch = patch

    def give(self, *words: str, stdin: str = "", json: bool = True) -> Outcome:
        self._patch.setattr(sys, "stdin", io.StringIO(stdin))
        call = self.appliance.json if json else self.appliance
        return call("people", *words)

    def find(self, kind: str, secret: str) -> Subject | None:
        with assemble.store(self.config, create=False) as store:
            return store.credentials.find(kind, secret)

    def judge(self, typed: str) -> PinVerdict:
        with assemble.store(self.config, create=False) as store:
            salt = store.credentials.pin_salt("alice")
            if salt is None:
                return PinVerdict.WRONG
            return store.credentials.judge_pin("alice", pin.digest(typed, salt))

    @property
    def config(self) -> Any:
        return parse(f"store: {{path: {self.appliance.state}}}")

    @property
    def records(self) -> list[tuple[str, object]]:
        records = self.appliance.json("audit", "tail").data["records"]
        return [
            (item["event"], item["detail"]["kind"])
            for item in records
            if item["event"].startswith("credential_")
        ]

    @property
    def shown(self) -> dict[str, Any]:
        data = self.appliance.json("people", "show", "alice").data
        return {key: data[key] for key in ("code", "cards", "badge", "pin")}


def test_a_code_is_drawn_and_shown_once(at_hand: _Hand) -> None:
    given = at_hand.give("code", "ALICE")
    assert given.code == 0
    assert given.data.keys() == {"name", "kind", "code"}
    assert at_hand.find("code", given.data["code"]) == Subject("alice", has_pin=False)
    again = at_hand.give("code", "alice").data["code"]
    assert at_hand.find("code", given.data["code"]) is None
    assert at_hand.find("code", again) is not None
    assert at_hand.records == [("credential_added", "code")] * 2
    assert at_hand.shown == {"code": True, "cards": 0, "badge": False, "pin": False}


def test_a_code_of_ones_own_is_not_repeated(at_hand: _Hand) -> None:
    given = at_hand.give("code", "alice", "--stdin", stdin="4711\n")
    assert given.data == {"name": "alice", "kind": "code"}
    assert "4711" not in given.out + given.err
    assert at_hand.find("code", "4711") is not None


def test_a_pin_and_a_duress_pin_are_kept_and_changed(at_hand: _Hand) -> None:
    assert at_hand.give("pin", "alice", "--stdin", stdin="2580\n").code == 0
    assert at_hand.give("pin", "alice", "--duress", "--stdin", stdin="9731\n").code == 0
    typed = ("2580", "9731", "1111")
    assert [at_hand.judge(it).value for it in typed] == ["right", "duress", "wrong"]
    assert at_hand.give("pin", "alice", "--stdin", stdin="135790").code == 0
    typed = ("2580", "9731", "135790")
    assert [at_hand.judge(it).value for it in typed] == ["wrong", "duress", "right"]
    assert at_hand.give("pin", "alice", "--duress", "--remove").code == 0
    assert [at_hand.judge(it).value for it in typed] == ["wrong", "wrong", "right"]
    assert at_hand.give("pin", "alice", "--remove").data["removed"] == 1
    assert [at_hand.judge(it).value for it in typed] == ["wrong"] * 3
    kinds = [kind for _, kind in at_hand.records]
    assert kinds == ["pin", "duress_pin", "pin", "duress_pin", "pin"]


def test_no_pin_is_ever_repeated_or_recorded(at_hand: _Hand) -> None:
    said = ""
    for words, typed in [
        (("pin", "alice", "--stdin"), "864209"),
        (("pin", "alice", "--stdin"), "864209x"),
        (("pin", "alice", "--duress", "--stdin"), "864209"),
        (("code", "alice", "--stdin"), "864209"),
    ]:
        for json in (True, False):
            outcome = at_hand.give(*words, stdin=typed + "\n", json=json)
            said += outcome.out + outcome.err
    said += at_hand.appliance.json("audit", "tail").out
    assert "864209" not in said


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [
        (("pin", "alice", "--stdin"), "1234\n", "bad_pin"),
        (("pin", "alice", "--stdin"), "\n", "bad_pin"),
        (("pin", "alice", "--stdin"), "", "bad_pin"),
        (("pin", "alice", "--stdin"), "9" * 5000, "bad_pin"),
        (("pin", "alice", "--duress", "--stdin"), "2580\n", "no_pin"),
        (("pin", "alice", "--duress", "--remove"), "", "no_pin"),
        (("code", "alice", "--stdin"), "abc\n", "bad_code"),
        (("card", "alice", "--stdin"), "12\n", "bad_card"),
        (("card", "alice"), "", "no_card_reader"),
        (("code", "nobody"), "", "unknown_person"),
        (("pin", "nobody", "--stdin"), "2580\n", "unknown_person"),
        (("card", "nobody", "--stdin"), "123456\n", "unknown_person"),
        (("badge", "nobody", "--out", "badge.png"), "", "unknown_person"),
        (("badge", "nobody", "--remove"), "", "unknown_person"),
    ],
)
def test_what_cannot_be_kept_is_told(
    at_hand: _Hand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    words: tuple[str, ...],
    stdin: str,
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = at_hand.give(*words, stdin=stdin)
    assert (outcome.code, outcome.error["code"]) == (3, code)
    assert at_hand.records == []
    assert not (tmp_path / "badge.png").exists()


def test_a_pin_without_a_terminal_needs_stdin(at_hand: _Hand) -> None:
    outcome = at_hand.give("pin", "alice", json=False)
    assert outcome.code == 2
    assert outcome.sentence == "There is no terminal to ask for the PIN."


def test_code_and_pin_must_differ_whichever_comes_first(at_hand: _Hand) -> None:
    at_hand.give("pin", "alice", "--stdin", stdin="2580")
    at_hand.give("pin", "alice", "--duress", "--stdin", stdin="9731")
    for typed in ("2580", "9731"):
        assert at_hand.give("code", "alice", "--stdin", stdin=typed).error["code"] == "same_pin"
    at_hand.give("code", "alice", "--stdin", stdin="4711")
    for words in (("pin", "alice"), ("pin", "alice", "--duress")):
        outcome = at_hand.give(*words, "--stdin", stdin="4711")
        assert outcome.error["code"] == "same_pin"
    assert at_hand.give("pin", "alice", "--stdin", stdin="9731").error["code"] == "same_pin"


def test_cards_are_kept_beside_each_other_and_taken_back_together(at_hand: _Hand) -> None:
    assert at_hand.give("card", "alice", "--stdin", stdin="04:A2:3F:9B\n").data["new"] is True
    assert at_hand.give("card", "alice", "--stdin", stdin="04a23f9b\n").data["new"] is False
    assert at_hand.give("card", "alice", "--stdin", stdin="0012345678\n").data["new"] is True
    assert at_hand.shown["cards"] == 2
    assert at_hand.give("card", "alice", "--remove").data["removed"] == 2
    assert at_hand.give("card", "alice", "--remove").data["removed"] == 0
    assert at_hand.records == [
        ("credential_added", "card"),
        ("credential_added", "card"),
        ("credential_removed", "card"),
    ]


class _Reader:
    """A card reader that types a number, or nothing."""

    def __init__(self, typed: str, trouble: str = "") -> None:
        self.typed = [*typed]
        self.trouble = trouble
        self.closed = False

    def next_key(self, timeout: float) -> str | None:
        return self.typed.pop(0) if self.typed else None

    def close(self) -> None:
        self.closed = True


def test_a_card_is_swiped(at_hand: _Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = _Reader("0012345678\n")
    monkeypatch.setattr(assemble, "card_reader", lambda _: reader)
    outcome = at_hand.give("card", "alice")
    assert outcome.data == {"name": "alice", "kind": "card", "new": True}
    assert outcome.err == "Hold the card to the reader.\n"
    assert at_hand.find("card", "0012345678") == Subject("alice", has_pin=False)
    assert reader.closed


def test_a_card_that_does_not_come_or_a_reader_that_is_away_is_told(
    at_hand: _Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = [_Reader("12345"), _Reader("", "The card reader X is not there.")]
    monkeypatch.setattr(assemble, "card_reader", lambda _: readers.pop(0))
    monkeypatch.setattr("appliance.cli.credentials.SWIPE_S", 0.05)
    outcome = at_hand.give("card", "alice")
    assert (outcome.code, outcome.error["code"]) == (4, "no_card")
    outcome = at_hand.give("card", "alice")
    assert (outcome.code, outcome.error["message"]) == (4, "The card reader X is not there.")


def test_a_badge_is_a_picture_that_the_door_can_read(at_hand: _Hand, tmp_path: Path) -> None:
    out = tmp_path / "badge.png"
    assert at_hand.give("badge", "alice", "--out", str(out)).data["file"] == str(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    picture = cv2.imdecode(np.frombuffer(out.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    text = QrReader().read(np.asarray(picture, dtype=np.uint8))
    assert text is not None
    assert badge.is_badge(text)
    assert at_hand.find("qr", text) == Subject("alice", has_pin=False)
    assert text not in at_hand.appliance.json("audit", "tail").out
    at_hand.give("badge", "alice", "--remove")
    assert at_hand.find("qr", text) is None


def test_a_badge_that_cannot_be_written_is_not_kept(at_hand: _Hand, tmp_path: Path) -> None:
    (tmp_path / "there.png").write_text("mine")
    for out, code in (("there.png", "file_exists"), ("no/folder.png", None)):
        outcome = at_hand.give("badge", "alice", "--out", str(tmp_path / out))
        assert outcome.code == 3
        assert code is None or outcome.error["code"] == code
    assert (tmp_path / "there.png").read_text() == "mine"
    assert at_hand.give("badge", "alice").code == 2
    assert at_hand.shown["badge"] is False
    assert at_hand.records == []


def test_nobody_takes_anothers_card(at_hand: _Hand) -> None:
    with assemble.store(at_hand.config) as store:
        alice = store.people.get("alice")
        assert alice is not None
        store.people.add("bob", alice.template)
    at_hand.give("card", "alice", "--stdin", stdin="4711")
    assert at_hand.give("card", "bob", "--stdin", stdin="4711").error["code"] == "taken"


def test_whoever_is_removed_leaves_nothing(at_hand: _Hand) -> None:
    at_hand.give("code", "alice", "--stdin", stdin="4711")
    at_hand.give("remove", "alice")
    assert at_hand.find("code", "4711") is None


def test_at_a_terminal_a_pin_is_asked_for_twice_and_not_shown(at_hand: _Hand) -> None:
    """The real program on a real terminal."""
    folder = at_hand.appliance.state.parent
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "appliance", "--config", str(folder / "config.yaml")]
    with subprocess.Popen(
        [*command, "people", "pin", "alice"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        os.close(follower)
        seen = b""
        for prompt in (b"PIN: ", b"Repeat for confirmation: "):
            while prompt not in seen:
                seen += os.read(leader, 1024)
            os.write(leader, b"2580\n")
        while b"kept" not in seen:
            seen += os.read(leader, 1024)
        assert process.wait(timeout=patient(20)) == 0
    os.close(leader)
    assert b"2580" not in seen
    assert at_hand.judge("2580") is PinVerdict.RIGHT
