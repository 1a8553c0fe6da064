"""The small file beside the database that keeps what was measured of the models."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import StoreError
from appliance.store.faults import translated
from appliance.store.files import private_folder, replace

# The real one is a few kilobytes; what somebody else put there is not read to its end.
MOST_BYTES = 64 * 1024


def read_choice(path: Path) -> bytes | None:
    """The file's content, None where there is none. Raises StoreError."""
    with translated(path):
        if path.exists() and not path.is_file():  # a pipe might never begin
            raise StoreError(
                f"{path} is no regular file.",
                hint="Move it away: `appliance bench --models` writes it anew.",
            )
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return None


def keep_choice(path: Path, content: bytes) -> None:
    """Replace the file as a whole (mode 0600, its folder 0700). Raises StoreError."""
    with translated(path):
        private_folder(path.parent)
        replace(path, content)
