"""`appliance greet`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance import assemble, workbench
from appliance.cli.session import Session, from_option, json_option, printable
from appliance.cli.sources import opened_camera
from appliance.errors import InputError
from appliance.store.names import name_key
from appliance.tracking.greetings import Greetings, Voice
from appliance.tracking.tracks import Seen, Tracker
from appliance.tracking.visits import Visits

if TYPE_CHECKING:
    from appliance.ports import Camera
    from appliance.tracking.identity import Known

NO_DOOR = "No door is driven, and liveness is not judged: a photograph is greeted as well."
# Seconds that the last greetings may take after the last frame.
LAST_WORDS_S = 20.0
# Of the files of --sounds.
SOUND = ".wav"


@click.command("greet")
@from_option
@click.option(
    "--sounds",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Play DIR/alice.wav for alice; who has none is greeted by espeak-ng.",
)
@click.option("--silent", is_flag=True, help="Only print whom it sees.")
@click.option(
    "--away",
    type=click.FloatRange(1, 86_400),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Greet somebody anew who was out of sight for so long.",
)
@click.option(
    "--fast", is_flag=True, help="Read the files of --from as quickly as can be, not as they ran."
)
@json_option
@click.pass_obj
def command(  # noqa: PLR0913 - the options
    session: Session,
    *,
    sources: tuple[Path, ...],
    sounds: Path | None,
    silent: bool,
    away: float,
    fast: bool,
) -> None:
    """Welcome everybody who is enrolled by name, aloud, once a visit.

    Looks through the configured camera until Ctrl-C, or at the files of --from. It is a
    demonstration: no door is driven, and nothing but the face decides, so a photograph is greeted
    like its owner. Where nothing can be heard, the greeting is printed. With --json, each greeting
    is one line, and the end another.

    \b
    Example:
      appliance greet
      appliance greet --from hall.mp4 --sounds welcomes/
    """
    with ExitStack() as stack:
        known = _known(session)
        mapped = {} if sounds is None or silent else _sounds(session, stack, sounds, known)
        speech = None if silent else _speech(session, stack)
        greetings = Greetings(speech, mapped, session.config.feedback.language)
        perception = workbench.crowd_perception(session.config)
        tracker = Tracker(perception, known)
        camera = stack.enter_context(_opened(session, sources, fast=fast))
        session.say(NO_DOOR)
        hall = Hall(session, tracker, greetings, away)
        try:
            hall.watch(camera)
        except KeyboardInterrupt:
            if sources:
                raise
            # That is how one stops looking through a camera.
        else:
            greetings.finish(assemble.clock(), LAST_WORDS_S)
        voices = [*mapped.values(), *([speech] if speech else [])]
        hall.tell_the_end(sorted({fault for voice in voices for fault in voice.faults}))


class Hall:
    """Who is in sight, and who of them was greeted."""

    def __init__(
        self, session: Session, tracker: Tracker, greetings: Greetings, away_s: float
    ) -> None:
        self._session = session
        self._tracker = tracker
        self._greetings = greetings
        self._visits = Visits(away_s)
        self._frames = 0
        self._began = 0.0
        self._greeted: dict[str, int] = {}

    def watch(self, camera: Camera) -> None:
        """Look at every frame until there are no more."""
        for frame in camera.frames():
            if not self._frames:  # a camera's clock counts from the start of the machine
                self._began = frame.at
            self._frames += 1
            named = {it.name: it for it in self._tracker.look(frame).seen if it.name is not None}
            for name in self._visits.arrivals(named, frame.at):
                self._greet(named[name], name, frame.at)
            self._greetings.go_on()

    def tell_the_end(self, faults: Sequence[str]) -> None:
        """The last line."""
        data = {
            "event": "ended",
            "frames": self._frames,
            "greeted": self._greeted,
            "voice_faults": list(faults),
        }
        times = sum(self._greeted.values())
        said = "1 greeting" if times == 1 else f"{times} greetings"
        seen = "1 frame" if self._frames == 1 else f"{self._frames} frames"
        self._session.result(data, lambda it: it.print(f"{said} in {seen}."))

    def _greet(self, seen: Seen, name: str, at: float) -> None:
        text = self._greetings.welcome(name)
        self._greeted[name] = self._greeted.get(name, 0) + 1
        match = seen.identity.match if seen.identity else None
        data: dict[str, Any] = {
            "event": "greeted",
            "at_s": round(at - self._began, 3),
            "name": name,
            "text": text,
            "similarity": None if match is None else round(match.similarity, 4),
            "threshold": None if match is None else round(match.threshold, 4),
        }
        line = f"{at - self._began:8.1f} s  {printable(text)}"
        self._session.result(data, lambda console: console.print(line, markup=False))


def _known(session: Session) -> Known:
    with assemble.store(session.config, create=False) as store:
        people = list(store.people.everybody())
    known = workbench.known_people(session.config, people)
    if not known.count:
        raise InputError(
            "Nobody is enrolled, so there is nobody to greet.",
            hint="Enrol somebody first: `appliance enroll --name NAME`.",
            code="nobody_enrolled",
        )
    return known


def _speech(session: Session, stack: ExitStack) -> Voice:
    voice = assemble.voice(session.config)
    stack.callback(voice.close)
    for fault in voice.examine():
        session.say(f"The greeting may not be heard: {fault}")
    return voice


def _sounds(session: Session, stack: ExitStack, folder: Path, known: Known) -> dict[str, Voice]:
    """By the name of somebody enrolled. InputError where the folder holds none."""
    try:
        files = {
            name_key(path.stem): path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() == SOUND and not path.name.startswith(".")
        }
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise InputError(
            f"The folder of sounds {folder} cannot be read: {why}.",
            hint="Give a folder with NAME.wav for each person.",
        ) from error
    names = {name_key(name): name for name in known.names}
    mapped: dict[str, Voice] = {
        names[key]: assemble.sound(path) for key, path in files.items() if key in names
    }
    for voice in mapped.values():
        stack.callback(voice.close)
    if strangers := sorted(path.name for key, path in files.items() if key not in names):
        session.say(f"Of nobody who is enrolled: {printable(', '.join(strangers))}.")
    for fault in sorted({fault for voice in mapped.values() for fault in voice.faults}):
        session.say(f"A sound may not be heard: {fault}")
    return mapped


@contextmanager
def _opened(session: Session, sources: Sequence[Path], *, fast: bool) -> Iterator[Camera]:
    if sources and not fast:
        with closing(assemble.replayed(sources)) as camera:
            yield camera
        return
    with opened_camera(session, sources) as camera:
        yield camera
