"""Whom the attacks show: stills and clips of living people, split by person.

The clips' people are FIT or SCORE by name; pictures of people are FIT when the first hexadecimal
digit of the SHA-256 of the person's name is even. Nobody is in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.hardware.videos import Video
from appliance.types import Landmarks, Pixels, Region
from appliance.vision.mesh import eye_centres
from tests.portraits import acquisition, blazeface, mesh

# The person in each clip of the measuring data.
CLIPS = {
    "single_face.mp4": "clip-a",
    "face_noface.mov": "clip-a",
    "noface_face.mov": "clip-a",
    "office/book.mkv": "office-b",
    "office/school.mkv": "office-b",
    "office/hungry.mkv": "office-c",
    "head-pose-face-detection-female.gif": "clip-d",
    "office/again.mkv": "office-e",
    "office/no.mkv": "office-e",
    "office/milk.mkv": "office-f",
    "office/sorry.mkv": "office-f",
    "office/eat.mkv": "office-g",
}
FIT_CLIP_PEOPLE = {"clip-a", "office-b", "office-c"}
# The same person in files that begin differently.
STILLS = {
    "obama.jpg": "Barack_Obama",
    "obama2.jpg": "Barack_Obama",
    "obama3.jpg": "Barack_Obama",
    "biden.jpg": "Joe_Biden",
}

# Standard deviation of the Laplacian over the face, in grey levels, below which a print of the
# picture would fool nobody.
_LEAST_DETAIL = 6.0
_LEAST_EYES = 30.0
_MOST_FRAMES = 120
_PEERS = 6


class Split(str, Enum):
    """Fitting and scoring never share a person."""

    FIT = "fit"
    SCORE = "score"


@dataclass(frozen=True)
class Source:
    """One recording of one living person. peers: other people's, of the same split."""

    path: Path
    person: str
    split: Split
    moving: bool
    peers: tuple[Path, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """What a person would call it."""
        return self.path.stem


@dataclass(frozen=True, eq=False)
class Content:
    """A source read: its frames, and where the face is.

    frames: BGR, all of one size. fps: 0 for a still. best: the number of the frame that would be
    printed. face: the mesh in that frame.
    """

    frames: Sequence[Pixels]
    fps: float
    best: int
    face: Landmarks

    @property
    def eyes(self) -> tuple[float, float, float]:
        """x and y of the point between the eyes in the best frame, and pixels between them."""
        left, right = eye_centres(self.face.points)
        x, y = ((left + right) / 2).tolist()
        return x, y, float(np.linalg.norm(right - left))


def split_of(person: str) -> Split:
    """On which side of the split a person is."""
    if person in CLIPS.values():
        return Split.FIT if person in FIT_CLIP_PEOPLE else Split.SCORE
    even = int(hashlib.sha256(person.encode()).hexdigest()[0], 16) % 2 == 0
    return Split.FIT if even else Split.SCORE


def sources(data_folder: Path, split: Split | str, *, pictures: int = 400) -> list[Source]:
    """The clips of a split and at most `pictures` people of lfw-dev, one picture each.

    data_folder: the measuring data (tests.conftest.data_folder()). The people are taken in the
    order of the SHA-256 of their names, which says nothing about them; pictures that are blurred
    or have black corners are passed over.
    """
    side = Split(split)
    found = [source for source in _clips(data_folder) if source.split is side]
    for source in _pictures(data_folder, side):
        if len(found) >= pictures + len(CLIPS):
            break
        found.append(source)
    return [_with_peers(source, found, place) for place, source in enumerate(found)]


def source_from(path: Path, person: str, peers: Sequence[Path] = ()) -> Source:
    """Any picture or clip of one living person as a source."""
    moving = path.suffix.lower() not in {".jpg", ".jpeg", ".png", ".bmp"}
    return Source(path, person, split_of(person), moving, tuple(peers))


def live_clips(data_folder: Path, split: Split | str) -> list[Source]:
    """The clips of living people alone."""
    return [source for source in _clips(data_folder) if source.split is Split(split)]


@lru_cache(maxsize=8)
def read(path: Path) -> Content:
    """Read a source and find its face; InputError when there is none."""
    if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp"}:
        picture = cv2.imread(str(path))
        if picture is None:
            raise InputError(f"{path} is a picture that cannot be read.")
        frames, fps = [np.asarray(picture, np.uint8)], 0.0
    else:
        frames, fps = _frames(path)
    for number in _by_promise(frames):
        faces = acquisition().faces(frames[number])
        if faces:
            return _with_face_only(Content(frames, fps, number, faces[0]))
    raise InputError(f"{path} shows no face that could be presented.")


def _frames(path: Path) -> tuple[list[Pixels], float]:
    video = Video(path, path.name)
    frames: list[Pixels] = []
    while video.advance() and len(frames) < 2 * _MOST_FRAMES:
        picture = video.picture()
        if picture is not None:
            frames.append(picture)
    fps = video.fps
    video.close()
    return frames, fps


def _by_promise(frames: Sequence[Pixels]) -> list[int]:
    """Frame numbers to try, evenly over the clip, the sharpest first."""
    tried = np.unique(np.linspace(0, len(frames) - 1, 9).astype(int))
    detail = [_detail(frames[number]) for number in tried]
    return [int(tried[place]) for place in np.argsort(detail)[::-1]]


def _with_face_only(content: Content) -> Content:
    """The run of frames around the best one in which the scene does not change."""
    small = [cv2.resize(frame, (32, 24), interpolation=cv2.INTER_AREA) for frame in content.frames]
    first = last = content.best
    while first > 0 and _alike(small[first - 1], small[first]):
        first -= 1
    while last + 1 < len(small) and _alike(small[last], small[last + 1]):
        last += 1
    last = min(last, first + _MOST_FRAMES - 1) if content.best < first + _MOST_FRAMES else last
    kept = content.frames[first : last + 1]
    return Content(kept, content.fps, content.best - first, content.face)


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return float(np.abs(one.astype(np.int16) - other).mean()) < 20


def _clips(folder: Path) -> Iterator[Source]:
    for name, person in CLIPS.items():
        path = folder / "clips" / name
        if path.is_file():
            yield Source(path, person, split_of(person), moving=True)


def _pictures(folder: Path, split: Split) -> Iterator[Source]:
    stills = [folder / "stills" / name for name in STILLS]
    yield from (
        Source(path, STILLS[path.name], split, moving=False)
        for path in stills
        if path.is_file() and split_of(STILLS[path.name]) is split
    )
    people = [place.name for place in (folder / "lfw-dev" / "images").glob("*")]
    shown = set(STILLS.values())
    for person in sorted(people, key=lambda name: hashlib.sha256(name.encode()).hexdigest()[1:]):
        path = folder / "lfw-dev" / "images" / person / f"{person}_0001.jpg"
        if person not in shown and split_of(person) is split and _promising(path):
            yield Source(path, person, split, moving=False)


def _promising(path: Path) -> bool:
    loaded = cv2.imread(str(path))
    if loaded is None:
        return False
    picture = np.asarray(loaded, np.uint8)
    if _has_black_corner(picture):
        return False
    height, width = picture.shape[:2]
    face = picture[height // 4 : -height // 4, width // 4 : -width // 4]
    return _detail(face) > _LEAST_DETAIL and _shows_one_frontal_face(picture)


def _shows_one_frontal_face(picture: Pixels) -> bool:
    """An attacker takes a picture that looks into the camera; a second face would spoil it."""
    side = picture.shape[0]
    points = mesh().locate(picture, Region(side / 2, 0.5 * side, 0.6 * side)).points
    left, right = eye_centres(points)
    between = float(np.linalg.norm(right - left))
    aside = abs(float((points[1, :2] - (left + right) / 2) @ (right - left))) / max(between, 1) ** 2
    boxes = blazeface().detect(picture, 0.1 * side)
    return between >= _LEAST_EYES and aside < 0.22 and len(boxes) == 1


def _has_black_corner(picture: Pixels) -> bool:
    """LFW's pictures are turned and moved; what was outside of the photograph is black."""
    rim = np.concatenate([picture[:2].reshape(-1, 3), picture[-2:].reshape(-1, 3)])
    sides = np.concatenate([picture[:, :2].reshape(-1, 3), picture[:, -2:].reshape(-1, 3)])
    black = (np.concatenate([rim, sides]).max(axis=1) < 6).mean()
    return bool(black > 0.05)


def _detail(picture: Pixels) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_32F).std())


def _with_peers(source: Source, everybody: Sequence[Source], place: int) -> Source:
    others = [everybody[(place + step) % len(everybody)] for step in range(1, 4 * _PEERS)]
    peers = [other.path for other in others if other.person != source.person][:_PEERS]
    return Source(source.path, source.person, source.split, source.moving, tuple(peers))
