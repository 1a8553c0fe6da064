"""What machine this is, and what state it is in: read from /proc and /sys, changed nowhere.

Times are worth something only together with this. What a system does not tell is None, and is
never guessed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.board.power import flags

_ROOT = Path("/")
# "CPU part" of /proc/cpuinfo by ARM Ltd. (implementer 0x41): 64-bit ARM kernels give no name.
_ARM_PARTS: Mapping[str, str] = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
}
_ARM = "0x41"
# A Raspberry Pi's firmware: under-voltage, capped, throttled and too warm, each "now".
_NOW = 0b1111


@dataclass(frozen=True)
class Host:
    """What decides how fast a network runs here and what it computes; the same until it changes.

    cpu, board: as the kernel names them. runtime: the package that runs TFLite networks.
    """

    cpu: str | None
    board: str | None
    architecture: str
    cores: int
    runtime: str
    runtime_version: str | None

    def differences(self, now: Host) -> list[str]:
        """What is another than it was, as clauses.

        What one of the two does not tell is no difference: a service may be kept from /proc.
        """
        pairs = {key: (getattr(self, key), getattr(now, key)) for key in self.__dataclass_fields__}
        return [
            f"{key} {was}, now {is_}"
            for key, (was, is_) in pairs.items()
            if None not in {was, is_} and was != is_
        ]


@dataclass(frozen=True)
class Conditions:
    """What disturbs a measurement, at one moment.

    load_average: of the last minute. governor: of the CPU's frequency. temperature_c: of the
    warmest sensor. throttled: whether the board says that it is slowed down now.
    throttle_count: how often the CPU was slowed down since it started.
    """

    load_average: float | None
    governor: str | None
    temperature_c: float | None
    throttled: bool | None
    throttle_count: int | None


def host(runtime: str, runtime_version: str | None, root: Path = _ROOT) -> Host:
    """This machine. root: where proc and sys are, for tests."""
    return Host(
        cpu=_cpu(_read(root / "proc/cpuinfo") or ""),
        board=_read(root / "proc/device-tree/model"),
        architecture=platform.machine(),
        # Of the machine, not of this process: the service may be held to fewer than a command.
        cores=os.cpu_count() or 1,
        runtime=runtime,
        runtime_version=runtime_version,
    )


def conditions(root: Path = _ROOT) -> Conditions:
    """The state of this machine now."""
    load = _read(root / "proc/loadavg")
    return Conditions(
        load_average=None if load is None else _number(load.split()[0]),
        governor=_read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        temperature_c=_warmest(root / "sys/class/thermal"),
        throttled=_throttled(flags(root)),
        throttle_count=_throttle_count(root / "sys/devices/system/cpu"),
    )


def throttled(before: Conditions, after: Conditions) -> bool | None:
    """Whether the machine was slowed down between the two; None where nothing tells."""
    told = [item.throttled for item in (before, after) if item.throttled is not None]
    if told:
        return any(told)
    if before.throttle_count is None or after.throttle_count is None:
        return None
    return after.throttle_count > before.throttle_count


def peak_memory_mb(root: Path = _ROOT) -> float | None:
    """The most memory that this process has held so far, in MB (10^6 bytes)."""
    for line in (_read(root / "proc/self/status") or "").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None


def available_memory_mb(root: Path = _ROOT) -> float | None:
    """How much memory new programs can have without swapping, in MB; None where nothing tells."""
    for line in (_read(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None


def _read(path: Path) -> str | None:
    """A small file of the kernel's, without the NUL and the line end that some carry."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _cpu(cpuinfo: str) -> str | None:
    told: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        told.setdefault(key.strip(), value.strip())
    if name := told.get("model name"):
        return name
    implementer, part = told.get("CPU implementer"), told.get("CPU part")
    if implementer == _ARM and part is not None and part in _ARM_PARTS:
        return f"ARM {_ARM_PARTS[part]}"
    return f"implementer {implementer}, part {part}" if implementer and part else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _warmest(folder: Path) -> float | None:
    read = (_number(_read(zone / "temp") or "") for zone in folder.glob("thermal_zone*"))
    degrees = [milli / 1000 for milli in read if milli is not None]
    return round(max(degrees), 1) if degrees else None


def _throttled(word: int | None) -> bool | None:
    return None if word is None else bool(word & _NOW)


def _throttle_count(folder: Path) -> int | None:
    read = (_read(path) for path in folder.glob("cpu*/thermal_throttle/core_throttle_count"))
    counts = [int(text) for text in read if text is not None and text.isdecimal()]
    return sum(counts) if counts else None
