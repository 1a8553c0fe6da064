"""User codes: what a person types to say who they are. Like a name, a code is no secret."""

from __future__ import annotations

import secrets
from typing import Final

from appliance.errors import InputError

SHORTEST: Final = 1
LONGEST: Final = 12
_DRAWN_DIGITS: Final = 6


def new() -> str:
    """Six random digits that do not begin with 0."""
    low = 10 ** (_DRAWN_DIGITS - 1)
    return str(low + secrets.randbelow(9 * low))


def check(code: str) -> str:
    """A code that may be kept. InputError `bad_code`."""
    if code.isascii() and code.isdigit() and SHORTEST <= len(code) <= LONGEST:
        return code
    raise InputError(
        f"A user code has {SHORTEST} to {LONGEST} digits and nothing else.",
        hint="Leave the code out and one is drawn.",
        code="bad_code",
    )
