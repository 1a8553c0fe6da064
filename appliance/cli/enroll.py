"""`appliance enroll`."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli import service
from appliance.cli.enrolled import for_people
from appliance.cli.session import Session, from_option, json_option, name_option
from appliance.store.names import check_name


@click.command("enroll")
@name_option
@from_option
@click.option("--replace", "anew", is_flag=True, help="Replace somebody's earlier template.")
@json_option
@click.pass_obj
def command(session: Session, name: str, sources: tuple[Path, ...], *, anew: bool) -> None:
    """Keep a person's face as a template.

    Five good pictures or more make a reliable template; frames that are blurred, dark, turned
    away or unlike the rest are left out and listed, and pictures of two people are refused.
    Without --from, the person at the camera is told what to do.

    \b
    Example:
      appliance enroll --name alice --from photos-of-alice/
    """
    name = check_name(name)
    asked = service.running(session)
    if asked is not None and not sources:
        data = service.guided(session, asked.enrol(name, replace=anew))
    else:
        from appliance.cli.enroll_here import enrolled

        data = enrolled(session, name, sources, replace=anew, service=asked)
    for warning in data["warnings"]:
        session.say(f"Warning: {warning}")
    session.result(data, lambda console: for_people(console, data))
