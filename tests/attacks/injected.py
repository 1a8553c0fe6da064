"""Frames that no camera sends: what somebody feeds in who has cut the camera's cable.

Each takes any stream of frames and gives one that is wrong in one way. The pictures are the
stream's own, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count

from appliance.types import Frame

Injection = Callable[[Iterable[Frame]], Iterator[Frame]]


def frozen(frames: Iterable[Frame]) -> Iterator[Frame]:
    """One picture for ever, with times that go on."""
    first: Frame | None = None
    for frame in frames:
        first = first or frame
        yield replace(frame, bgr=first.bgr)


def doubled(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Each picture twice, as a file with half the frame rate gives."""
    kept: Frame | None = None
    for number, frame in enumerate(frames):
        if kept is None or number % 2 == 0:
            kept = frame
        yield replace(frame, bgr=kept.bgr)


def looped(frames: Iterable[Frame], length: int = 8) -> Iterator[Frame]:
    """The first `length` pictures over and over, with times that go on."""
    kept: list[Frame] = []
    for number, frame in enumerate(frames):
        if number < length:
            kept.append(frame)
        yield replace(frame, bgr=kept[number % length].bgr)


def standing_time(frames: Iterable[Frame]) -> Iterator[Frame]:
    """All at the time of the first."""
    at: float | None = None
    for frame in frames:
        at = frame.at if at is None else at
        yield replace(frame, at=at)


def backward_time(frames: Iterable[Frame], every: int = 6) -> Iterator[Frame]:
    """Time goes back by half a second at every sixth frame."""
    back = 0.0
    for number, frame in enumerate(frames):
        back += 0.5 if number and number % every == 0 else 0.0
        yield replace(frame, at=frame.at - back)


def rushed(frames: Iterable[Frame], fps: float = 2000.0) -> Iterator[Frame]:
    """More frames in a second than a sensor can read."""
    begin: float | None = None
    for number, frame in zip(count(), frames, strict=False):
        begin = frame.at if begin is None else begin
        yield replace(frame, at=begin + number / fps)


def leaping_time(frames: Iterable[Frame], every: int = 5, leap: float = 30.0) -> Iterator[Frame]:
    """Half a minute is missing again and again, in an attempt that lasts seconds."""
    for number, frame in enumerate(frames):
        yield replace(frame, at=frame.at + leap * (number // every))


INJECTIONS: dict[str, Injection] = {
    "frozen": frozen,
    "doubled": doubled,
    "looped": looped,
    "standing_time": standing_time,
    "backward_time": backward_time,
    "rushed": rushed,
    "leaping_time": leaping_time,
}
