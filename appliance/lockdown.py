"""`python -m appliance.lockdown`: what runs after the service, however it ended (ExecStopPost).

The current is taken off the relay: a fail-secure lock is locked then, a fail-safe one open, as its
profile wants it of a crash. Which line that is, the service has written down before it drove it;
the config may have been changed or spoilt since, and reading it takes longer than the door has
time. It is asked only where nothing was written down.

Exit codes: 0 the relay has no current, or none was driven; 3 nothing tells which line it is;
4 it could not be done; 70 a bug.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.errors import (
    ApplianceError,
    BadDataError,
    DeviceBusyError,
    ExitCode,
    HardwareError,
)

_RECORD = "driven-line.json"
# More than any record holds.
_READ_LIMIT = 16_384
_STAT = Path("/proc/self/stat")


@dataclass(frozen=True)
class DrivenLine:
    """The lock that a process drives, as it is written down.

    devices_lock: the file that this process holds. pin: of a real lock, on /dev/gpiochip`chip`.
    journal: of a simulated lock. Neither: the door is not configured. label: what that chip called
    itself, where it could be asked: a chip that comes back after a fault may have another number.
    """

    devices_lock: str
    chip: int = 0
    pin: int | None = None
    active_high: bool = True
    journal: str | None = None
    fail_safe: bool = False
    label: str | None = None


def record_file(environment: Mapping[str, str], state_folder: Path) -> Path:
    """Where the driven line is written down: in systemd's runtime folder, else with the state.

    The runtime folder is in memory: it is written though the disk is full or failing, and a
    restart of the machine, which drives nothing, empties it.
    """
    given = environment.get("RUNTIME_DIRECTORY")
    # systemd joins several with colons; ours is the first.
    return (Path(given.split(":")[0]) if given else state_folder) / _RECORD


def remember(line: DrivenLine, record: Path) -> None:
    """Write the line down, whole or not at all, before it is driven. Raises HardwareError."""
    draft = record.with_name(f".{record.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(asdict(line)) + "\n", encoding="utf-8")
        draft.replace(record)
    except OSError as error:
        # An older record may name another line: better none.
        for stale in (draft, record):
            with suppress(OSError):
                stale.unlink()
        raise HardwareError(
            f"The driven line cannot be written down in {record}: {_reason(error)}.",
            hint="Without it, a crash inside a pulse is ended by the timer relay alone.",
        ) from error


def remembered(record: Path) -> DrivenLine | None:
    """The line that was written down, or None. BadDataError where it cannot be understood."""
    try:
        with record.open(encoding="utf-8") as file:
            found = json.loads(file.read(_READ_LIMIT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(record) from error
    kinds: Mapping[str, tuple[type, ...]] = {
        "devices_lock": (str,),
        "chip": (int,),
        "pin": (int, type(None)),
        "active_high": (bool,),
        "journal": (str, type(None)),
        "fail_safe": (bool,),
        "label": (str, type(None)),
    }
    if isinstance(found, dict):
        # What an older version wrote before it was exchanged beneath the running service.
        found.setdefault("label", None)
    # Exactly the type: True would pass for line 1.
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        raise _unreadable(record)
    if any(type(found[key]) not in kind for key, kind in kinds.items()):
        raise _unreadable(record)
    return DrivenLine(**found)


def configured(config: Any, environment: Mapping[str, str]) -> DrivenLine:
    """The line that a config means. config: an `appliance.config.Config`.

    LockError where no chip bears the label that it names.
    """
    from appliance.store.location import locate

    place = locate(config.store, environment, uid=os.getuid())
    door, held = config.door, str(place.devices_lock)
    if door.driver is None:
        return DrivenLine(held)
    fail_safe = door.fail == "safe"
    if door.driver == "simulated":
        journal = str(place.simulated_lock_journal)
        return DrivenLine(held, journal=journal, fail_safe=fail_safe)
    from appliance.hardware.chips import chip_number, label_at

    # Its number too: what runs after a crash must rarely have to look for the chip.
    chip = chip_number(door.chip)
    label = door.chip if isinstance(door.chip, str) else label_at(chip)
    return DrivenLine(held, chip, door.pin, door.active_high, fail_safe=fail_safe, label=label)


def secure(line: DrivenLine) -> str:
    """Take the current off. What was done, as a sentence; raises ApplianceError."""
    if line.pin is None and line.journal is None:
        return "No lock is configured, so none was driven."
    with ExitStack() as stack:
        doubt = _hold_devices(line, stack)
        if line.journal is not None:
            _secure_simulated(line)
            done = f"The simulated lock {line.journal} has no current."
        else:
            chip = _secure_real(line)
            done = f"The relay on line {line.pin} of /dev/gpiochip{chip} has no current."
    return f"{done} {doubt}".strip()


def _hold_devices(line: DrivenLine, stack: ExitStack) -> str:
    """Keep others away meanwhile. DeviceBusyError: somebody else looks after the line by now."""
    from appliance.hardware.exclusive import DevicesLock

    try:
        stack.enter_context(DevicesLock(Path(line.devices_lock)))
    except DeviceBusyError:
        raise
    except HardwareError as error:
        # A card that has become read-only is no reason to leave the door open.
        return error.message
    return ""


def _secure_real(line: DrivenLine) -> int:
    """The chip's number. Another chip's line of that number is never driven."""
    from appliance.hardware.chips import chip_number, label_at
    from appliance.hardware.last_resort import de_energise
    from appliance.hardware.lgpio_library import import_lgpio

    chip = line.chip
    if line.label is not None and label_at(chip) != line.label:
        chip = chip_number(line.label)
    de_energise(chip, line.pin or 0, import_lgpio(), active_high=line.active_high)
    return chip


def _secure_simulated(line: DrivenLine) -> None:
    from appliance.hardware.last_resort import rest

    rest(Path(line.journal or ""), fail_safe=line.fail_safe)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run, say how it went in one line on standard error, and return the exit code.

    arguments: nothing, or `--config FILE`.
    """
    if arguments and (len(arguments) != 2 or arguments[0] != "--config"):
        _say(environment, 3, "Usage: python -m appliance.lockdown [--config FILE]")
        return int(ExitCode.USAGE)
    try:
        line = _line(Path(arguments[1]) if arguments else None, environment)
        done = secure(line)
    except ApplianceError as error:
        _say(environment, 2, f"{error.message} {error.hint}".strip())
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the edge: what nobody foresaw is told in the journal
        _say(environment, 2, f"A bug kept the line as it is: {type(error).__name__}: {error}")
        return int(ExitCode.BUG)
    _say(environment, 6, f"{done}{_since_start()}")
    return int(ExitCode.OK)


