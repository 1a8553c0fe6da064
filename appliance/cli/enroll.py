"""`appliance enroll`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance import assemble, enrolment
from appliance.cli.session import (
    Session,
    counted,
    from_option,
    json_option,
    name_option,
    printable,
)
from appliance.cli.sources import opened_camera
from appliance.errors import InputError
from appliance.store.names import check_name

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.ports import PeopleStore

# More than this are told by number.
MOST_LISTED = 10


@click.command("enroll")
@name_option
@from_option
@click.option("--replace", is_flag=True, help="Replace the template of somebody enrolled before.")
@json_option
@click.pass_obj
def command(session: Session, name: str, sources: tuple[Path, ...], *, replace: bool) -> None:
    """Keep a person's face as a template.

    Five good pictures or more make a reliable template; frames that are blurred, dark, turned
    away or show somebody else are left out and listed.

    \b
    Example:
      appliance enroll --name alice --from photos-of-alice/
    """
    name = check_name(name)
    with assemble.store(session.config) as store:
        _refuse_existing(store.people, name, replace=replace)
        enrolled = _enrol(session, sources)
        with store.together():  # no template without its record
            store.people.add(name, enrolled.template, replace=replace)
            store.audit.append(
                "enrolled",
                name,
                {"frames": enrolled.template.count, "replace": replace, "by": "local command"},
            )
    _warn(session, enrolled)
    session.result(_as_json(name, enrolled), lambda console: _for_people(console, name, enrolled))


def _refuse_existing(people: PeopleStore, name: str, *, replace: bool) -> None:
    """Before the work rather than after it."""
    if not replace and people.get(name) is not None:
        raise InputError(
            f"{name!r} is enrolled already.",
            hint="Give --replace to enrol this person anew, or choose another name.",
            code="already_enrolled",
        )


def _enrol(session: Session, sources: Sequence[Path]) -> enrolment.Enrolled:
    config = session.config
    with opened_camera(session, sources) as camera:
        perception = assemble.perception(config, liveness=False)
        policy = assemble.enrolment_policy(config, live=camera.live)
        skipped = getattr(camera, "skipped", [])
        with session.progress("Looking at frames", camera.length) as advance:
            return enrolment.enrol(
                camera.frames(),
                perception,
                policy,
                seen=lambda _: advance(),
                skipped=lambda: list(skipped),
            )


def _warn(session: Session, enrolled: enrolment.Enrolled) -> None:
    least = session.config.enrolment.min_frames_for_door
    count = enrolled.template.count
    if count < least:
        pictures = "one picture" if count == 1 else f"{count} pictures"
        session.say(
            f"Warning: only {pictures} could be used. A template of {least} or more errs far "
            "less, and a door asks for it (enrolment.min_frames_for_door)."
        )


def _as_json(name: str, enrolled: enrolment.Enrolled) -> dict[str, object]:
    template = enrolled.template
    return {
        "name": name,
        "frames_used": template.count,
        "frames_rejected": [
            {"source": item.source, "reason": item.reason} for item in enrolled.rejected
        ],
        "template": {
            "model": template.model,
            "fingerprint": template.fingerprint,
            "count": template.count,
        },
    }


def _for_people(console: Console, name: str, enrolled: enrolment.Enrolled) -> None:
    used = "1 frame" if enrolled.template.count == 1 else f"{enrolled.template.count} frames"
    console.print(f"Enrolled {name!r} from {used} with {enrolled.template.model}.", markup=False)
    if enrolled.rejected:
        console.print("Not used:")
    for line in left_out(enrolled.rejected):
        console.print(f"  {printable(line)}", markup=False)


def left_out(rejected: Sequence[enrolment.Rejected]) -> list[str]:
    """What was not used and why: by name where that can be read, by number in a long recording."""
    sentences = [item for item in rejected if " " in item.reason]
    faults = [item for item in rejected if " " not in item.reason]
    if len(rejected) <= MOST_LISTED:
        lines = [f"{item.source}: {item.reason.replace('_', ' ')}" for item in faults]
    else:
        lines = [counted(item.reason for item in faults)] if faults else []
    lines += [item.reason.rstrip(".") for item in sentences[:MOST_LISTED]]
    more = len(sentences) - MOST_LISTED
    return [*lines, f"and {more} more files that cannot be read"] if more > 0 else lines
