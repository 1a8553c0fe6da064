"""Where the store lives: from the config and the environment to concrete paths."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.config import StoreConfig
from appliance.errors import ConfigError

_DATABASE_NAME = "appliance.db"
_DATABASE_SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})
_CREDENTIAL = "appliance-template-key"
_SYSTEM_FOLDER = Path("/var/lib/appliance")


@dataclass(frozen=True)
class StoreLocation:
    """The files of one appliance. database: the SQLite file; key: of the template key."""

    database: Path
    key: Path

    @property
    def folder(self) -> Path:
        """The state folder, which holds everything but perhaps the key."""
        return self.database.parent

    @property
    def devices_lock(self) -> Path:
        """The file whose lock says who holds the camera and the door."""
        return self.folder / "devices.lock"

    @property
    def simulated_lock_journal(self) -> Path:
        """Where the simulated lock writes down what it was told."""
        return self.folder / "simulated-lock.jsonl"

    @property
    def simulated_inputs(self) -> Path:
        """Where somebody writes what the simulated door's inputs read."""
        return self.folder / "simulated-inputs.json"

    @property
    def simulated_keys(self) -> Path:
        """The pipe that somebody writes into what the simulated keypad reads."""
        return self.folder / "simulated-keys"

    @property
    def simulated_indicators_journal(self) -> Path:
        """Where the simulated lamps and buzzer write down what they were to show."""
        return self.folder / "simulated-indicators.jsonl"

    @property
    def device_key(self) -> Path:
        """What the device signs with in its own name."""
        return self.folder / "device.key"

    @property
    def acceptance(self) -> Path:
        """The hardware acceptance that is under way."""
        return self.folder / "acceptance.json"

    @property
    def engines(self) -> Path:
        """The folder of what `appliance models prepare` built for this machine's GPU."""
        return self.folder / "engines"

    @property
    def model_choice(self) -> Path:
        """What `appliance bench --models` measured and picked on this machine."""
        return self.folder / "model-choice.json"


def locate(config: StoreConfig, environment: Mapping[str, str], *, uid: int) -> StoreLocation:
    """The paths that `config` means for the user `uid`. Looks at files, changes none."""
    database = _database(config.path, environment, uid)
    return StoreLocation(database, _key(config.key, environment, database))


def _database(path: Path | None, environment: Mapping[str, str], uid: int) -> Path:
    if path is None:
        return _state_folder(environment, uid) / _DATABASE_NAME
    path = _with_home(path, environment)
    names_a_file = path.suffix.lower() in _DATABASE_SUFFIXES or os.path.isfile(path)  # noqa: PTH113 - likewise
    return path if names_a_file else path / _DATABASE_NAME


def _state_folder(environment: Mapping[str, str], uid: int) -> Path:
    if given := environment.get("STATE_DIRECTORY"):
        # systemd joins several with colons; ours is the first.
        return Path(given.split(":")[0])
    if uid == 0:
        return _SYSTEM_FOLDER
    state = Path(environment.get("XDG_STATE_HOME", ""))
    # The XDG specification: a relative path is invalid and must be ignored.
    base = state if state.is_absolute() else _home(environment) / ".local" / "state"
    return base / "appliance"


def _key(key: Path | None, environment: Mapping[str, str], database: Path) -> Path:
    if key is not None:
        return _with_home(key, environment)
    if given := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(given) / _CREDENTIAL
        if os.path.isfile(credential):  # noqa: PTH113 - is_file() raises where it may not look
            return credential
    return database.parent / "template.key"


def _with_home(path: Path, environment: Mapping[str, str]) -> Path:
    return _home(environment).joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else path


def _home(environment: Mapping[str, str]) -> Path:
    if environment.get("HOME"):
        return Path(environment["HOME"])
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigError(
            "This user has no home folder, so there is no place for the enrolled people.",
            hint="Set store.path to a folder, or the environment variable HOME.",
            code="no_home",
        ) from None
