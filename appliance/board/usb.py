"""What happens to something that is plugged into USB (Documentation/usb/authorization.rst)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.board.files import ROOT, below, number, text
from appliance.board.units import wanted

_STORAGE = frozenset({"usb_storage", "uas"})
_ALL = 1


@dataclass(frozen=True)
class Usb:
    """ports: controllers that tell whom they let in. open_ports: those that let in everything.

    guarded: USBGuard decides. storage: drivers for disks that are loaded.
    """

    ports: int
    open_ports: int
    guarded: bool
    storage: tuple[str, ...]


def usb(root: Path = ROOT) -> Usb:
    """What the kernel and USBGuard's unit say."""
    told = [
        number(it / "authorized_default") for it in below(root / "sys/bus/usb/devices", "usb[0-9]*")
    ]
    known = [it for it in told if it is not None]
    loaded = {line.split()[0] for line in (text(root / "proc/modules") or "").splitlines() if line}
    return Usb(
        ports=len(known),
        open_ports=known.count(_ALL),
        guarded=bool(wanted("usbguard.service", root)),
        storage=tuple(sorted(loaded & _STORAGE)),
    )
