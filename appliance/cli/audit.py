"""`appliance audit tail|verify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from appliance import assemble
from appliance.cli.session import Session, json_option, leave
from appliance.errors import ExitCode
from appliance.types import AuditRecord

if TYPE_CHECKING:
    from rich.console import Console


@click.group("audit")
def command() -> None:
    """What happened at this door.

    \b
    Example:
      appliance audit tail
    """


@command.command("tail")
@click.option("-n", "--count", default=20, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@click.pass_obj
def tail(session: Session, count: int) -> None:
    """Show the last records, oldest first.

    \b
    Example:
      appliance audit tail -n 5
    """
    with assemble.store(session.config, create=False) as store:
        records = store.audit.tail(count)
    data = {"records": [_as_json(record) for record in records]}
    session.result(data, lambda console: _lines(console, records))


@command.command("verify")
@json_option
@click.pass_obj
def verify(session: Session) -> None:
    """Check the chain of records; exits 1 and names the first that does not fit.

    \b
    Example:
      appliance audit verify
    """
    with assemble.store(session.config, create=False) as store:
        bad = store.audit.first_bad()
    text = "The chain is whole." if bad is None else f"The chain breaks at record {bad}."
    session.result({"ok": bad is None, "first_bad": bad}, lambda console: console.print(text))
    leave(ExitCode.OK if bad is None else ExitCode.NO)


def _as_json(record: AuditRecord) -> dict[str, object]:
    return {
        "number": record.number,
        "at": record.at.isoformat(),
        "event": record.event,
        "subject": record.subject,
        "detail": dict(record.detail),
    }


def _lines(console: Console, records: list[AuditRecord]) -> None:
    for record in records:
        detail = json.dumps(dict(record.detail), ensure_ascii=False)
        when = f"{record.at:%Y-%m-%d %H:%M:%S}"
        line = f"{record.number:5} {when}  {record.event:<15} {record.subject}  {detail}"
        console.print(line, markup=False)
