"""PINs: which are accepted, and how one is hashed before it is compared.

One evaluation of argon2id (RFC 9106) turns a PIN into a digest that is compared with the PIN's
tag and with the duress PIN's, so that all PINs, right, wrong, duress or nobody's, take the same
time. The cost is chosen for the smallest board: 19 MiB, the least that OWASP's password storage
cheat sheet recommends, on one core. What protects short PINs is not the cost, though, but that
the tag needs the template key, and that wrong ones are counted (`appliance.lockout`).
"""

from __future__ import annotations

import secrets
from itertools import pairwise
from typing import Final

from appliance.errors import InputError
from appliance.types import PinCost, PinSalt

SHORTEST: Final = 4
LONGEST: Final = 12
COST: Final = PinCost(memory_kib=19 * 1024, passes=3, lanes=1)

_SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 32


def new_salt() -> PinSalt:
    """A fresh salt at today's cost."""
    return PinSalt(secrets.token_bytes(_SALT_BYTES), COST)


def digest(pin: str, salt: PinSalt) -> bytes:
    """32 bytes of argon2id. Any text has one, so that nonsense takes as long as a PIN."""
    from argon2.low_level import Type, hash_secret_raw

    return hash_secret_raw(
        pin.encode("utf-8", "backslashreplace"),
        salt.salt,
        time_cost=salt.cost.passes,
        memory_cost=salt.cost.memory_kib,
        parallelism=salt.cost.lanes,
        hash_len=_DIGEST_BYTES,
        type=Type.ID,
    )


def check(pin: str) -> str:
    """A PIN that may be kept. InputError `bad_pin` says what is wrong, without the PIN."""
    if not (pin.isascii() and pin.isdigit()):
        raise _bad("holds something else than digits")
    if not SHORTEST <= len(pin) <= LONGEST:
        raise _bad(f"has {len(pin)} digits")
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        raise _bad("is one digit over and over, or counts up or down")
    return pin


def _bad(fault: str) -> InputError:
    return InputError(
        f"This PIN {fault}.",
        hint=f"A PIN has {SHORTEST} to {LONGEST} digits, six are good; not 1234, not 0000.",
        code="bad_pin",
    )
