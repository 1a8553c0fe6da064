"""How warm the board is, by the kernel's thermal zones (Documentation/driver-api/thermal)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.board.files import ROOT, below, number, text

# Where a zone names no limit of its own. A Raspberry Pi begins to slow down at 80 degrees
# (Raspberry Pi documentation, "Frequency management and thermal control").
SLOWS_C = 80.0
# So near to the limit at which the kernel switches the board off nothing is well any more.
_NEAR_C = 5.0


@dataclass(frozen=True)
class Zone:
    """One sensor, in degrees Celsius. slows: where the board defends itself; off: where it stops.

    off is None where the kernel names no such limit.
    """

    name: str
    celsius: float
    slows: float
    off: float | None

    @property
    def warm(self) -> bool:
        """So warm that the board is slowed down."""
        return self.celsius >= self.slows

    @property
    def near_its_end(self) -> bool:
        """So warm that the kernel is about to switch it off."""
        return self.off is not None and self.celsius >= self.off - _NEAR_C


def zones(root: Path = ROOT) -> tuple[Zone, ...]:
    """All that tell, the one nearest to its limit first; a sensor that is switched off is left out.

    Limits of zero and below, by which some kernels mean "none", are passed over.
    """
    folders = below(root / "sys/class/thermal", "thermal_zone*")
    found = [zone for folder in folders if (zone := _zone(folder)) is not None]
    return tuple(sorted(found, key=lambda it: it.slows - it.celsius))


def _zone(folder: Path) -> Zone | None:
    milli = number(folder / "temp")
    if milli is None:
        return None
    limits: dict[str, float] = {}
    for path in below(folder, "trip_point_*_type"):
        kind, at = text(path), number(path.with_name(path.name.replace("_type", "_temp")))
        if kind is not None and at is not None and at > 0:
            limits[kind] = min(at / 1000, limits.get(kind, float("inf")))
    slows = min(limits.get("passive", SLOWS_C), limits.get("hot", float("inf")))
    return Zone(text(folder / "type") or folder.name, milli / 1000, slows, limits.get("critical"))
