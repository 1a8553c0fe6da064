"""`appliance doctor`."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import click

from appliance import doctor_board
from appliance.cli.session import Session, json_option, leave
from appliance.doctor import Check, Status, examine
from appliance.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


@click.command("doctor")
@json_option
@click.pass_obj
def command(session: Session) -> None:
    """Check models, camera, lock, store, clock and board; exits 1 when a check fails.

    Takes one picture and claims the lock's line, which commands it locked.

    \b
    Example:
      appliance doctor
    """
    config = session.written
    with session.progress("Checking", None) as advance:
        checks = []
        for check in chain(examine(config), doctor_board.examine(config)):
            checks.append(check)
            advance()
    data = {
        "checks": [
            {"name": it.name, "status": it.status.value, "detail": it.detail, "hint": it.hint}
            for it in checks
        ]
    }
    session.result(data, lambda console: _for_people(console, checks))
    failed = any(check.status is Status.FAIL for check in checks)
    leave(ExitCode.NO if failed else ExitCode.OK)


def _for_people(console: Console, checks: list[Check]) -> None:
    for check in checks:
        style = _STYLES[check.status]
        console.print(f"[{style}]{check.status.value:<5}[/]{check.name:<9} ", end="")
        console.print(check.detail, markup=False)
        if check.hint:
            console.print(f"              {check.hint}", markup=False, style="dim")
