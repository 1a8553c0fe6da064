"""Sealing of templates with AES-256-GCM, and the key file.

The key file holds 64 hexadecimal digits and a line break (`openssl rand -hex 32` makes one), so
that it can be printed, typed in again, or handed over as a systemd credential.
A sealed record is: one byte 0x01 for this format, a random 96-bit nonce, the ciphertext with its
128-bit tag. With random nonces one key serves 2**32 records (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.errors import StoreError
from appliance.store.files import private_folder, publish

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"\x01"
_CHECK_CONSTANT = b"appliance template key check v1"
_CHECK_BYTES = 8
_KEY_TEXT = re.compile(rb"[0-9A-Fa-f]{64}\n?")
# More than any key file holds; a device or a disk image is not read to its end.
_READ_LIMIT = 1024


class TemplateCipher:
    """Seals and opens records under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._aead = AESGCM(key)
        digest = hmac.new(key, _CHECK_CONSTANT, hashlib.sha256).digest()
        self._check_value = digest[:_CHECK_BYTES].hex()

    @property
    def check_value(self) -> str:
        """16 hexadecimal digits that tell keys apart and say nothing else of them."""
        return self._check_value

    def has_check_value(self, other: str) -> bool:
        """True when `other` belongs to this key; takes the same time either way."""
        return hmac.compare_digest(self._check_value.encode(), other.encode())

    def derive(self, purpose: str) -> bytes:
        """32 bytes for another purpose, which give the key itself away to nobody.

        HKDF-SHA256 (RFC 5869) without salt, the purpose as its info: each purpose has its own.
        """
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode())
        return derivation.derive(self._key)

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt. `context` is authenticated, not stored: the same is needed to open."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt. StoreError `tampered` when record or context differ from what was sealed."""
        if not sealed.startswith(_FORMAT):
            raise _tampered()
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, ciphertext, context)
        except (InvalidTag, ValueError):
            # ValueError: what is left of a cut-off record is no nonce.
            raise _tampered() from None


def create_key(path: Path) -> None:
    """Write a new random key, private and durable. FileExistsError when there is one."""
    private_folder(path.parent)
    publish(path, os.urandom(KEY_BYTES).hex().encode() + b"\n")


def load_key(path: Path) -> bytes:
    """The 32 bytes of the key file.

    FileNotFoundError where there is none, so that the caller can decide what that means;
    StoreError `bad_key` for a file that others may read or that holds no key.
    """
    # Non-blocking: a pipe that somebody put there must not hang the door.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        _refuse_if_exposed(path, os.fstat(file.fileno()))
        text = file.read(_READ_LIMIT)
    if not text:
        raise _bad_key(f"The key file {path} is empty.", "Put the right key back from a backup.")
    if not _KEY_TEXT.fullmatch(text):
        raise _bad_key(
            f"The key file {path} does not hold a key: "
            f"64 hexadecimal digits are expected, it has {_size(text)} other bytes.",
            "Put the right key back from a backup.",
        )
    return bytes.fromhex(text.decode())


def _refuse_if_exposed(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _bad_key(f"{path} is not a file, so it holds no key.", "Give store.key a file.")
    # systemd hands credentials over as root:root 0440, where the bit stands for one user's ACL.
    harmless = stat.S_IRGRP if found.st_gid == 0 else 0
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~harmless:
        raise _bad_key(
            f"The key file {path} can be used by other users of this machine.",
            f"Run `chmod 600 {path}`; if somebody may have read it, enrol everybody anew "
            "under a new key.",
        )


def _tampered() -> StoreError:
    return StoreError(
        "A sealed record was changed or does not belong where it stands.",
        hint="Restore a backup, or enrol the person again with --replace.",
        code="tampered",
    )


def _size(text: bytes) -> str:
    return str(len(text)) if len(text) < _READ_LIMIT else f"{_READ_LIMIT} or more"


def _bad_key(message: str, hint: str) -> StoreError:
    return StoreError(message, hint=hint, code="bad_key")
