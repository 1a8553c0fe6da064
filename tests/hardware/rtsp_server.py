"""A network camera of a few lines: RTSP (RFC 2326) that sends JPEG pictures (RFC 2435) over TCP."""

from __future__ import annotations

import base64
import contextlib
import itertools
import re
import socket
import struct
import threading
from collections.abc import Iterator

import cv2

from appliance.types import Pixels

_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=door\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\n"
_SDP += "a=control:track1\r\n"
_MOST_OF_A_PACKET = 1200


class RtspServer:
    """Sends these pictures in turn to whoever plays /stream; their sides are multiples of 8.

    login: "user:password" that is asked for. requests: the first lines of all that was asked.
    """

    def __init__(
        self, pictures: list[Pixels], *, fps: float = 50, login: str | None = None
    ) -> None:
        self._packets = [list(_jpeg_packets(picture)) for picture in pictures]
        self._interval = 1 / fps
        self._login = login
        self._stopping = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.requests: list[str] = []
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def address(self, login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}/stream"

    def cut(self) -> None:
        """Pull the cable of everybody who is connected."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for client in self._clients:
            client.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping.is_set():
                client, _ = self._listening.accept()
                self._clients.append(client)
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            text = b""
            while received := client.recv(4096):
                text += received
                while b"\r\n\r\n" in text:
                    head, text = text.split(b"\r\n\r\n", 1)
                    if self._answer(client, head.decode()):
                        self._play(client)

    def _answer(self, client: socket.socket, head: str) -> bool:
        """Answer one request; True when pictures are wanted from now on."""
        verb = head.split(" ", 1)[0]
        self.requests.append(head.splitlines()[0])
        found = re.search(r"CSeq: *(\d+)", head)
        status, fields, body = "200 OK", [f"CSeq: {found.group(1) if found else 0}"], ""
        if verb == "OPTIONS":
            fields.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif not self._is_allowed(head):
            status = "401 Unauthorized"
            fields.append('WWW-Authenticate: Basic realm="door"')
        elif "/stream" not in head.splitlines()[0]:
            status = "404 Not Found"
        elif verb == "DESCRIBE":
            body = _SDP
            fields += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif verb == "SETUP":
            fields += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        elif verb == "PLAY":
            fields.append("Session: 1")
        client.sendall(f"RTSP/1.0 {status}\r\n".encode() + "\r\n".join(fields).encode())
        client.sendall(b"\r\n\r\n" + body.encode())
        return verb == "PLAY" and status == "200 OK"

    def _is_allowed(self, head: str) -> bool:
        if self._login is None:
            return True
        return f"Basic {base64.b64encode(self._login.encode()).decode()}" in head

    def _play(self, client: socket.socket) -> None:
        numbers = itertools.count()
        for turn, packets in enumerate(itertools.cycle(self._packets)):
            for index, packet in enumerate(packets):
                last = index == len(packets) - 1
                stamp = round(turn * self._interval * 90_000) & 0xFFFFFFFF
                head = struct.pack(
                    "!BBHII", 0x80, 26 | last << 7, next(numbers) & 0xFFFF, stamp, 0x0D00
                )
                rtp = head + packet
                client.sendall(struct.pack("!cBH", b"$", 0, len(rtp)) + rtp)
            if self._stopping.wait(self._interval):
                return


def _jpeg_packets(picture: Pixels) -> Iterator[bytes]:
    """A picture's payloads: without the headers of its file, which the receiver knows."""
    written, data = cv2.imencode(".jpg", picture)
    assert written
    tables, sampling, scan = _parsed(data.tobytes())
    kind = {0x22: 1, 0x21: 0}[sampling]
    height, width = picture.shape[:2]
    for offset in range(0, len(scan), _MOST_OF_A_PACKET):
        head = struct.pack(
            "!B3sBBBB", 0, offset.to_bytes(3, "big"), kind, 255, width // 8, height // 8
        )
        if not offset:
            head += struct.pack("!BBH", 0, 0, len(tables)) + tables
        yield head + scan[offset : offset + _MOST_OF_A_PACKET]


def _parsed(jpeg: bytes) -> tuple[bytes, int, bytes]:
    """(quantisation tables, sampling factors of the first component, the scan)."""
    tables, sampling, at = b"", 0, 2
    while jpeg[at + 1] != 0xDA:
        (length,) = struct.unpack_from("!H", jpeg, at + 2)
        payload = jpeg[at + 4 : at + 2 + length]
        if jpeg[at + 1] == 0xDB:
            tables += b"".join(
                payload[start + 1 : start + 65] for start in range(0, len(payload), 65)
            )
        elif jpeg[at + 1] == 0xC0:
            sampling = payload[7]
        at += 2 + length
    (length,) = struct.unpack_from("!H", jpeg, at + 2)
    return tables, sampling, jpeg[at + 2 + length : -2]
