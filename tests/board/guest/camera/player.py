"""Plays films before the board's camera: frames are written into vivid's output, which the kernel
loops to its input.

    python3 player.py FOLDER NOW DEVICE WIDTH HEIGHT FPS

FOLDER holds films, each a file NAME.yuyv of frames one after the other (YUYV, two bytes a pixel).
The file NOW holds the name of the one that plays; it is looked at before each frame. A film begins
anew at its end, and one without a file leaves the last picture standing.
"""

import sys
import time
from pathlib import Path


def main(words: list[str]) -> None:
    """Play until somebody ends it."""
    folder, now, device = (Path(word) for word in words[:3])
    width, height, fps = int(words[3]), int(words[4]), float(words[5])
    size = width * height * 2
    playing, film, number = "", b"", 0
    due = time.monotonic()
    with device.open("wb", buffering=0) as output:
        while True:
            name = now.read_text().strip()
            if name and name != playing:
                playing, film, number = name, _film(folder / f"{name}.yuyv", size), 0
                sys.stdout.write(f"plays {name}\n")
                sys.stdout.flush()
            begin = number * size % len(film) if film else 0
            if film:
                output.write(film[begin : begin + size])
            number += 1
            due = max(due + 1 / fps, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))


def _film(path: Path, size: int) -> bytes:
    if not path.exists():
        return b""
    film = path.read_bytes()
    if not film or len(film) % size:
        raise SystemExit(f"{path} is not made of frames of {size} bytes.")
    return film


if __name__ == "__main__":
    main(sys.argv[1:])
