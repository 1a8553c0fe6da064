from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ExitCode, InputError
from appliance.store.names import MAX_NAME_LENGTH, check_name, name_key


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        "Alice Smith",
        "O'Brien",
        "Jean-Luc",
        "Müller",
        "李小龙",
        "محمد",
        "Jr.",
        "42",
        "😀",
        "❤️",
        "7️⃣",
        "👩‍🚀",
        "👩🏽‍🚀 Sally",
        "👨‍👩‍👧",
        "🏳️‍🌈",
        "x" * MAX_NAME_LENGTH,
    ],
)
def test_a_name_is_kept_as_given(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [("  alice ", "alice"), ("\u3000李\u00a0", "李"), ("Mu\u0308ller", "Müller")],
)
def test_a_name_is_composed_and_stripped_of_spaces(given_name: str, kept: str) -> None:
    assert check_name(given_name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * (MAX_NAME_LENGTH + 1),
        "x" * 300,
        "../../etc/passwd",
        "a/b",
        "a\\b",
        ".hidden",
        " .hidden",
        "a\nb",
        "alice\n",
        "a\rb",
        "a\tb",
        "a\x00b",
        "a\x1b[31mb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "ali\u202ece",  # right-to-left override
        "ali\u2066ce",  # isolate
        "ali\u200bce",  # zero-width space
        "ali\u200cce",
        "ali\u200dce",  # a joiner that joins no emoji
        "😀\u200d",
        "\u200d😀",
        "ali\ufeffce",
        "ali\u00adce",  # soft hyphen
        "ali\ufe0fce",  # an emoji style on a letter
        "\u3164",  # a letter that shows nothing
        "ali\u034fce",
        "ali\U000e0101ce",
        "\ud800",
        "a\ue000",
        "\U000e0041",
        "---",
        "\u0301",
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_name(name)
    assert (caught.value.code, caught.value.exit_code) == ("bad_name", ExitCode.BAD_DATA)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice", "alice"),
        ("ALICE", "aLiCe"),
        ("Straße", "STRASSE"),
        ("Müller", "MU\u0308LLER"),
        ("\uff21\uff4c\uff49\uff43\uff45", "alice"),  # full width
        ("Alice  Smith", "alice\u00a0smith"),
        ("❤️", "❤"),
    ],
)
def test_two_spellings_are_one_person(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("alice", "alicia"), ("a b", "ab"), ("Jose", "José")])
def test_two_names_are_two_people(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text(max_size=120))
def test_any_text_is_a_tidy_name_or_is_refused(text: str) -> None:
    try:
        name = check_name(text)
    except InputError as error:
        assert error.message.isprintable()  # noqa: PT017 - most texts do not raise
        return
    assert check_name(name) == name
    assert 1 <= len(name) <= MAX_NAME_LENGTH
    assert not set(name) & set("/\\\n\r\t\x00")
    assert name_key(name)


@given(st.text(st.characters(codec=None), max_size=50))
def test_any_text_has_a_key_that_can_be_stored(text: str) -> None:
    name_key(text).encode("utf-8")
