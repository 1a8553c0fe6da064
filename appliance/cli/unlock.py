"""`appliance unlock`."""

from __future__ import annotations

import click

from appliance.cli import service
from appliance.cli.session import Session, json_option


@click.command("unlock")
@click.option("--reason", required=True, help="Why, for the audit log.")
@json_option
@click.pass_obj
def command(session: Session, reason: str) -> None:
    """Have the running service release the door for one pulse. Audited before.

    \b
    Example:
      appliance unlock --reason "parcel for the second floor"
    """
    done = service.unlocked(session, reason)
    text = (
        f"The {'simulated ' if done.simulated else ''}door is released for {done.pulse_s:g} s "
        f"(audit record {done.record})."
    )
    session.result(done.model_dump(), lambda console: console.print(text, markup=False))
