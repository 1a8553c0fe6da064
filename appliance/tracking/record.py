"""What a film showed: a line for each face in each frame, and a summary of each track."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from appliance.tracking.tracks import Seen
from appliance.types import Frame

COLUMNS = (
    *("frame", "time_ms", "track", "left", "top", "width", "height"),
    *("name", "similarity", "threshold", "state"),
)


@dataclass
class Summary:
    """One track. frames: in how many it was seen; named: in how many under a name. Seconds.

    last: as it was seen latest, and where it ever could be compared, as it was compared latest.
    """

    last: Seen
    first_s: float
    last_s: float
    frames: int = 0
    named: int = 0


class Record:
    """Gathers what the frames of one film showed, in order."""

    def __init__(self) -> None:
        self.tracks: dict[int, Summary] = {}
        self.frames = 0
        self.faces = 0
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, frame: Frame, seen: tuple[Seen, ...]) -> None:
        """Take one frame with everybody in it."""
        for one in sorted(seen, key=lambda item: item.track):
            self._writer.writerow(_row(self.frames, frame.at, one))
            known = self.tracks.setdefault(one.track, Summary(one, frame.at, frame.at))
            known.last_s = frame.at
            known.frames += 1
            known.named += one.name is not None
            if one.identity is not None or known.last.identity is None:
                known.last = one
        self.frames += 1
        self.faces += len(seen)

    @property
    def table(self) -> str:
        """CSV with a heading: COLUMNS, frames from 0, milliseconds, boxes in pixels.

        similarity: of the person named, or of the nearest one where the state is `unknown`.
        """
        return self._text.getvalue()


def _row(number: int, at: float, seen: Seen) -> tuple[object, ...]:
    box, identity = seen.face.box, seen.identity
    match = identity.match if identity else None
    return (
        number,
        round(at * 1000),
        seen.track,
        *(round(side, 1) for side in (box.left, box.top, box.width, box.height)),
        seen.name or "",
        "" if match is None else f"{match.similarity:.4f}",
        "" if match is None else f"{match.threshold:.4f}",
        seen.state,
    )
