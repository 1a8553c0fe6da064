"""What `appliance doctor` says of keypad, card reader and what people claim with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import assemble
from appliance.claims import pin
from appliance.config import Config
from appliance.doctor import Check, Status, _claims, _readers
from appliance.types import Template


def configured(folder: Path, **claims: object) -> Config:
    return Config.model_validate({"store": {"path": folder}, "claims": claims})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Alice has a code and a PIN, Bob a card."""
    vector = np.zeros(8, dtype=np.float32)
    vector[0] = 1
    template = Template(np.stack([vector] * 5), vector, "toy", "f1ng3r")
    with assemble.store(configured(tmp_path)) as store:
        for name in ("alice", "bob"):
            store.people.add(name, template)
        store.credentials.add("alice", "code", "4711")
        salt = pin.new_salt()
        store.credentials.keep_pin("alice", salt, pin.digest("2580", salt))
        store.credentials.add("bob", "card", "0012345678")
    return tmp_path


def test_without_claims_nothing_is_amiss(folder: Path) -> None:
    config = configured(folder)
    assert _readers(config) == Check("readers", Status.OK, "none configured")
    assert _claims(config).status is Status.OK


@pytest.mark.parametrize(
    ("claims", "status", "detail"),
    [
        (
            {"sources": ["keypad", "card"], "keypad": "simulated", "card_device": "/dev/x"},
            Status.OK,
            "keypad, card",
        ),
        (
            {"sources": ["keypad"], "keypad": "simulated"},
            Status.WARN,
            "nothing to claim with at this door: bob",
        ),
        ({"sources": ["qr"]}, Status.WARN, "nothing to claim with at this door: alice, bob"),
        (
            {"sources": ["sole_user"]},
            Status.WARN,
            "sole_user is for one person, and 2 are enrolled",
        ),
    ],
)
def test_who_cannot_claim_is_told(
    folder: Path, claims: dict[str, object], status: Status, detail: str
) -> None:
    check = _claims(configured(folder, **claims))
    assert (check.status, check.detail) == (status, detail)
    assert bool(check.hint) is (status is Status.WARN)


def test_a_pin_that_nobody_can_type_is_told(folder: Path) -> None:
    config = configured(folder, sources=["card"], card_device="/dev/x")
    with assemble.store(config) as store:
        store.credentials.add("alice", "card", "0087654321")
    assert _claims(config).detail == "a PIN is asked for, and there is no keypad: alice"


def test_readers_that_are_not_there_are_told(folder: Path) -> None:
    pytest.importorskip("evdev")
    device = folder / "event0"
    config = configured(folder, sources=["card"], card_device=device)
    assert _readers(config).detail == f"The card reader {device} is not there."
    assert _readers(config).status is Status.WARN


def test_readers_that_can_be_had_are_given_back(folder: Path) -> None:
    config = configured(folder, sources=["keypad"], keypad="simulated")
    assert [_readers(config) for _ in "ab"] == [Check("readers", Status.OK, "keypad")] * 2


def test_a_service_that_runs_has_them(folder: Path) -> None:
    config = configured(folder, sources=["keypad"], keypad="simulated")
    with assemble.devices(config):
        check = _readers(config)
    assert check.status is Status.OK
    assert "process" in check.detail
