"""Pictures, folders and videos in the place of a camera, so that an incident can be replayed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from appliance.errors import InputError
from appliance.hardware.headers import HEAD, Kind, kind_of
from appliance.hardware.pace import Pacer
from appliance.hardware.pictures import FORMATS, MAX_BYTES, decode_picture, not_readable
from appliance.hardware.quiet import quiet_opencv
from appliance.hardware.videos import Video
from appliance.ports import Clock
from appliance.types import Frame, Pixels

# Seconds from one picture to the next.
PICTURE_INTERVAL = 1.0
# Seconds by which somebody may be late in real time and still sees what is on now.
MOST_LATE = 2.0
# Seconds after which somebody who waits looks whether the files have been closed.
LONGEST_NAP = 0.5

_PICTURE_NAMES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".heic", ".heif", ".avif", ".tif"} | {
    ".tiff", ".gif", ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v",
}  # fmt: skip


_Skip = Callable[[str, str], None]
_Wants = Callable[[float, float], bool]


class Skipped(NamedTuple):
    """A file of a folder that could not be used, or the damaged rest of a video."""

    source: str
    reason: str


@dataclass(frozen=True)
class _Item:
    path: Path
    source: str
    kind: Kind
    named: bool  # given by name, not found in a folder: then its faults are fatal


class _Shot(NamedTuple):
    """A picture at `offset` seconds of its file. bgr: None for one that nobody wanted."""

    bgr: Pixels | None
    source: str
    offset: float


class _Playback:
    """Where the recording is, which of its pictures are wanted, and when they are due."""

    def __init__(self, clock: Clock, pacer: Pacer, *, real_time: bool) -> None:
        self._clock = clock
        self._pacer = pacer
        self._real_time = real_time
        self._started = clock.monotonic()
        self._file_began = self._end = self._watched_until = 0.0
        pacer.restart()

    def at(self, offset: float) -> float:
        """The time of `offset` seconds of the present file, from the first file's beginning."""
        return self._file_began + offset

    def next_file(self) -> None:
        """The file that follows begins where the last picture ended."""
        self._file_began = self._end

    def go_on(self) -> None:
        """Somebody asks for the next picture: in real time the newest one, if he is late."""
        now = self._clock.monotonic() - self._started
        if now - self._end > MOST_LATE:  # who was away so long finds it where he left it
            self._started += now - self._end
            now = self._end
        self._watched_until = now

    def wants(self, offset: float, duration: float) -> bool:
        """Whether this picture, shown for `duration` seconds, is worth decoding."""
        at = self.at(offset)
        self._end = at + duration
        missed = self._real_time and self._end <= self._watched_until
        return not missed and self._pacer.due(at)

    def waits(self, offset: float) -> Iterator[None]:
        """Sleep until the picture is due, waking up now and then."""
        due = self._started + self.at(offset)
        while self._real_time and (wait := due - self._clock.monotonic()) > 0:
            self._clock.sleep(min(wait, LONGEST_NAP))
            yield


