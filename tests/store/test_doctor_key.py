"""The doctor beside a service that alone is handed the key of the enrolled faces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance import doctor, installed
from appliance.cli.main import run
from appliance.config import parse
from appliance.doctor import Status
from appliance.errors import StoreError
from appliance.hardware.clock import SystemClock
from appliance.inspection import rescue
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Template
from tests.conftest import ROOT


@pytest.fixture
def keyless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_template: Callable[..., Template]
) -> Path:
    """Somebody is enrolled, and the key is not where commands find it."""
    monkeypatch.setattr(installed.look, "__defaults__", (tmp_path,))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with opened(tmp_path) as store:
        store.people.add("alice", make_template())
    (tmp_path / "state" / "template.key").rename(tmp_path / "sealed")
    return tmp_path


def opened(folder: Path) -> Store:
    state = folder / "state"
    return Store.open(StoreLocation(state / "appliance.db", state / "template.key"), SystemClock())


def config(folder: Path) -> str:
    return f"store: {{path: {folder / 'state'}}}"


def hand_over(folder: Path) -> None:
    units = folder / "etc" / "systemd" / "system"
    (units / "appliance.service.d").mkdir(parents=True)
    shutil.copy(ROOT / "systemd" / "appliance.service", units)
    (units / "appliance.service.d" / "key-encrypted.conf").touch()


def test_a_key_that_the_service_has_is_no_fault(keyless: Path) -> None:
    hand_over(keyless)
    found = doctor._store(parse(config(keyless)))
    assert found.status is not Status.FAIL
    assert found.detail.startswith("1 enrolled")


def test_a_key_that_nobody_has_is_one(keyless: Path) -> None:
    with pytest.raises(StoreError) as told:
        doctor._store(parse(config(keyless)))
    assert told.value.code == "missing_key"


def test_a_backup_says_how_it_can_be_made(keyless: Path) -> None:
    hand_over(keyless)
    with opened(keyless) as store, pytest.raises(StoreError) as told:
        rescue.backup(parse(config(keyless)), store, "a test")
    assert told.value.code == "key_elsewhere"
    assert "appliance backup create FILE" in told.value.hint


def test_the_command_says_so_as_well(keyless: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand_over(keyless)
    (keyless / "config.yaml").write_text(config(keyless))
    (keyless / "words").write_text("four quite random words\n")
    given = ("--json", "--config", str(keyless / "config.yaml"))
    words = ("--passphrase-file", str(keyless / "words"))
    code = run([*given, "backup", "create", str(keyless / "door.backup"), *words])
    told = json.loads(capsys.readouterr().out)["error"]
    assert (code, told["code"]) == (3, "key_elsewhere")
    assert "LoadCredentialEncrypted=" in told["hint"]
    assert not (keyless / "door.backup").exists()
