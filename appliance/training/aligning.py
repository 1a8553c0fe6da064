"""Aligns the faces of a data set into a folder of crops, on all cores, from where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2

from appliance.errors import InputError, ModelError, UsageError
from appliance.evaluation.workers import Workers, built, each, open_first
from appliance.ports import Aligner, Clock
from appliance.training import files
from appliance.training.aligned import (
    FILE,
    Alignment,
    Crop,
    Failed,
    Settings,
    read_alignment,
    write_alignment,
)
from appliance.training.dataset import DataSet, Picture
from appliance.types import Frame, Landmarks
from appliance.vision.acquisition import Acquisition, rivals

# Seconds after which the record of what is done is written again: so much is lost to a power cut.
# That of a million pictures takes seconds itself, so it waits this many times as long as it took.
RECORD_EVERY_S = 5.0
_RECORD_SHARE = 20.0
_LONGEST_NAME = 255
NO_FACE, SEVERAL_FACES, UNREADABLE = "no_face", "several_faces", "unreadable"
DEGENERATE = "degenerate"


@dataclass(frozen=True, eq=False)
class Bench:
    """What each process works with. face: which of several faces is taken, see `Settings`."""

    acquisition: Acquisition
    aligner: Aligner
    face: Literal["largest", "central", "only"]

    def find(self, frame: Frame) -> Landmarks | str:
        """The face that a picture is of, or why there is none."""
        faces = self.acquisition.faces(frame.bgr)
        if not faces:
            return NO_FACE
        if self.face == "only" and rivals(faces) > 1:
            return SEVERAL_FACES
        if self.face == "central":
            return min(faces, key=lambda face: _off_centre(frame, face))
        return faces[0]


@dataclass(frozen=True)
class Made:
    """What became of one picture.

    png: the crop's file; None where there is none, then `why` says why, or, without `why`, the
    crop that an earlier run made still stands. sha256: of the picture's file.
    """

    png: bytes | None = None
    sha256: str = ""
    why: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Job:
    """A picture to align. crop: its place in the folder. known: what an earlier run made it of."""

    picture: Picture
    crop: str
    known: str = ""


# A picture, and the SHA-256 that it had when its crop was made; empty where there is none.
Task = tuple[Path, str]
# What becomes of tasks, in their order.
Work = Callable[[Sequence[Task]], Iterator[Made]]


@dataclass
class Outcome:
    """What a run did. kept: crops of an earlier one. left: files of it that count no more."""

    alignment: Alignment
    made: int = 0
    kept: int = 0
    left: tuple[str, ...] = ()


@dataclass
class _Book:
    """The record while it grows."""

    folder: Path
    settings: Settings
    clock: Clock
    crops: dict[str, Crop]
    failed: dict[str, Failed] = field(default_factory=dict)
    due: float = 0.0

    def alignment(self, *, complete: bool) -> Alignment:
        return Alignment(
            **self.settings.model_dump(),
            complete=complete,
            crops=tuple(sorted(self.crops.values(), key=lambda item: item.picture)),
            failed=tuple(sorted(self.failed.values(), key=lambda item: item.picture)),
        )

    def write(self, *, complete: bool = False) -> None:
        begun_at = self.clock.monotonic()
        write_alignment(self.folder, self.alignment(complete=complete))
        now = self.clock.monotonic()
        self.due = now + max(RECORD_EVERY_S, _RECORD_SHARE * (now - begun_at))

    def write_when_due(self) -> None:
        if self.clock.monotonic() >= self.due:
            self.write()


def check_folders(raw: Path, aligned: Path) -> None:
    """UsageError when one folder lies inside the other: crops would be aligned as pictures."""
    one, other = raw.resolve(), aligned.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise UsageError(
            f"{raw} and {aligned} are one folder, or one lies inside the other.",
            hint="Name a folder for the crops that lies beside the pictures.",
        )


def begun(folder: Path, settings: Settings) -> Alignment | None:
    """What an earlier run left in the folder; None where there is nothing.

    InputError when the folder holds something else, or crops that are aligned otherwise.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", hint="Name another one for the crops.")
    if not (folder / FILE).exists():
        try:
            strange = next((it for it in folder.iterdir() if not files.is_draft(it)), None)
        except OSError as error:
            raise files.unwritten(folder, error) from error
        if strange is not None:
            raise InputError(
                f"{folder} holds {strange.name!r} but no {FILE}: it is no folder of crops.",
                hint="Name an empty folder, or one that does not exist yet.",
            )
        return None
    before = read_alignment(folder, unfinished=True)
    if before.settings != settings:
        raise InputError(
            f"{folder} holds crops that are aligned otherwise: {_difference(before, settings)}.",
            hint="Name another folder, or delete this one.",
            code="other_alignment",
        )
    return before


def jobs(data: DataSet, before: Alignment | None) -> list[Job]:
    """A job for each picture: `NAME/STEM.png`, or `NAME/FILE.png` where two share a stem."""
    known = {item.picture: item for item in before.crops} if before else {}
    places = _places(data.pictures)
    found: list[Job] = []
    for picture, crop in zip(data.pictures, places, strict=True):
        earlier = known.get(picture.key)
        same = earlier is not None and earlier.crop == crop
        found.append(Job(picture, crop, earlier.sha256 if earlier is not None and same else ""))
    return found


def in_processes(workers: Workers) -> Work:
    """The work spread over processes, each of which builds a `Bench`."""
    return lambda tasks: each(_align_task, tasks, workers)


