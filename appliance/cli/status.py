"""`appliance status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from appliance.cli import service
from appliance.cli.session import Session, json_option, leave, printable
from appliance.errors import ExitCode

if TYPE_CHECKING:
    from appliance.control.words import CameraTold, DoorTold, Status

_COLOURS = {"ok": "green", "degraded": "yellow", "failed": "red"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@click.command("status")
@json_option
@click.pass_obj
def command(session: Session) -> None:
    """Tell how the running service does; exits 1 when a part of it has failed.

    Serving in part, such as without a camera, is told and is no failure.

    \b
    Example:
      appliance status
    """
    told = service.client(session).status()
    data = told.model_dump(mode="json")
    session.lines(data, _for_people(told))
    leave(ExitCode.NO if told.state == "failed" else ExitCode.OK)


def _for_people(told: Status) -> Iterator[str]:
    state = click.style(told.state, fg=_COLOURS[told.state], bold=True)
    yield f"{state}  appliance {told.version}, process {told.pid}, {_for(told.uptime_s)}"
    yield f"  door: {_door(told.door)}"
    yield f"  camera: {_camera(told.camera)}"
    people = "unknown" if told.people is None else f"{told.people} enrolled"
    yield f"  people: {people}, model {told.model}"
    for part in told.parts:
        if part.state != "ok":
            yield f"  {part.name}: {part.state}. {printable(part.sentence)}"


def _door(door: DoorTold) -> str:
    if not door.configured:
        return "not configured"
    words = [door.state, *([f"contact {door.contact}"] if door.contact else [])]
    words += ["simulated"] if door.simulated else []
    alarms = f"; ALARM: {', '.join(door.alarms)}" if door.alarms else ""
    return printable(", ".join(words) + alarms)


def _camera(camera: CameraTold) -> str:
    words = [camera.driver, *([f"{camera.fps:.0f} frames per second"] if camera.fps else [])]
    words += [] if camera.live else ["a recording"]
    return printable(", ".join(words) + (f"; {camera.trouble}" if camera.trouble else ""))


def _for(seconds: float) -> str:
    """How long it has run, as people say it."""
    days, rest = divmod(int(seconds), _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, seconds = divmod(rest, _MINUTE)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
