"""How warm the board is, by the kernel's thermal zones (Documentation/driver-api/thermal)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

from appliance.board.files import ROOT, below, is_a_pi, number, text

# A Raspberry Pi begins to slow down here, and its zone names no such limit (Raspberry Pi
# documentation, "Frequency management and thermal control").
PI_SLOWS_C = 80.0
# So near to the limit at which the kernel switches the board off nothing is well any more.
_NEAR_C = 5.0


@dataclass(frozen=True)
class Zone:
    """One sensor, in degrees Celsius. slows: where the board defends itself; off: where it stops.

    Both are None where nobody names such a limit.
    """

    name: str
    celsius: float
    slows: float | None
    off: float | None

    @property
    def room(self) -> float:
        """How many degrees there are left to its first limit; infinite where it has none."""
        limits = [it for it in (self.slows, self.off) if it is not None]
        return min(limits, default=inf) - self.celsius

    @property
    def warm(self) -> bool:
        """So warm that the board is slowed down."""
        return self.slows is not None and self.celsius >= self.slows

    @property
    def near_its_end(self) -> bool:
        """So warm that the kernel is about to switch it off."""
        return self.off is not None and self.celsius >= self.off - _NEAR_C


def zones(root: Path = ROOT) -> tuple[Zone, ...]:
    """All that tell, the one nearest to its limit first; a sensor that is switched off is left out.

    Limits of zero and below, by which some kernels mean "none", are passed over.
    """
    default = PI_SLOWS_C if is_a_pi(root) else None
    folders = below(root / "sys/class/thermal", "thermal_zone*")
    found = [zone for folder in folders if (zone := _zone(folder, default)) is not None]
    return tuple(sorted(found, key=lambda it: (it.room, -it.celsius)))


def _zone(folder: Path, default: float | None) -> Zone | None:
    milli = number(folder / "temp")
    if milli is None:
        return None
    limits: dict[str, float] = {}
    for path in below(folder, "trip_point_*_type"):
        kind, at = text(path), number(path.with_name(path.name.replace("_type", "_temp")))
        if kind is not None and at is not None and at > 0:
            limits[kind] = min(at / 1000, limits.get(kind, inf))
    slows = min((limits[kind] for kind in ("passive", "hot") if kind in limits), default=default)
    return Zone(text(folder / "type") or folder.name, milli / 1000, slows, limits.get("critical"))
