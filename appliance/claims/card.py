"""The number that a card reader types, in one form."""

from __future__ import annotations

from typing import Final

from appliance.errors import InputError

SHORTEST: Final = 4
LONGEST: Final = 64


def number(typed: str) -> str | None:
    """Letters and digits in upper case, as the card is kept; None for what is no card.

    Readers differ in spaces, colons and case; the same card must be the same everywhere.
    """
    if not typed.isascii():
        return None
    tidy = "".join(char for char in typed if char.isalnum()).upper()
    return tidy if SHORTEST <= len(tidy) <= LONGEST else None


def check(typed: str) -> str:
    """The number of a card that may be kept. InputError `bad_card`."""
    tidy = number(typed)
    if tidy is None:
        raise InputError(
            "That is no card number: a reader types "
            f"{SHORTEST} to {LONGEST} letters and digits, and then Enter.",
            hint="Hold the card to the reader once more, or give its number with --stdin.",
            code="bad_card",
        )
    return tidy