class FileCamera:
    """Replays files; never live, so it never opens a real door.

    paths: pictures, videos, and folders of either (not their subfolders), in the given order;
    inside a folder by name, hidden files left out. A file is told by its content.
    Frames: `source` is the file's name, with "#index" for a video; `at` begins at 0 and grows by
    PICTURE_INTERVAL per picture and 1/fps per video frame, through all files.
    A faulty file that was named raises InputError; one that was found in a folder goes to
    `skipped`, and so does the rest of a video that breaks: the frames up to there are used.
    pacing: "real_time" waits on `clock` until each frame is due, and leaves out those that nobody
    took in time, as a camera does; after an absence of more than MOST_LATE it goes on where it was
    left. loop: begin again at the end.
    Raises InputError when a path is missing, unreadable or no picture, or a folder holds none.
    """

    live = False

    def __init__(
        self,
        paths: Sequence[Path],
        clock: Clock,
        *,
        pacing: Literal["fast", "real_time"] = "fast",
        loop: bool = False,
    ) -> None:
        if not paths:
            raise InputError("No picture was given.", hint="Give pictures, a folder or a video.")
        quiet_opencv()
        self._clock = clock
        self._pacing = pacing
        self._loop = loop
        self._pacer = Pacer()
        self._closed = False
        self._length: int | None = None
        self.skipped: list[Skipped] = []
        self._items = _with_distinct_sources(
            [item for path in paths for item in self._items_of(Path(path))]
        )

    @property
    def length(self) -> int | None:
        """How many frames will come; an estimate for videos, None where one does not say."""
        if self._loop:
            return None
        if self._length is None:
            counts = [self._count(item) for item in self._items]
            known = [count for count in counts if count is not None]
            self._length = sum(known) if len(known) == len(counts) else None
        return self._length

    @property
    def fps(self) -> float | None:
        """Frames a second of the one video that was given; None for pictures and several files.

        The mean, except where the rate varies and the container tells only a nominal one.
        """
        return self._of_the_video(lambda video: video.fps)

    @property
    def duration(self) -> float | None:
        """Seconds that the one video claims to last; None where it does not say, and as `fps`."""
        return self._of_the_video(lambda video: video.duration)

    def frames(self) -> Iterator[Frame]:
        """Every frame in order. Raises InputError at a faulty file, or when no file was usable."""
        play = _Playback(self._clock, self._pacer, real_time=self._pacing == "real_time")
        sequence = 0
        while True:
            usable = False
            for item in self._items:
                play.next_file()
                for shot in self._usable_shots(item, play.wants):
                    usable = True
                    self._check_open()
                    if shot.bgr is None:
                        continue
                    for _ in play.waits(shot.offset):
                        self._check_open()
                    still = item.kind.is_picture
                    at = play.at(shot.offset)
                    yield Frame(shot.bgr, at, shot.source, sequence, still=still)
                    play.go_on()
                    sequence += 1
            if not usable:
                raise self._nothing_usable()
            if not self._loop:
                return

    def pace(self, fps: float | None) -> None:
        """Hand over at most `fps` frames a second of the recording; None: all of them."""
        self._pacer.set(fps)

    def close(self) -> None:
        """Stop; may be called twice."""
        self._closed = True

    def _of_the_video(self, tells: Callable[[Video], float | None]) -> float | None:
        if len(self._items) != 1 or self._items[0].kind is not Kind.VIDEO:
            return None
        (item,) = self._items
        with contextlib.closing(Video(item.path, item.source)) as video:
            return tells(video)

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("The files have been closed.", hint="Open them anew.")

    def _usable_shots(self, item: _Item, wants: _Wants) -> Iterator[_Shot]:
        try:
            yield from _shots_of(item, wants, self._skip)
        except InputError as error:
            if item.named:
                raise
            self._skip(item.source, error.message)

    def _skip(self, source: str, reason: str) -> None:
        skipped = Skipped(source, reason)
        if skipped not in self.skipped:  # a loop comes by again
            self.skipped.append(skipped)

    def _count(self, item: _Item) -> int | None:
        if item.kind is not Kind.VIDEO:
            return 1
        try:
            with contextlib.closing(Video(item.path, item.source)) as video:
                return video.count
        except InputError:
            return 0

    def _items_of(self, path: Path) -> list[_Item]:
        if not _is_folder(path):
            kind = _kind(path, path.name)
            if not (kind.is_picture or kind is Kind.VIDEO):
                raise not_readable(path.name, kind)
            return [_Item(path, path.name, kind, named=True)]
        items = [item for member in _members(path) if (item := self._member(member))]
        if not items:
            raise InputError(
                f"The folder {path} holds no picture that can be read{self._first_reason()}.",
                hint=f"Readable are {FORMATS}; subfolders are not searched.",
            )
        return items

    def _member(self, path: Path) -> _Item | None:
        """A file of a folder; None for what is no picture, told in `skipped` if it claims to be."""
        try:
            kind = _kind(path, path.name)
            if kind.is_picture or kind is Kind.VIDEO:
                return _Item(path, path.name, kind, named=False)
            reason = not_readable(path.name, kind).message
        except InputError as error:
            reason = error.message
        if path.suffix.lower() in _PICTURE_NAMES:
            self._skip(path.name, reason)
        return None

    def _nothing_usable(self) -> InputError:
        return InputError(
            f"None of the files can be used{self._first_reason()}.", hint=f"Readable are {FORMATS}."
        )

    def _first_reason(self) -> str:
        return f" (the first: {self.skipped[0].reason.rstrip('.')})" if self.skipped else ""


