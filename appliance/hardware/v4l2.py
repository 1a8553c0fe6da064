"""USB and other Video4Linux cameras through OpenCV."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import cv2
import numpy as np

from appliance.errors import CameraError
from appliance.hardware.quiet import quiet_opencv
from appliance.ports import Clock
from appliance.types import Frame, Pixels

Rotation = Literal[0, 90, 180, 270]

_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_FOURCC = {"mjpg": "MJPG", "yuyv": "YUYV"}
# How long to wait after a failed read, so that a camera that fails at once does not spin.
_RETRY_S = 0.02
# How long closing waits for a read that hangs in the driver.
_JOIN_S = 1.0
# VIDIOC_QUERYCAP, and where struct v4l2_capability holds the flags of this very node.
_QUERYCAP = 0x80685600
_QUERYCAP_SIZE = 104
_DEVICE_CAPS = 88
_CAN_CAPTURE = 0x1 | 0x1000  # one plane or several


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """False when the device could not be opened."""
        ...

    def read(self) -> tuple[bool, Any]:
        """(True, picture) or (False, None); may block."""
        ...

    def release(self) -> None:
        """Give the device back."""
        ...


@dataclass(frozen=True)
class Format:
    """What is asked of a camera; it gives what it can. width, height: pixels."""

    width: int = 1280
    height: int = 720
    fps: float = 15.0
    pixel_format: Literal["mjpg", "yuyv", "any"] = "mjpg"


OpenCapture = Callable[[Path, Format], Capture]


class V4l2Camera:
    """A live camera whose latest frame wins.

    A thread reads, so that a driver that hangs cannot hang the door, and so that whoever is slow
    gets the newest picture and not the oldest in a queue. Opens the device at once.
    device: such as /dev/video0. rotate: degrees clockwise that turn the picture upright.
    warm_up_frames: dropped at the start, while exposure settles. timeout_s: seconds without a
    picture, and frozen_s: seconds of one and the same picture, after which `frames` raises.
    Frames: `at` is the clock's monotonic time of capture; a size that the camera does not offer
    becomes the nearest one that it does.
    Raises CameraError when the device is missing, forbidden, busy, no camera or silent.
    """

    live = True
    length = None

    def __init__(  # noqa: PLR0913 - each is a key of the camera's section
        self,
        device: Path,
        clock: Clock,
        *,
        wanted: Format | None = None,
        rotate: Rotation = 0,
        warm_up_frames: int = 5,
        timeout_s: float = 5.0,
        frozen_s: float = 10.0,
        open_capture: OpenCapture | None = None,
    ) -> None:
        self._device = device
        self._timeout_s = timeout_s
        self._closed = False
        self._sequence = 0
        capture = (open_capture or open_v4l2)(device, wanted or Format())
        if not capture.isOpened():
            capture.release()
            raise _not_opened(device)
        self._reader = _Reader(capture, clock, rotate, warm_up_frames, frozen_s)

    def frames(self) -> Iterator[Frame]:
        """The newest frame, again and again, each once. Raises CameraError."""
        while True:
            bgr, at = self._next()
            yield Frame(bgr, at, str(self._device), self._sequence)
            self._sequence += 1

    def close(self) -> None:
        """Give the device back; may be called twice.

        A read that hangs in the driver is left behind; it gives the device back when it returns.
        """
        self._closed = True
        self._reader.stop()

    def _next(self) -> tuple[Pixels, float]:
        newest = None if self._closed else self._reader.wait(self._timeout_s)
        if self._closed:
            raise CameraError(f"The camera {self._device} has been closed.", hint="Open it anew.")
        if newest is None:
            raise self._silent()
        return newest

    def _silent(self) -> CameraError:
        if self._reader.frozen:
            return CameraError(
                f"The camera {self._device} is frozen: it delivers the same picture over and over.",
                hint="Unplug it and plug it in again; if that recurs, try another cable or port.",
            )
        if not self._device.exists():
            return CameraError(
                f"The camera {self._device} was unplugged.", hint="Check its cable and plug it in."
            )
        return CameraError(
            f"The camera {self._device} delivered no picture for {self._timeout_s:g} s"
            f"{_held_by(self._device)}.",
            hint="Check its cable, try camera.pixel_format: any or a smaller size, and stop other "
            "programs that use it.",
        )


class _Reader:
    """Reads in a thread; only the thread touches the capture, which is not made for several."""

    def __init__(
        self, capture: Capture, clock: Clock, rotate: int, warm_up_frames: int, frozen_s: float
    ) -> None:
        self._capture = capture
        self._clock = clock
        self._rotate = rotate
        self._dropping = warm_up_frames
        self._frozen_s = frozen_s
        self._changed = threading.Condition()
        self._newest: tuple[Pixels, float] | None = None
        self._previous: tuple[Pixels, float] | None = None
        self._stopping = threading.Event()
        self.frozen = False
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> tuple[Pixels, float] | None:
        """The newest picture that was not taken yet and its time; None when none comes."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._newest is None and not self.frozen and not self._stopping.is_set():
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            newest, self._newest = self._newest, None
            return None if self.frozen else newest

    def stop(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                picture = self._read()
                if picture is None:
                    self._stopping.wait(_RETRY_S)
                elif self._dropping:
                    self._dropping -= 1
                else:
                    self._publish(picture)
        finally:
            self._capture.release()

    def _read(self) -> Pixels | None:
        try:
            read, picture = self._capture.read()
        except cv2.error:
            return None
        return _three_channels(picture) if read else None

    def _publish(self, picture: Pixels) -> None:
        at = self._clock.monotonic()
        frozen = self._is_frozen(picture, at)
        turned = cv2.rotate(picture, _ROTATIONS[self._rotate]) if self._rotate else picture
        with self._changed:
            self.frozen = frozen
            self._newest = cast("Pixels", turned), at
            self._changed.notify_all()

    def _is_frozen(self, picture: Pixels, at: float) -> bool:
        """True when nothing changed for too long: a real sensor always has some noise."""
        if self._previous is None or not _same(self._previous[0], picture):
            self._previous = picture, at
            return False
        return at - self._previous[1] >= self._frozen_s


def _same(one: Pixels, other: Pixels) -> bool:
    # In the dark a sensor clips to plain black, frame after frame, and is not frozen.
    return np.array_equal(one, other) and int(one.min()) != int(one.max())


def _three_channels(picture: Any) -> Pixels | None:
    """BGR, or None for what is no picture."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or not picture.size:
        return None
    if picture.ndim == 2:  # a monochrome or infra-red sensor
        return cast("Pixels", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    return picture if picture.ndim == 3 and picture.shape[2] == 3 else None


def open_v4l2(device: Path, wanted: Format) -> Capture:
    """cv2's capture of a device, told its format. Raises CameraError for what is no camera."""
    _check_device(device)
    quiet_opencv()
    capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
    if wanted.pixel_format != "any":
        # First of all: the format decides which sizes and rates there are.
        code = cv2.VideoWriter.fourcc(*_FOURCC[wanted.pixel_format])
        capture.set(cv2.CAP_PROP_FOURCC, code)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, wanted.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wanted.height)
    capture.set(cv2.CAP_PROP_FPS, wanted.fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _not_opened(device: Path) -> CameraError:
    holder = _held_by(device)
    if holder:
        return _busy(device, holder)
    return CameraError(
        f"The camera {device} cannot be opened.",
        hint="Another program may use it, or it lacks the wanted format: try "
        "camera.pixel_format: any; `v4l2-ctl --list-formats-ext` shows what it offers.",
    )


def _check_device(device: Path) -> None:
    """Raise what the kernel says about the device; OpenCV would only say that it failed."""
    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _device_error(device, error) from error
    try:
        if not _captures(file):
            raise _no_camera(device)
    finally:
        os.close(file)


def _no_camera(device: Path) -> CameraError:
    return CameraError(
        f"{device} is not a camera.",
        hint=f"Set camera.source to one; there is {_cameras(Path('/dev'))}. A USB camera often "
        "has two nodes, of which the first one gives pictures. Recordings are replayed with "
        "--from, or with camera.driver: files.",
    )


def _device_error(device: Path, error: OSError) -> CameraError:
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR}:
        return CameraError(
            f"The camera {device} does not exist.",
            hint=f"Plug it in, or set camera.source; there is {_cameras(device.parent)}.",
        )
    if error.errno == errno.EISDIR:
        return _no_camera(device)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return CameraError(
            f"This user may not use the camera {device}.",
            hint="Add the user to the group video: `sudo usermod -aG video USER`, then log in "
            "again.",
        )
    if error.errno == errno.EBUSY:
        return _busy(device, _held_by(device))
    reason = (error.strerror or str(error)).lower()
    return CameraError(f"The camera {device} cannot be opened: {reason}.", hint="Check its cable.")


