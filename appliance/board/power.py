"""Whether the supply is strong enough, and whether the processor is slowed down.

Raspberry Pi: the firmware's word `get_throttled` (Raspberry Pi documentation, `vcgencmd`): bits 0
to 3 say what is the case now, bits 16 to 19 what has been. The kernel asks for it every 2 s and
clears the upper bits each time (drivers/hwmon/raspberrypi-hwmon.c of Raspberry Pi's kernel), so
what it shows in sysfs reaches back 2 s; `vcgencmd` reaches back to the start. Where only the hwmon
device `rpi_volt` is there, `in0_lcrit_alarm` is bit 16 alone.

Jetson: counters of the alarms that slow the processor down, since the start: OC1 is the supply's
voltage, OC2 and OC3 its current (Jetson Linux developer guide, hwmon device `soctherm_oc`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from appliance.board.files import ROOT, below, number, text

# Where the firmware's device is: Raspberry Pi 1 to 4, then 5.
_FIRMWARE = ("soc/soc:firmware", "soc@*/soc@*:firmware", "soc@*:firmware", "soc:firmware")
# From "is so now" to "has been so".
_BEEN = 16
_JETSON = {"oc1": "voltage", "oc2": "current", "oc3": "current"}


class Strain(Enum):
    """What a supply or heat does to a board; the value is for people."""

    UNDERVOLTAGE = "the supply's voltage is too low"
    CAPPED = "the clock is held down"
    THROTTLED = "the processor is slowed down"
    WARM = "the soft limit of the temperature is reached"
    OVERCURRENT = "more current is drawn than the supply may give"


# In the order of the firmware's bits.
_BITS = (Strain.UNDERVOLTAGE, Strain.CAPPED, Strain.THROTTLED, Strain.WARM)


@dataclass(frozen=True)
class Power:
    """What is told. source: by whom. now, before: what is the case, and what has been."""

    source: str
    now: frozenset[Strain]
    before: frozenset[Strain]

    @property
    def well(self) -> bool:
        """Nothing is the matter, and nothing has been."""
        return not (self.now or self.before)


def power(root: Path = ROOT, ask: Callable[[], str | None] | None = None) -> Power | None:
    """What this board says of its power; None where nobody tells.

    ask: what `vcgencmd get_throttled` prints, None where it cannot be asked. It adds what has been
    since the start to what the kernel shows.
    """
    told = [it for it in (_by_the_kernel(root), _by_the_firmware(ask)) if it is not None]
    if not told:
        return _of_a_jetson(root)
    return Power(
        source=" and ".join(it.source for it in told),
        now=frozenset[Strain]().union(*(it.now for it in told)),
        before=frozenset[Strain]().union(*(it.before for it in told)),
    )


def of_flags(source: str, flags: int) -> Power:
    """The firmware's word."""
    return Power(source, _set(flags), _set(flags >> _BEEN))


def _set(flags: int) -> frozenset[Strain]:
    return frozenset(strain for bit, strain in enumerate(_BITS) if flags >> bit & 1)


def flags(root: Path = ROOT) -> int | None:
    """The firmware's word as the kernel shows it; None where it does not."""
    for pattern in _FIRMWARE:
        for path in below(root / "sys/devices/platform", f"{pattern}/get_throttled"):
            if (told := _hexadecimal(text(path))) is not None:
                return told
    return None


def _by_the_kernel(root: Path) -> Power | None:
    told = flags(root)
    if told is not None:
        return of_flags("get_throttled", told)
    for device in _named(root, "rpi_volt"):
        alarm = number(device / "in0_lcrit_alarm")
        if alarm is not None:
            now = frozenset({Strain.UNDERVOLTAGE}) if alarm else frozenset[Strain]()
            return Power("rpi_volt", now, frozenset())
    return None


def _by_the_firmware(ask: Callable[[], str | None] | None) -> Power | None:
    answer = ask() if ask else None
    told = _hexadecimal((answer or "").strip().removeprefix("throttled="))
    return None if told is None else of_flags("vcgencmd", told)


def _of_a_jetson(root: Path) -> Power | None:
    counted: dict[Strain, int] = {}
    for device in _named(root, "soctherm_oc"):
        for alarm, kind in _JETSON.items():
            strain = Strain.UNDERVOLTAGE if kind == "voltage" else Strain.OVERCURRENT
            if (count := number(device / f"{alarm}_event_cnt")) is not None:
                counted[strain] = counted.get(strain, 0) + count
    if not counted:
        return None
    been = frozenset(strain for strain, count in counted.items() if count)
    return Power("soctherm_oc", frozenset(), been)


def _named(root: Path, name: str) -> Iterable[Path]:
    devices = below(root / "sys/class/hwmon", "hwmon*")
    return (device for device in devices if text(device / "name") == name)


def _hexadecimal(told: str | None) -> int | None:
    try:
        return int(told or "", 16)
    except ValueError:
        return None
