"""Checkpoints: signed statements of what the audit log held, to be kept far from the door.

Signed is, with Ed25519 (RFC 8032), the canonical JSON of {"at", "database", "digest", "format",
"kind", "number", "signer"}, and of an exported one "trail" too. kind is "checkpoint": record
`number` had `digest`; or "begin": every record up to `number` was dropped because of its age.
The two can never stand in for each other. The signing key is derived from the template key.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.errors import InputError, StoreError
from appliance.store.canonical import canonical
from appliance.store.chain import Link
from appliance.store.crypto import TemplateCipher
from appliance.store.moments import from_text

CHECKPOINT: Final = "checkpoint"
BEGIN: Final = "begin"
_FORMAT = "appliance audit v1"
_PURPOSE = "appliance audit signing key v1"

# So much of each digest goes into an exported trail. It only says where a rewritten log parts
# from the true one, the digest in full says whether it does.
TRAIL_BYTES = 4
# The newest of so many records have a place in a trail: about half a megabyte of text.
LONGEST_TRAIL = 100_000
# More than the longest trail takes; what else somebody hands in is not read to its end.
MOST_BYTES = 1024 * 1024

_HEX = re.compile(r"[0-9a-f]+")
_DIGEST, _PUBLIC_KEY, _SIGNATURE, _IDENTITY = 64, 64, 128, 32


@dataclass(frozen=True)
class Checkpoint:
    """One signed statement.

    at: ISO 8601. signer: the public key; signature: both in hexadecimal. trail: base64 of the
    first TRAIL_BYTES of the digests of the records that end at `number`; empty but in a file.
    """

    kind: str
    database: str
    number: int
    digest: str
    at: str
    signer: str
    signature: str = ""
    trail: str = ""

    @property
    def link(self) -> Link:
        """The place in the chain."""
        return Link(self.number, self.digest)

    @property
    def moment(self) -> datetime:
        """When it was signed. StoreError when that is no date."""
        return from_text(self.at)

    @property
    def genuine(self) -> bool:
        """True when `signer` has signed just this. Says nothing of who that is."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.signer))
            key.verify(bytes.fromhex(self.signature), self.body())
        except (InvalidSignature, ValueError):
            return False
        return True

    def digests(self) -> dict[int, str]:
        """The beginnings of digests, in hexadecimal, by number, that the trail holds."""
        raw = base64.b64decode(self.trail)
        count = len(raw) // TRAIL_BYTES
        first = self.number - count + 1
        return {
            first + place: raw[place * TRAIL_BYTES : (place + 1) * TRAIL_BYTES].hex()
            for place in range(count)
        }

    def text(self) -> str:
        """A file of it: one JSON object."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n"

    def body(self) -> bytes:
        """What is signed."""
        body = {"format": _FORMAT, **asdict(self)}
        del body["signature"]
        if not self.trail:
            del body["trail"]
        return canonical(body).encode()


class Signer:
    """Signs for one appliance."""

    def __init__(self, cipher: TemplateCipher) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(cipher.derive(_PURPOSE))
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public: Final = public.hex()

    def sign(self, kind: str, database: str, link: Link, at: str, trail: str = "") -> Checkpoint:
        """State a place in the chain of the database with this identity."""
        unsigned = Checkpoint(kind, database, *link, at, self.public, trail=trail)
        return replace(unsigned, signature=self._key.sign(unsigned.body()).hex())


def trail_of(digests: list[str]) -> str:
    """The trail of records in order, the newest LONGEST_TRAIL of them."""
    newest = digests[-LONGEST_TRAIL:]
    raw = b"".join(bytes.fromhex(digest[: 2 * TRAIL_BYTES]) for digest in newest)
    return base64.b64encode(raw).decode()


def parse(text: bytes, source: str) -> Checkpoint:
    """The checkpoint in an exported file, its signature checked.

    InputError `bad_checkpoint` for anything that is none, or that was changed.
    """
    try:
        found = json.loads(text)
        stated = _stated(found)
    except (ValueError, TypeError, KeyError, RecursionError, StoreError):
        raise InputError(
            f"{source} is no checkpoint of an audit log.",
            hint="`appliance audit checkpoint --out FILE` makes one.",
            code="bad_checkpoint",
        ) from None
    if not stated.genuine:
        raise InputError(
            f"The checkpoint {source} was changed after it was signed.",
            hint="Use another copy of it, or another checkpoint.",
            code="bad_checkpoint",
        )
    return stated


def _stated(found: Any) -> Checkpoint:
    """Raises ValueError, TypeError, KeyError or StoreError where something is not as it must be."""
    if not isinstance(found, dict) or found.pop("format") != _FORMAT:
        raise ValueError(_FORMAT)
    stated = Checkpoint(**found)
    _require_hex(stated.database, _IDENTITY)
    _require_hex(stated.digest, _DIGEST)
    _require_hex(stated.signer, _PUBLIC_KEY)
    _require_hex(stated.signature, _SIGNATURE)
    if stated.kind != CHECKPOINT or type(stated.number) is not int or stated.number < 0:
        raise ValueError(stated.kind)
    if not stated.moment:
        raise ValueError(stated.at)
    try:
        length = len(base64.b64decode(stated.trail, validate=True))
    except binascii.Error as error:
        raise ValueError(stated.trail) from error
    if length % TRAIL_BYTES or length // TRAIL_BYTES > stated.number:
        raise ValueError(length)
    return stated


def _require_hex(text: str, length: int) -> None:
    if len(text) != length or not _HEX.fullmatch(text):
        raise ValueError(text)
