"""PINs, badges, cards and codes: which are accepted, and what they are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.claims import badge, card, code, pin
from appliance.errors import InputError
from appliance.types import PinCost, PinSalt

CHEAP = PinSalt(bytes(range(16)), PinCost(memory_kib=64, passes=1, lanes=1))


@pytest.mark.parametrize("good", ["2580", "135790", "998877665544", "1235", "0019"])
def test_a_pin_that_may_be_kept(good: str) -> None:
    assert pin.check(good) == good


NOT_FOUR_TO_TWELVE_DIGITS = ["", "123", "1234567890123", "12a4", "12 4", "-123", "٣٤٥٦", "²³⁴⁵"]
TOO_EASY = ["1234", "4321", "0000", "7777777", "456789", "7890", "2109"]


@pytest.mark.parametrize("bad", [*NOT_FOUR_TO_TWELVE_DIGITS, *TOO_EASY])
def test_a_pin_that_may_not_is_not_repeated(bad: str) -> None:
    with pytest.raises(InputError) as caught:
        pin.check(bad)
    assert caught.value.code == "bad_pin"
    assert bad == "" or bad not in caught.value.message


def test_a_pin_is_hashed_with_argon2id() -> None:
    """The first reference vector's parameters cannot be had without key and data; so another.

    From `echo -n password | argon2 somesalt... -id -t 2 -k 65536 -p 1` of the reference code
    (P-H-C/phc-winner-argon2, src/test.c, version 0x13).
    """
    salt = PinSalt(b"somesalt", PinCost(memory_kib=65_536, passes=2, lanes=1))
    expected = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
    assert pin.digest("password", salt).hex() == expected


def test_salt_and_cost_matter() -> None:
    digests = {
        pin.digest("2580", CHEAP),
        pin.digest("2581", CHEAP),
        pin.digest("2580", replace(CHEAP, salt=bytes(16))),
        pin.digest("2580", replace(CHEAP, cost=PinCost(64, 2, 1))),
    }
    assert len(digests) == 4
    assert pin.new_salt() != pin.new_salt()


def test_anything_can_be_hashed() -> None:
    for odd in ("", "\x00", "\ud800", "9" * 1000):
        assert len(pin.digest(odd, CHEAP)) == 32


def test_a_badge_is_new_each_time_and_known_as_ours() -> None:
    texts = {badge.new() for _ in range(100)}
    assert len(texts) == 100
    assert all(badge.is_badge(text) for text in texts)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "alice",
        "https://example.org/",
        "FAA1:",
        "FAA2:ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "FAA1:abcdefghijklmnopqrstuvwxyz",
        "FAA1:ABCDEFGHIJKLMNOPQRSTUVWXYZ\n",
        "FAA1:" + "A" * 27,
    ],
)
def test_other_codes_are_no_badges(foreign: str) -> None:
    assert not badge.is_badge(foreign)


def test_a_badge_held_up_is_shown_once_and_again_after_a_while() -> None:
    showing, found = badge.Showing(), []
    for text, now in [("a", 0.0), ("a", 2.0), ("a", 4.0), ("b", 4.1), ("a", 4.2), ("a", 7.3)]:
        showing, new = showing.read(text, now)
        found.append(new)
    assert found == [True, False, False, True, True, True]


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0012345678", "0012345678"),
        ("04:a2:3f:9b", "04A23F9B"),
        (" ;1234567=99? ", "123456799"),
        ("123", None),
        ("", None),
        ("A" * 65, None),
        ("äöüß", None),
    ],
)
def test_a_cards_number_has_one_form(typed: str, number: str | None) -> None:
    assert card.number(typed) == number


@settings(deadline=None)
@given(st.text())
def test_the_form_of_a_card_is_stable(typed: str) -> None:
    number = card.number(typed)
    assert number is None or card.number(number) == number


@pytest.mark.parametrize("bad", ["", "1234567890123", "12a", "١٢", "-1"])
def test_what_is_no_code_or_card_is_told(bad: str) -> None:
    with pytest.raises(InputError) as caught:
        code.check(bad)
    assert caught.value.code == "bad_code"
    with pytest.raises(InputError) as caught:
        card.check(bad[:3])
    assert caught.value.code == "bad_card"


def test_a_drawn_code_may_be_kept() -> None:
    drawn = {code.new() for _ in range(100)}
    assert len(drawn) > 90
    assert all(code.check(it) == it and len(it) == 6 for it in drawn)