def _shots_of(item: _Item, wants: _Wants, skip: _Skip) -> Iterator[_Shot]:
    if item.kind is Kind.VIDEO:
        yield from _shots_of_video(item, wants, skip)
        return
    picture = None
    if wants(0.0, PICTURE_INTERVAL):
        picture = decode_picture(_bytes(item.path, item.source), item.source)
    yield _Shot(picture, item.source, 0.0)


def _shots_of_video(item: _Item, wants: _Wants, skip: _Skip) -> Iterator[_Shot]:
    with contextlib.closing(Video(item.path, item.source)) as video:
        interval, index, moment = 1 / video.fps, 0, 0.0
        while video.advance():
            at, picture, moment = index * interval, None, video.moment
            if wants(at, interval):
                picture = video.picture()
                if picture is None:
                    break
            yield _Shot(picture, f"{item.source}#{index}", at)
            index += 1
        if not index:
            raise InputError(
                f"{item.source} is a video without a picture that can be decoded.",
                hint="Record it again, or convert it to MP4 with H.264.",
            )
        # In some containers the claimed number is the length times a nominal rate, so a few missing
        # say nothing, and many neither where the last one is shown when the film ends.
        if video.count is not None and index < video.count * 0.9 - 1 and not _ends(video, moment):
            skip(
                item.source,
                f"{item.source} breaks off after {index} of {video.count} frames; those were used.",
            )


def _ends(video: Video, moment: float) -> bool:
    """Whether a film whose last picture came at `moment` has been shown to its end."""
    return video.duration is not None and moment >= video.duration * 0.9


def _with_distinct_sources(items: list[_Item]) -> list[_Item]:
    """Files of the same name are told apart by their paths."""
    names = Counter(item.source for item in items)
    return [
        replace(item, source=str(item.path)) if names[item.source] > 1 else item for item in items
    ]


def _members(folder: Path) -> list[Path]:
    try:
        members = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise _unreadable(folder, str(folder), error) from error
    return [path for path in members if not path.name.startswith(".") and not _is_folder(path)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # opening it will tell why
        return False


def _kind(path: Path, source: str) -> Kind:
    with _opened(path, source) as file:
        head = os.read(file, HEAD)
    if not head:
        raise InputError(f"{source} is empty.", hint="Give another picture.")
    return kind_of(head)


def _bytes(path: Path, source: str) -> bytes:
    with _opened(path, source) as file:
        size = os.fstat(file).st_size
        if size > MAX_BYTES:
            raise InputError(
                f"{source} is too large: {size // 1_000_000} MB.",
                hint=f"Pictures of up to {MAX_BYTES // 1_000_000} MB are read; scale it down.",
            )
        with os.fdopen(os.dup(file), "rb") as reader:
            return reader.read(MAX_BYTES + 1)


@contextlib.contextmanager
def _opened(path: Path, source: str) -> Iterator[int]:
    """A regular file's descriptor; a pipe or a device would block or never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{source} is not a file.", hint="Give a picture, folder or video.")
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, source, error) from error
    try:
        yield file
    except OSError as error:
        raise _unreadable(path, source, error) from error
    finally:
        os.close(file)


def _whole(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError:  # the working folder was removed
        return path


def _unreadable(path: Path, source: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"{source} does not exist.", hint=f"Looked for {_whole(path)}; check the path."
        )
    if isinstance(error, PermissionError):
        return InputError(
            f"{source} may not be read by this user.",
            hint=f"Change its owner or mode: `ls -l {path}` shows them.",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"{source} cannot be read: {reason.lower()}.", hint="Give another file.")
