"""Plays films before the board's camera: frames go into vivid's output, which the kernel loops to
its input.

    python3 player.py FOLDER NOW DEVICE WIDTH HEIGHT FPS

FOLDER holds films, each a file NAME.yuyv of frames one after the other (YUYV, two bytes a pixel).
The file NOW holds the name of the one that plays; it is looked at each half second. A film begins
anew at its end, and one without a file leaves the last picture standing.

The device is asked as the kernel's Video4Linux API says (linux/videodev2.h): vivid refuses what
is simply written to it.
"""

import fcntl
import mmap
import struct
import sys
import time
from pathlib import Path

_REQBUFS, _QUERYBUF = 0xC0145608, 0xC0585609
_QBUF, _DQBUF, _STREAMON = 0xC058560F, 0xC0585611, 0x40045612
# struct v4l2_buffer: index, type, bytesused, flags, field, sequence, memory, offset and length;
# time, time code and padding are left out.
_BUFFER = struct.Struct("=5I4x16x16xIIQI4x4x4x")
_OUTPUT, _MMAP, _FIELD_NONE = 2, 1, 1
_BUFFERS = 3
_LOOK_S = 0.5


class Output:
    """A device that takes frames; each waits for the device to want one."""

    def __init__(self, device: Path, size: int) -> None:
        self._file = device.open("r+b", buffering=0)
        self._size = size
        request = bytearray(struct.pack("=5I", _BUFFERS, _OUTPUT, _MMAP, 0, 0))
        self._ask(_REQBUFS, request)
        self._maps: list[mmap.mmap] = []
        for index in range(_BUFFERS):
            *_, offset, length = self._buffer(_QUERYBUF, index)
            self._maps.append(mmap.mmap(self._file.fileno(), length, offset=offset))
        self._unused = list(range(_BUFFERS))
        self._streams = False

    def show(self, frame: bytes) -> None:
        """Hand a frame over."""
        index = self._unused.pop() if self._unused else self._buffer(_DQBUF, 0)[0]
        self._maps[index][: self._size] = frame
        self._buffer(_QBUF, index, used=self._size)
        if not self._unused and not self._streams:
            self._ask(_STREAMON, bytearray(struct.pack("=I", _OUTPUT)))
            self._streams = True

    def _buffer(self, request: int, index: int, used: int = 0) -> tuple[int, ...]:
        said = bytearray(_BUFFER.pack(index, _OUTPUT, used, 0, _FIELD_NONE, 0, _MMAP, 0, 0))
        self._ask(request, said)
        return _BUFFER.unpack(said)

    def _ask(self, request: int, said: bytearray) -> None:
        fcntl.ioctl(self._file, request, said)


def main(words: list[str]) -> None:
    """Play until somebody ends it."""
    folder, now, device = (Path(word) for word in words[:3])
    width, height, fps = int(words[3]), int(words[4]), float(words[5])
    size = width * height * 2
    output = Output(device, size)
    playing, film, number = "", b"", 0
    due = looked = time.monotonic()
    while True:
        if not playing or due - looked > _LOOK_S:
            looked, name = due, now.read_text().strip()
            if name and name != playing:
                playing, film, number = name, _film(folder / f"{name}.yuyv", size), 0
                sys.stdout.write(f"plays {name}\n")
                sys.stdout.flush()
        if film:
            begin = number * size % len(film)
            output.show(film[begin : begin + size])
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
