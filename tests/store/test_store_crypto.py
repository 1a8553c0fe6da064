from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

import pytest

from appliance.errors import StoreError
from appliance.store.crypto import KEY_BYTES, TemplateCipher, create_key, load_key

_KEY = bytes(range(KEY_BYTES))


def test_sealed_is_not_plain_and_never_the_same_twice() -> None:
    cipher = TemplateCipher(_KEY)
    one, two = cipher.seal(b"secret", b"alice"), cipher.seal(b"secret", b"alice")
    assert b"secret" not in one
    assert one != two
    assert cipher.open(one, b"alice") == cipher.open(two, b"alice") == b"secret"


def test_another_context_does_not_open() -> None:
    cipher = TemplateCipher(_KEY)
    with pytest.raises(StoreError) as caught:
        cipher.open(cipher.seal(b"secret", b"alice"), b"mallory")
    assert caught.value.code == "tampered"


def test_every_changed_byte_and_every_cut_is_noticed() -> None:
    cipher = TemplateCipher(_KEY)
    sealed = cipher.seal(b"secret", b"alice")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        for bad in (bytes(changed), sealed[:place]):
            with pytest.raises(StoreError):
                cipher.open(bad, b"alice")


def test_each_purpose_has_a_key_of_its_own() -> None:
    """RFC 5869 without salt, computed by hand beside it."""
    cipher = TemplateCipher(_KEY)
    extracted = hmac.digest(bytes(32), _KEY, "sha256")
    assert cipher.derive("cards v1") == hmac.digest(extracted, b"cards v1\x01", "sha256")
    others = {cipher.derive("cards v2"), TemplateCipher(bytes(KEY_BYTES)).derive("cards v1"), _KEY}
    assert cipher.derive("cards v1") not in others
    assert len(others) == 3


def test_the_check_value_tells_keys_apart() -> None:
    one, other = TemplateCipher(_KEY), TemplateCipher(bytes(KEY_BYTES))
    assert one.has_check_value(TemplateCipher(_KEY).check_value)
    assert not one.has_check_value(other.check_value)
    assert _KEY.hex() not in one.check_value


def test_a_new_key_is_private_and_random(tmp_path: Path) -> None:
    one, two = tmp_path / "keys" / "one.key", tmp_path / "keys" / "two.key"
    create_key(one)
    create_key(two)
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700
    assert len(load_key(one)) == KEY_BYTES
    assert load_key(one) != load_key(two)
    assert sorted(one.parent.iterdir()) == [one, two]


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "template.key"
    create_key(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        create_key(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_key_is_the_callers_to_judge(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_key(tmp_path / "template.key")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o660, 0o666])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "template.key"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(StoreError) as caught:
        load_key(path)
    assert caught.value.code == "bad_key"
    assert f"chmod 600 {path}" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other groups")
def test_a_group_may_read_only_where_it_is_roots(tmp_path: Path) -> None:
    path = tmp_path / "template.key"
    create_key(path)
    path.chmod(0o440)
    assert len(load_key(path)) == KEY_BYTES  # as systemd hands credentials over
    os.chown(path, 0, 12345)
    with pytest.raises(StoreError, match="other users"):
        load_key(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"ab" * 31, "62 other bytes"),
        (b"ab" * 33, "66 other bytes"),
        (b"\n", "1 other bytes"),
        (bytes(KEY_BYTES), "32 other bytes"),
        (b"zz" * 32, "64 other bytes"),
        (b"ab" * 5000, "1024 or more"),
    ],
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "template.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=sentence) as caught:
        load_key(path)
    assert caught.value.code == "bad_key"
    assert content.decode() not in caught.value.message or len(content) < 2


def test_a_pipe_is_no_key_and_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "template.key"
    os.mkfifo(path, 0o600)
    with pytest.raises(StoreError, match="not a file"):
        load_key(path)


def test_an_openssl_key_is_a_key(tmp_path: Path) -> None:
    path = tmp_path / "template.key"
    path.write_text(_KEY.hex().upper() + "\n")
    path.chmod(0o600)
    assert load_key(path) == _KEY
