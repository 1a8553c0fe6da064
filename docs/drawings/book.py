"""All drawings by the name of their file, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from docs.drawings import contacts, header, locks, people, place
from docs.drawings.pen import Sheet
from docs.drawings.tables import refreshed

FOLDER: Final = Path(__file__).parent.parent / "hardware"
SHEETS: Final[dict[str, Callable[[], Sheet]]] = {
    "overview": place.overview,
    "strike": locks.strike,
    "magnet": locks.magnet,
    "contact": contacts.contact,
    "exit": contacts.leave,
    "keypad": people.keypad,
    "readers": people.readers,
    "indicators": people.indicators,
    "tamper": contacts.tamper,
    "header": header.header,
    "jetson": header.jetson,
    "camera": place.camera,
}


def write() -> list[Path]:
    """Write every drawing and refresh the pages' tables; returns what was written."""
    FOLDER.mkdir(exist_ok=True)
    written = []
    for name, draw in SHEETS.items():
        path = FOLDER / f"{name}.svg"
        path.write_text(draw().svg(), encoding="utf-8")
        written.append(path)
    for path in sorted(FOLDER.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (new := refreshed(text)) != text:
            path.write_text(new, encoding="utf-8")
            written.append(path)
    return written
