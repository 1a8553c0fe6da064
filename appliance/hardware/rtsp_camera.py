"""Network cameras, by RTSP (RFC 2326, RFC 7826) through OpenCV's FFmpeg.

An address holds a password, so nothing here repeats more of it than the host.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Literal
from urllib.parse import urlsplit

import cv2

from appliance.errors import CameraError
from appliance.hardware.latest import Capture, Handling, LiveCamera
from appliance.hardware.quiet import quiet_opencv
from appliance.ports import Clock

# Why this driver is not yet to be relied upon; None when it has run on its hardware.
UNTESTED = "it has run with a server of test pictures only, and with no network camera"

Transport = Literal["tcp", "udp"]
OpenStream = Callable[[str, Transport], Capture]

_PORTS = {"rtsp": 554, "rtsps": 322}
# A stream begins with a whole picture, which many cameras send only every few seconds; from then
# on something comes all the time. A read that hangs no longer is waited for when closing.
_CONNECT_S = 3.0
_OPEN_MS = 6000
_READ_MS = 2000
# FFmpeg reads its options from here when a stream is opened; the process has only one of it.
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_one_at_a_time = Lock()


class RtspCamera(LiveCamera):
    """A camera on the network, opened at once; see LiveCamera.

    url: rtsp:// or rtsps://, with user and password. transport: tcp, or udp (less delay, but a
    lost packet tears the picture). The camera itself decides on size and rate.
    Nothing proves that the pictures come from the camera: the network must be trusted.
    Raises CameraError when nobody answers, or no stream comes.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        transport: Transport = "tcp",
        handling: Handling | None = None,
        open_stream: OpenStream | None = None,
    ) -> None:
        handling = handling or Handling()
        name = host_of(url)
        capture = (open_stream or open_rtsp)(url, transport)
        super().__init__(name, capture, clock, handling, partial(_silent, name, handling.timeout_s))


def host_of(url: str) -> str:
    """The address without user, password, path and query, any of which may be a secret."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"


def open_rtsp(url: str, transport: Transport) -> Capture:
    """cv2's capture of a stream. Raises CameraError."""
    _check_answer(url)
    quiet_opencv()
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS]
    limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
    with _ffmpeg_options(transport):
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        capture.release()
        raise CameraError(
            f"The camera {host_of(url)} answers, but gives no stream.",
            hint="Check user, password and path in camera.source; a character such as @ or # in "
            "the password is written %40 or %23.",
        )
    return capture


@contextlib.contextmanager
def _ffmpeg_options(transport: Transport) -> Iterator[None]:
    """What FFmpeg shall do while the block runs.

    A server may not send it elsewhere, to a file for example: only these protocols are allowed.
    """
    options = {
        "rtsp_transport": transport,
        "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
        "fflags": "nobuffer",  # the newest picture counts, not the smoothest film
        "flags": "low_delay",
    }
    with _one_at_a_time:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = "|".join(f"{key};{value}" for key, value in options.items())
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before


def _check_answer(url: str) -> None:
    """Raise what the network says; FFmpeg would only say that it failed."""
    address = urlsplit(url)
    place = (address.hostname or "", address.port or _PORTS.get(address.scheme, 554))
    try:
        socket.create_connection(place, _CONNECT_S).close()
    except OSError as error:
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        raise CameraError(
            f"The camera {host_of(url)} does not answer: {reason}.",
            hint="Check its power, its cable, and the address in camera.source.",
        ) from error


def _silent(name: str, timeout_s: float) -> CameraError:
    return CameraError(
        f"The camera {name} delivered no picture for {timeout_s:g} s.",
        hint="Check its power and the network; try camera.rtsp_transport: tcp.",
    )
