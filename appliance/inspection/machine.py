"""What this machine is, what runs on it, and what can be reached from outside."""

from __future__ import annotations

import hashlib
import ipaddress
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import appliance
from appliance import assemble, auto, doctor_board, installed
from appliance.config import Config
from appliance.doctor import examine
from appliance.inspection.systemd import Systemd

# What decides how the appliance behaves; what is not installed is left out.
LIBRARIES: Final = (
    *("ai-edge-litert", "cryptography", "dlib-bin", "gpiozero", "lgpio", "numpy"),
    *("onnxruntime", "opencv-python-headless", "tflite-runtime"),
)
_ROOT: Final = Path("/")
# The states of /proc/net in which something waits for whoever comes (include/net/tcp_states.h).
_WAITS: Final = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
_WORD: Final = 8


def config_sha256(path: Path | None) -> str:
    """Of the configuration's text; empty where there is none, so that the defaults hold."""
    return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def identity(config: Config, systemd: Systemd) -> dict[str, Any]:
    """Board, kernel, system, libraries and models, each model with the sum of its file.

    Raises ModelError where a model was changed.
    """
    models = assemble.manifest(config)
    return {
        **{key: value for key, value in asdict(auto.host()).items() if value is not None},
        "kernel": platform.release(),
        "system": _system(),
        "systemd": systemd.version(),
        "python": platform.python_version(),
        "appliance": appliance.__version__,
        "libraries": dict(_libraries()),
        "models": {
            entry.name: hashlib.sha256(models.read(entry)).hexdigest()
            for entry in models.entries.values()
        },
        "embedder": config.model.name,
        "target_far": config.verification.target_far,
        "liveness": config.liveness.profile,
        "camera": f"{config.camera.driver}, {assemble.camera_name(config)}",
        "lock": _lock(config),
    }


def _lock(config: Config) -> str:
    door = config.door
    if door.driver is None:
        return "not configured"
    where = "" if door.driver == "simulated" else f", chip {door.chip}, line {door.pin}"
    return f"{door.driver}{where}, fail-{door.fail}, pulse {door.pulse_s:g} s"


def _system() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _libraries() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def system_service(config: Config, systemd: Systemd) -> dict[str, Any]:
    """Whether the system keeps the service running."""
    found = installed.look()
    if found is None:
        return {"installed": False, "enabled": None, "shortcomings": []}
    return {
        "installed": True,
        "enabled": systemd.is_enabled(),
        "drop_ins": sorted(found.drop_ins),
        "shortcomings": [clause for clause, _ in installed.shortcomings(found, config)],
        "machine_watchdog": systemd.machine_watchdog(),
    }


def doctor(written: Config) -> tuple[dict[str, Any], list[str]]:
    """The doctor's checks by name, and what it says of those that are not well.

    What it says may name people, so it is shown and not kept.
    """
    checks = [*examine(written), *doctor_board.examine(written)]
    said = [
        f"{it.name}: {it.detail.rstrip('.')}. {it.hint}" for it in checks if it.status.value != "ok"
    ]
    return {"checks": {it.name: it.status.value for it in checks}}, said


def network(root: Path = _ROOT) -> dict[str, Any]:
    """What waits for whoever comes over the network; not what only this machine can reach.

    root: where proc is, for tests.
    """
    found = {
        f"{table.rstrip('6')} {address}"
        for table, state in _WAITS.items()
        for address in _listening(root / "proc/net" / table, state)
    }
    return {"exposed": sorted(found)}


def _listening(table: Path, state: str) -> Iterator[str]:
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if len(fields) < 4 or fields[3] != state:
            continue
        address, _, port = fields[1].rpartition(":")
        where = _address(address)
        if not where.is_loopback:
            shown = f"[{where}]" if where.version == 6 else str(where)
            yield f"{shown}:{int(port, 16)}"


def _address(digits: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """proc(5): words of 32 bits, each in the byte order of the machine, which is little-endian."""
    words = [digits[at : at + _WORD] for at in range(0, len(digits), _WORD)]
    found = ipaddress.ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))
    mapped = getattr(found, "ipv4_mapped", None)
    return found if mapped is None else ipaddress.IPv4Address(int(mapped))