def _line(config_path: Path | None, environment: Mapping[str, str]) -> DrivenLine:
    """What was written down, else what the config means. BadDataError where neither tells."""
    doubts = []
    if environment.get("RUNTIME_DIRECTORY"):
        # Nowhere else: what lies with the state may be of another time, and of another line.
        try:
            line = remembered(record_file(environment, Path()))
        except BadDataError as error:
            line = None
            doubts.append(error.message)
        if line is not None:
            return line
    try:
        return _by_config(config_path, environment)
    except ApplianceError as error:
        doubts.append(error.message)
    raise BadDataError(
        f"Nothing tells which line drives the lock: {' '.join(doubts)}",
        hint="A timer relay ends the pulse; `appliance door status` commands it locked.",
        code="unknown_line",
    )


def _by_config(path: Path | None, environment: Mapping[str, str]) -> DrivenLine:
    from appliance.config import Config, load  # slow: pydantic and YAML
    from appliance.store.location import locate

    config = Config() if path is None else load(path)
    if not environment.get("RUNTIME_DIRECTORY"):
        folder = locate(config.store, environment, uid=os.getuid()).folder
        line = remembered(record_file(environment, folder))
        if line is not None:
            return line
    return configured(config, environment)


def _say(environment: Mapping[str, str], priority: int, text: str) -> None:
    plain = "".join(char if char.isprintable() else " " for char in text)
    prefix = f"<{priority}>" if environment.get("JOURNAL_STREAM") else ""
    with suppress(OSError):
        os.write(2, f"{prefix}lockdown: {plain}\n".encode(errors="backslashreplace"))


def _since_start() -> str:
    """How long this process has lived, the interpreter's own start included."""
    try:
        # proc(5): the 22nd field, and the second may hold spaces and brackets.
        fields = _STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return ""
    return f" ({(time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000:.0f} ms)"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unreadable(record: Path) -> BadDataError:
    return BadDataError(f"{record} cannot be understood.", hint="The config is asked instead.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