def align(  # noqa: PLR0913, PLR0917 - what is to be done, how, and who watches
    data: DataSet,
    folder: Path,
    settings: Settings,
    work: Work,
    progress: Callable[[], None],
    clock: Clock,
) -> Outcome:
    """Align every picture of a data set into `folder`; `progress` is called after each.

    work: see `in_processes`. What an earlier run has done is not done again, as long as picture
    and crop are as they were; so an interrupted run goes on where it stopped. InputError when
    nothing can be written, or when the folder is not one of crops that are aligned like this.
    """
    before = begun(folder, settings)
    files.make_folder(folder)
    todo = jobs(data, before)
    earlier = {item.picture: item for item in before.crops} if before else {}
    book = _Book(folder, settings, clock, dict(earlier))
    book.write()
    tasks = [(job.picture.path, job.known if _is_whole(folder / job.crop) else "") for job in todo]
    outcome = Outcome(book.alignment(complete=False))
    try:
        for job, made in zip(todo, work(tasks), strict=True):
            _keep(book, outcome, job, made)
            book.write_when_due()
            progress()
    except BaseException:
        with suppress(InputError):  # what went wrong first is what is told
            book.write()
        raise
    outcome.left = _left(folder, book, todo)
    book.write(complete=True)
    outcome.alignment = book.alignment(complete=True)
    return outcome


def _keep(book: _Book, outcome: Outcome, job: Job, made: Made) -> None:
    key, path = job.picture.key, book.folder / job.crop
    if made.why:
        book.failed[key] = Failed(picture=key, why=made.why, detail=made.detail)
        if book.crops.pop(key, None) is not None:
            with suppress(OSError):  # it counts no more, whether or not it can be deleted
                path.unlink()
        return
    if made.png is None:
        outcome.kept += 1
        return
    files.make_folder(path.parent)
    files.replace(path, made.png)
    book.crops[key] = Crop(picture=key, crop=job.crop, sha256=made.sha256)
    outcome.made += 1


def _is_whole(crop: Path) -> bool:
    """Whether a crop is there; a power cut may leave the name of a file without its content."""
    return crop.is_file() and crop.stat().st_size > 0


def _left(folder: Path, book: _Book, todo: Sequence[Job]) -> tuple[str, ...]:
    """Take what has no picture any more out of the record. The crops themselves stay.

    A crop's place may have gone to another picture, as of alice/1.jpg that became alice/1.png:
    such a one is not left over.
    """
    there = {job.picture.key for job in todo}
    gone = [book.crops.pop(key).crop for key in [*book.crops] if key not in there]
    taken = {item.crop for item in book.crops.values()}
    return tuple(crop for crop in gone if crop not in taken and (folder / crop).exists())


def _align_task(task: Task) -> Made:
    return made(built(Bench), task, open_first)


def made(bench: Bench, task: Task, open_picture: Callable[[Path], Frame | None]) -> Made:
    """The crop of one picture, or why there is none.

    open_picture: raises InputError for a file that is no picture; None for an empty one.
    """
    path, known = task
    try:
        sum_now = hashlib.sha256(files.read(path)).hexdigest()
        if known == sum_now:
            return Made(sha256=sum_now)
        frame = open_picture(path)
    except InputError as error:
        return Made(why=UNREADABLE, detail=error.message)
    if frame is None:
        return Made(why=UNREADABLE, detail=f"{path.name} holds no picture.")
    face = bench.find(frame)
    if isinstance(face, str):
        return Made(sha256=sum_now, why=face)
    try:
        crop = bench.aligner.crop(frame.bgr, face)
    except ModelError as error:  # its landmarks fall into one point
        return Made(sha256=sum_now, why=DEGENERATE, detail=error.message)
    done, png = cv2.imencode(".png", crop.bgr)
    if not done:
        raise InputError(f"The crop of {path} cannot be written as PNG.")
    return Made(png.tobytes(), sum_now)


def _places(pictures: Sequence[Picture]) -> list[str]:
    """Where each crop goes. No two go to one place, also where capitals make no difference."""
    taken: set[str] = set()
    places: list[str] = []
    for picture in pictures:
        wanted = [f"{picture.path.stem}.png", f"{picture.path.name}.png"]
        number = 2
        while (place := f"{picture.person}/{_short(wanted[0])}").casefold() in taken:
            if len(wanted) == 1:
                wanted.append(f"{picture.path.name}-{number}.png")
                number += 1
            wanted.pop(0)
        taken.add(place.casefold())
        places.append(place)
    return places


def _short(name: str) -> str:
    """The name, or one of its own that a file system takes: most allow 255 bytes."""
    whole = name.encode()
    if len(whole) <= _LONGEST_NAME:
        return name
    told = f"-{hashlib.sha256(whole).hexdigest()[:16]}.png"
    return whole[: _LONGEST_NAME - len(told)].decode(errors="ignore") + told


def _difference(before: Alignment, settings: Settings) -> str:
    """`size 96 there, 112 here`."""
    then: Mapping[str, object] = before.settings.model_dump()
    now: Mapping[str, object] = settings.model_dump()
    told = [f"{key} {then[key]} there, {now[key]} here" for key in now if now[key] != then[key]]
    return "; ".join(told).replace("landmark_sha256", "landmark model of SHA-256")


def _off_centre(frame: Frame, face: Landmarks) -> float:
    x, y = face.box.centre
    return float(((x - frame.width / 2) ** 2 + (y - frame.height / 2) ** 2) ** 0.5)
