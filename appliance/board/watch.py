"""What the running service says of its board: one sentence, looked for once a minute."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from appliance.board.files import ROOT
from appliance.board.heat import Zone, zones
from appliance.board.mounts import meant_read_only, mount_of, mounts
from appliance.board.power import Power, Strain, power
from appliance.ports import Clock

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0


class BoardWatch:
    """Tells of a weak supply, of heat, and of a disk that has stopped taking writing.

    folder: of the state, without links. Only files are read, never a device: the service may open
    none of these, and what its sandbox or board does not tell is left to `appliance doctor`.
    """

    def __init__(self, clock: Clock, folder: PurePosixPath, root: Path = ROOT) -> None:
        self._clock = clock
        self._folder = folder
        self._root = root
        self._due = float("-inf")
        self._sentence: str | None = None

    def look(self) -> str:
        """What is amiss, empty while nothing is; logged when it changes."""
        if self._clock.monotonic() < self._due:
            return self._sentence or ""
        self._due = self._clock.monotonic() + EVERY_S
        try:
            sentence = self._looked()
        except Exception:
            log.exception("the board could not be looked at")  # the door goes on; status says so
            sentence = "The look at the board fails; the log says why."
        if sentence and sentence != self._sentence:
            log.warning("board: %s", sentence)
        elif self._sentence and not sentence:
            log.info("board: well again")
        self._sentence = sentence
        return sentence

    def _looked(self) -> str:
        supply, sensors = power(self._root), zones(self._root)
        if self._sentence is None:
            by = supply.source if supply else "nobody"
            log.info("board: power told by %s, heat by %d sensors", by, len(sensors))
        return "; ".join(self._troubles(supply, sensors))

    def _troubles(self, supply: Power | None, sensors: Sequence[Zone]) -> Iterator[str]:
        if supply is not None:
            yield from (strain.value for strain in Strain if strain in supply.now)
        for zone in sensors[:1]:
            if zone.warm or zone.near_its_end:
                yield f"it is hot: {zone.celsius:.0f} °C at {zone.name}"
        among = mounts(self._root)
        state, base = (mount_of(it, among) for it in (self._folder, PurePosixPath("/")))
        if state is not None and state.read_only:
            yield f"the disk of {self._folder} takes no writing"
        elif base is not None and base.read_only and not meant_read_only(self._root):
            yield "the root file system has become read-only"
