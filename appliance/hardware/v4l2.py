"""USB and other Video4Linux cameras through OpenCV."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2

from appliance.errors import CameraError
from appliance.hardware.latest import Capture, Format, Handling, LiveCamera
from appliance.hardware.quiet import quiet_opencv
from appliance.ports import Clock

# Why this driver is not yet to be relied upon; None when it has run on its hardware.
UNTESTED = "it has never run with a camera"

_FOURCC = {"mjpg": "MJPG", "yuyv": "YUYV"}
# VIDIOC_QUERYCAP, and where struct v4l2_capability holds the flags of this very node.
_QUERYCAP = 0x80685600
_QUERYCAP_SIZE = 104
_DEVICE_CAPS = 88
_CAN_CAPTURE = 0x1 | 0x1000  # one plane or several


class DeviceCapture(Capture, Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """False when the device could not be opened."""
        ...


OpenCapture = Callable[[Path, Format], DeviceCapture]


class V4l2Camera(LiveCamera):
    """A camera of the kernel's, opened at once; see LiveCamera.

    device: such as /dev/video0. A size that the camera does not offer becomes the nearest one
    that it does.
    Raises CameraError when the device is missing, forbidden, busy, no camera or silent.
    """

    def __init__(
        self,
        device: Path,
        clock: Clock,
        *,
        wanted: Format | None = None,
        handling: Handling | None = None,
        open_capture: OpenCapture | None = None,
    ) -> None:
        handling = handling or Handling()
        capture = (open_capture or open_v4l2)(device, wanted or Format())
        if not capture.isOpened():
            capture.release()
            raise _not_opened(device)
        silent = partial(_silent, device, handling.timeout_s)
        super().__init__(str(device), capture, clock, handling, silent)


def _silent(device: Path, timeout_s: float) -> CameraError:
    if not device.exists():
        return CameraError(
            f"The camera {device} was unplugged.", hint="Check its cable and plug it in."
        )
    return CameraError(
        f"The camera {device} delivered no picture for {timeout_s:g} s{_held_by(device)}.",
        hint="Check its cable, try camera.pixel_format: any or a smaller size, and stop other "
        "programs that use it.",
    )


def open_v4l2(device: Path, wanted: Format) -> DeviceCapture:
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
