"""The system service as it is installed here: its unit, and what the config needs besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.config import TENSORRT, Config
from appliance.errors import StoreError

UNIT = "appliance.service"
_ROOT = Path("/")
# systemd.unit(5); the first one wins, drop-ins count from all.
_FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_CREDENTIAL = "appliance-template-key"
# Drop-ins that hand the key over, and how the same is done for one command.
_KEYS = {
    "key": f"LoadCredential={_CREDENTIAL}:/etc/appliance/template.key",
    "key-encrypted": f"LoadCredentialEncrypted={_CREDENTIAL}:/etc/appliance/template.key.sealed",
}


@dataclass(frozen=True)
class Installed:
    """unit: its file. drop_ins: the names of its drop-ins, without `.conf`."""

    unit: Path
    drop_ins: frozenset[str]


def look(root: Path = _ROOT) -> Installed | None:
    """What is installed, or None. root: where the system's files are, for tests."""
    units = [root / folder / UNIT for folder in _FOLDERS]
    found = next((unit for unit in units if unit.is_file()), None)
    if found is None:
        return None
    names = {path.stem for unit in units for path in unit.with_name(f"{UNIT}.d").glob("*.conf")}
    return Installed(found, frozenset(names))


def shortcomings(installed: Installed, config: Config) -> Iterator[tuple[str, str]]:
    """(clause, hint) of each thing that the config asks for and the unit does not allow."""
    camera = f"camera-{config.camera.driver}"
    if config.camera.driver != "files" and camera not in installed.drop_ins:
        yield _missing(f"camera.driver is {config.camera.driver}", camera)
    if config.model.delegate == TENSORRT and "delegate-tensorrt" not in installed.drop_ins:
        yield _missing(f"model.delegate is {TENSORRT}", "delegate-tensorrt")
    if config.feedback.greeting != "off" and "sound" not in installed.drop_ins:
        yield _missing("feedback.greeting is on", "sound")
    elif config.feedback.speak and "sound" not in installed.drop_ins:
        yield _missing("feedback.speak is true", "sound")


def key_for_one_command(installed: Installed) -> str | None:
    """How a command gets the key that is handed to the service alone; None where it is not."""
    given = [how for name, how in _KEYS.items() if name in installed.drop_ins]
    if not given:
        return None
    return (
        "sudo systemd-run --pty --property=User=appliance --property=StateDirectory=appliance "
        f"--property={given[-1]} appliance COMMAND"
    )


def complain_of_key(error: StoreError) -> None:
    """Raise StoreError `key_elsewhere` where a backup fails for want of the service's own key."""
    found = look()
    how = None if found is None else key_for_one_command(found)
    if error.code != "missing_key" or how is None:
        return
    raise StoreError(
        "The key of the enrolled faces is handed to the service alone, so this command can make no "
        "backup.",
        hint=f"Make one so: `{how.replace('COMMAND', 'backup create FILE')}`.",
        code="key_elsewhere",
    ) from error


def _missing(why: str, name: str) -> tuple[str, str]:
    hint = (
        f"Put systemd/{UNIT}.d/{name}.conf into /etc/systemd/system/{UNIT}.d/, then run "
        "`systemctl daemon-reload` and `systemctl restart appliance`."
    )
    return f"{why}, but the unit has no drop-in {name}.conf", hint
