from __future__ import annotations

from pathlib import Path

from appliance.config import StoreConfig
from appliance.store.location import locate

_USER, _ROOT = 1000, 0


def _database(path: Path | None = None, uid: int = _USER, **environment: str) -> Path:
    return locate(StoreConfig(path=path), environment, uid=uid).database


def test_without_a_config_the_user_decides() -> None:
    assert _database(HOME="/home/a") == Path("/home/a/.local/state/appliance/appliance.db")
    assert _database(HOME="/home/a", XDG_STATE_HOME="/s") == Path("/s/appliance/appliance.db")
    assert _database(uid=_ROOT, HOME="/root") == Path("/var/lib/appliance/appliance.db")


def test_a_relative_xdg_folder_is_ignored() -> None:
    expected = Path("/home/a/.local/state/appliance/appliance.db")
    assert _database(HOME="/home/a", XDG_STATE_HOME="state") == expected


def test_systemds_folder_comes_first() -> None:
    expected = Path("/var/lib/appliance/appliance.db")
    assert _database(STATE_DIRECTORY="/var/lib/appliance:/var/lib/b") == expected
    assert _database(uid=_ROOT, STATE_DIRECTORY="/run/x") == Path("/run/x/appliance.db")


def test_a_path_is_a_file_by_its_ending_or_by_being_one(tmp_path: Path) -> None:
    there = tmp_path / "faces"
    assert _database(there) == there / "appliance.db"
    there.touch()
    assert _database(there) == there
    for name in ("a.db", "a.sqlite", "a.SQLITE3"):
        assert _database(tmp_path / name) == tmp_path / name


def test_a_tilde_is_the_home_of_the_environment() -> None:
    assert _database(Path("~/faces"), HOME="/home/a") == Path("/home/a/faces/appliance.db")


def test_the_key_lies_beside_the_database_unless_given(tmp_path: Path) -> None:
    at = locate(StoreConfig(path=tmp_path / "a.db"), {}, uid=_USER)
    assert at.key == tmp_path / "template.key"
    given = locate(StoreConfig(path=tmp_path, key=Path("/k")), {}, uid=_USER)
    assert given.key == Path("/k")


def test_a_systemd_credential_is_the_key_where_it_exists(tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    config = StoreConfig(path=Path("/s"))
    assert locate(config, environment, uid=_USER).key == Path("/s/template.key")
    credential = tmp_path / "appliance-template-key"
    credential.touch()
    assert locate(config, environment, uid=_USER).key == credential


def test_the_other_files_lie_in_the_same_folder() -> None:
    at = locate(StoreConfig(path=Path("/s/x.db")), {}, uid=_USER)
    assert at.devices_lock == Path("/s/devices.lock")
    assert at.simulated_lock_journal == Path("/s/simulated-lock.jsonl")
