"""What `appliance doctor` says of contact, button and tamper switch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance import assemble
from appliance.config import Config
from appliance.doctor import Check, Status, _contacts


def configured(folder: Path, **door: object) -> Config:
    return Config.model_validate(
        {"store": {"path": folder}, "door": {"driver": "simulated", **door}}
    )


def test_where_none_is_connected_nothing_is_amiss(tmp_path: Path) -> None:
    assert _contacts(configured(tmp_path)) == Check("contacts", Status.OK, "none connected")


@pytest.mark.parametrize(
    ("readings", "status", "detail"),
    [
        ({}, Status.OK, "door closed, button not pressed"),
        ({"contact": "open"}, Status.OK, "door open, button not pressed"),
        ({"request_to_exit": True}, Status.WARN, "door closed, button pressed"),
    ],
)
def test_every_contact_is_told(
    tmp_path: Path, readings: dict[str, object], status: Status, detail: str
) -> None:
    config = configured(tmp_path, contact_pin=4, request_to_exit_pin=5)
    assemble.location(config).simulated_inputs.write_text(json.dumps(readings))
    check = _contacts(config)
    assert (check.status, check.detail) == (status, detail)
    assert bool(check.hint) is (status is Status.WARN)


def test_a_service_that_runs_has_them(tmp_path: Path) -> None:
    config = configured(tmp_path, tamper_pin=6)
    with assemble.devices(config):
        check = _contacts(config)
    assert check.status is Status.OK
    assert "process" in check.detail
