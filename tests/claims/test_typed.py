from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.claims import typed
from appliance.claims.typed import BACK, CLEAR, ENTER, Cleared, Entry, Keys, Line

DIGITS = Keys(typed.DIGITS, timeout_s=10.0)


def type_in(keys: str, *, apart: float = 1.0, kind: Keys = DIGITS) -> list[str]:
    """What a row of keys completes: lines, and "cleared"."""
    entry, found = Entry(), []
    for number, key in enumerate(keys):
        entry, done = typed.press(entry, key, number * apart, kind)
        if isinstance(done, Line):
            found.append(done.text)
        elif isinstance(done, Cleared):
            found.append("cleared")
    return found


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        (f"1234{ENTER}", ["1234"]),
        ("1234#", ["1234"]),
        ("12#34#", ["12", "34"]),
        (f"129{BACK}34#", ["1234"]),
        (f"{BACK}1#", ["1"]),
        (f"12{CLEAR}34#", ["cleared", "34"]),
        ("12*34#", ["cleared", "34"]),
        ("#", []),
        ("###", []),
        ("12A3B4x#", ["1234"]),
        ("", []),
        ("1234", []),
    ],
)
def test_keys_become_lines(keys: str, lines: list[str]) -> None:
    assert type_in(keys) == lines


def test_nobody_finishes_what_another_has_begun() -> None:
    entry, _ = typed.press(Entry(), "1", 0.0, DIGITS)
    entry, _ = typed.press(entry, "2", 10.0, DIGITS)
    assert typed.current(entry, 20.0, DIGITS) == "12"
    assert typed.current(entry, 20.1, DIGITS) == ""
    assert typed.press(entry, ENTER, 20.1, DIGITS) == (Entry(), None)
    assert typed.press(entry, "3", 20.1, DIGITS) == (Entry("3", 20.1), None)


def test_a_key_that_does_not_count_keeps_nothing_alive() -> None:
    entry, _ = typed.press(Entry("12", 0.0), "Q", 9.0, DIGITS)
    assert typed.current(entry, 11.0, DIGITS) == ""


def test_a_reader_types_letters() -> None:
    cards = Keys(typed.CARD_CHARACTERS, timeout_s=10.0)
    assert type_in("04:a2 3F#", kind=cards) == ["04:a2 3F"]


@settings(deadline=None)
@given(st.text(), st.floats(0, 30))
def test_whatever_is_typed_lines_are_short_and_of_the_alphabet(keys: str, apart: float) -> None:
    for line in type_in(keys, apart=apart):
        assert line == "cleared" or (0 < len(line) <= typed.LONGEST and set(line) <= typed.DIGITS)


def test_what_is_too_long_is_cut_and_keeps_no_memory() -> None:
    assert type_in("7" * 10_000 + "#", apart=0.0) == ["7" * typed.LONGEST]
