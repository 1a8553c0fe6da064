"""A file that only a passphrase opens, written and read in chunks.

Header: "FAAPSEAL", version 1 (u16), then what Argon2id (RFC 9106) was asked for: memory in KiB
(u32), passes (u32), lanes (u8), salt (16 bytes); and a random nonce prefix (7 bytes). Little-
endian. The derived key is used for this file alone. Then chunks of 64 KiB, the last one shorter,
each sealed with AES-256-GCM; the nonce is prefix, chunk number (u32, big-endian) and a byte that
is 1 for the last chunk, the header is authenticated with every chunk. This is the STREAM
construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance, 2015): no chunk can be changed, moved, left out or cut off.
"""

from __future__ import annotations

import os
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import InputError

_HEADER = struct.Struct("<8sHIIB16s7s")
_MAGIC, _VERSION = b"FAAPSEAL", 1
_KEY_BYTES, _SALT_BYTES, _PREFIX_BYTES, _TAG_BYTES = 32, 16, 7, 16
_CHUNK: Final = 64 * 1024
_MOST_CHUNKS = 2**32
LEAST_PASSPHRASE: Final = 12


@dataclass(frozen=True)
class Cost:
    """What a guess at the passphrase costs."""

    memory_kib: int
    passes: int
    lanes: int

    @property
    def sensible(self) -> bool:
        """False for what would only keep the machine busy: a header can ask for anything."""
        return (
            8 * self.lanes <= self.memory_kib <= 1024 * 1024
            and 1 <= self.passes <= 64
            and 1 <= self.lanes <= 64
        )


# The second recommended option of RFC 9106, section 4: for whoever has not 2 GiB to spare.
DEFAULT_COST: Final = Cost(memory_kib=64 * 1024, passes=3, lanes=4)


def check_passphrase(passphrase: str) -> str:
    """The passphrase for a new file. InputError `weak_passphrase` when it is too short."""
    if len(passphrase.strip()) < LEAST_PASSPHRASE:
        raise InputError(
            f"The passphrase is shorter than {LEAST_PASSPHRASE} characters.",
            hint="Whoever has the file can try for years: take four or more random words.",
            code="weak_passphrase",
        )
    return passphrase


class SealedWriter:
    """Writes one file; `close` makes it whole. Without it nobody can open what was written."""

    def __init__(self, file: BinaryIO, passphrase: str, cost: Cost = DEFAULT_COST) -> None:
        salt, self._prefix = os.urandom(_SALT_BYTES), os.urandom(_PREFIX_BYTES)
        self._header = _HEADER.pack(
            _MAGIC, _VERSION, cost.memory_kib, cost.passes, cost.lanes, salt, self._prefix
        )
        self._aead = AESGCM(_derived(passphrase, salt, cost))
        self._file = file
        self._number = 0
        self._waiting = bytearray()
        file.write(self._header)

    def write(self, plain: bytes) -> None:
        """Seal what fills a chunk, keep the rest."""
        self._waiting += plain
        while len(self._waiting) > _CHUNK:
            self._seal(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]

    def close(self) -> None:
        """Seal what is left as the last chunk."""
        self._seal(bytes(self._waiting), last=True)

    def _seal(self, plain: bytes, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._number, last=last)
        self._file.write(self._aead.encrypt(nonce, plain, self._header))
        self._number += 1


def open_sealed(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """The content, chunk by chunk; each is genuine when it comes, the whole when all have come.

    InputError `not_a_backup`, `wrong_passphrase` (or the beginning was changed), `damaged`.
    """
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise _no_backup("This is no backup of an appliance")
    _magic, version, memory_kib, passes, lanes, salt, prefix = _HEADER.unpack(header)
    cost = Cost(memory_kib, passes, lanes)
    if version != _VERSION or not cost.sensible:
        raise _no_backup("This backup has a format that this version does not know")
    aead = AESGCM(_derived(passphrase, salt, cost))
    number, sealed = 0, file.read(_CHUNK + _TAG_BYTES)
    while True:
        following = file.read(_CHUNK + _TAG_BYTES)
        last = not following
        try:
            yield aead.decrypt(_nonce(prefix, number, last=last), sealed, header)
        except (InvalidTag, ValueError):
            # ValueError: less is left than a tag.
            raise _wrong() if number == 0 else _damaged() from None
        if last:
            return
        number, sealed = number + 1, following
        if number >= _MOST_CHUNKS:
            raise _damaged()


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _derived(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    # One spelling, whichever keyboard the accents were typed on.
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    try:
        return hash_secret_raw(
            secret, salt, cost.passes, cost.memory_kib, cost.lanes, _KEY_BYTES, Type.ID
        )
    except (HashingError, MemoryError):
        raise InputError(
            f"There is not enough memory to work with this passphrase "
            f"({cost.memory_kib // 1024} MiB are needed).",
            hint="End other programs, or use another machine.",
            code="no_memory",
        ) from None


def _no_backup(sentence: str) -> InputError:
    return InputError(
        f"{sentence}.",
        hint="`appliance backup create FILE` makes one.",
        code="not_a_backup",
    )


def _wrong() -> InputError:
    return InputError(
        "The passphrase is wrong, or the backup was changed.",
        hint="Try again; capitals and the keyboard's layout matter.",
        code="wrong_passphrase",
    )


def _damaged() -> InputError:
    return InputError(
        "The backup is damaged or cut off.",
        hint="Nothing was changed. Use another copy of it, or another backup.",
        code="damaged",
    )