def _busy(device: Path, holder: str) -> CameraError:
    return CameraError(
        f"The camera {device} is in use{holder or ' by another program'}.",
        hint="Stop that program; `sudo fuser -v /dev/video*` tells which one it is.",
    )


def _captures(file: int) -> bool:
    """True for a node that gives pictures; a board has others, for codecs and metadata."""
    capability = bytearray(_QUERYCAP_SIZE)
    try:
        fcntl.ioctl(file, _QUERYCAP, capability)
    except OSError:
        return False
    (flags,) = struct.unpack_from("=I", capability, _DEVICE_CAPS)
    return bool(flags & _CAN_CAPTURE)


def _held_by(device: Path, processes: Path = Path("/proc")) -> str:
    """' by process 12 (motion)' for a device that somebody else has open, where that shows."""
    real = os.path.realpath(device)
    for process in processes.glob("[0-9]*"):
        # A process may end meanwhile, and those of other users do not show.
        with contextlib.suppress(OSError):
            if process.name != str(os.getpid()) and _has_open(process, real):
                name = (process / "comm").read_text().strip()
                return f" by process {process.name} ({name})"
    return ""


def _has_open(process: Path, file: str) -> bool:
    # A Path would turn what is no path (`socket:[1]`) into one.
    return any(os.readlink(link) == file for link in (process / "fd").iterdir())  # noqa: PTH115


def _cameras(devices: Path) -> str:
    return ", ".join(sorted(str(path) for path in devices.glob("video*"))) or "none"
