"""`appliance verify`."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli import service
from appliance.cli.session import Session, from_option, json_option, leave, name_option
from appliance.cli.wording import print_verdict
from appliance.errors import ExitCode
from appliance.store.names import check_name


@click.command("verify")
@name_option
@from_option
@click.option(
    "--unlock",
    is_flag=True,
    help="Make it an attempt at the door: three live frames, lock-out, audit, and the lock moves.",
)
@json_option
@click.pass_obj
def command(session: Session, name: str, sources: tuple[Path, ...], *, unlock: bool) -> None:
    """Tell whether a face is the one enrolled under a name.

    Without --unlock it only tells and changes nothing; one good picture is enough. Files never
    open a real door: together with --from, --unlock needs door.driver: simulated. Without --from
    the running service looks, where there is one.

    \b
    Example:
      appliance verify --name alice --from door.jpg
    """
    name = check_name(name)
    asked = None if sources else service.running(session)
    if asked is not None:
        data = service.guided(session, asked.verify(name, unlock=unlock))
    else:
        from appliance.cli.verify_here import verified

        data = verified(session, name, sources, unlock=unlock)
    session.result(data, lambda console: print_verdict(console, data))
    leave(ExitCode.OK if data["decision"] == "accept" else ExitCode.NO)
