"""The device's own signing key (Ed25519, RFC 8032): for what leaves the device under its name.

It is a key of its own and not drawn from the template key: that one may be handed to the service
alone, is kept in backups, and goes to another board with them, where it would sign as this one.
The file is like that of the template key: 64 hexadecimal digits, readable by its owner alone.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.errors import InputError
from appliance.store.crypto import create_key, load_key
from appliance.store.faults import translated

# 160 bits: nobody finds a second key with the same.
_DIGITS: Final = 40
_GROUP: Final = 4
_SHAPE = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


class DeviceKey:
    """Signs in the name of one device. public: 64 hexadecimal digits."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public: Final = public.hex()

    @classmethod
    def at(cls, path: Path) -> DeviceKey:
        """The key of that file, made where there is none. StoreError."""
        with translated(path):
            with suppress(FileExistsError):
                if not path.exists():
                    create_key(path)
            return cls(load_key(path))

    def sign(self, content: bytes) -> str:
        """The signature in hexadecimal."""
        return self._key.sign(content).hex()


def has_signed(public: str, signature: str, content: bytes) -> bool:
    """Whether the key has signed just this. public, signature: hexadecimal, of whatever origin."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public: str) -> str:
    """What people compare: 40 digits of the key's SHA-256, in groups of four."""
    digits = hashlib.sha256(bytes.fromhex(public)).hexdigest()[:_DIGITS]
    return "-".join(digits[at : at + _GROUP] for at in range(0, _DIGITS, _GROUP))


def same_fingerprint(written: str, public: str) -> bool:
    """Whether what somebody typed is the key's fingerprint. InputError where it is none."""
    digits = re.sub(r"[\s:-]", "", written).lower()
    if not _SHAPE.fullmatch(digits):
        raise InputError(
            f"A fingerprint has {_DIGITS} hexadecimal digits, and this has {len(digits)} signs.",
            hint="`appliance acceptance key` shows it on the device.",
            code="bad_fingerprint",
        )
    return digits == fingerprint(public).replace("-", "")
