"""`appliance audit tail|verify|checkpoint|export`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance import assemble
from appliance.cli import service
from appliance.cli.session import (
    Session,
    drop_output,
    flush_output,
    json_option,
    leave,
)
from appliance.errors import BadDataError, ExitCode, StoreError
from appliance.errors import UsageError as WrongUsage
from appliance.store.audit_check import AuditCheck
from appliance.store.checkpoints import MOST_BYTES, Checkpoint, parse
from appliance.store.exports import new_file, read_whole
from appliance.types import AuditRecord

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("number", "at", "event", "subject", "detail", "digest")
# What a spreadsheet takes for a formula; a subject is what a stranger at the door said.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no date such as 2026-03-01 or 2026-03-01T08:00."
        ) from None
    # Else some dates near the ends of the calendar would be none in UTC.
    if not 1970 <= moment.year <= 9998:
        raise click.BadParameter(f"{text!r} is out of bounds.")
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


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
    records = service.audit_tail(session, count)
    data = {"records": [_as_json(record) for record in records]}
    session.result(data, lambda console: _lines(console, records))


@command.command("verify")
@click.option(
    "--checkpoint",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An exported checkpoint: also finds records that were cut off or written anew.",
)
@click.option(
    "--signer",
    metavar="HEX",
    help="Whose signature FILE must carry, where the template key was replaced since.",
)
@json_option
@click.pass_obj
def verify(session: Session, file: Path | None, signer: str | None) -> None:
    """Check the chain of records; exits 1 and names the first that does not fit.

    \b
    Example:
      appliance audit verify
      appliance audit verify --checkpoint /media/stick/door.checkpoint
    """
    if signer and file is None:
        raise WrongUsage("--signer says who signed FILE.", hint="Give --checkpoint FILE too.")
    against = parse(read_whole(file, MOST_BYTES), str(file)) if file else None
    with assemble.store(session.config, create=False) as store:
        found = store.audit.verify(against, signer=signer and signer.lower())
    if not found.signer_known:
        session.say(
            "Warning: the template key is not at hand, so it was not checked whose signatures "
            "these are."
        )
    session.result(_found_json(found), lambda console: _tell(console, found, against))
    leave(ExitCode.OK if found.first_bad is None else ExitCode.NO)


@command.command("checkpoint")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it to a new file, to be kept away from this device.",
)
@click.option(
    "--adopt",
    is_flag=True,
    help="Vouch for the log's beginning, which an earlier template key had signed.",
)
@json_option
@click.pass_obj
def checkpoint(session: Session, out: Path | None, *, adopt: bool) -> None:
    """Sign where the log stands now.

    \b
    Example:
      appliance audit checkpoint --out /media/stick/door.checkpoint
    """
    with assemble.store(session.config) as store:
        earlier = store.audit.adopt_beginning() if adopt else None
        if out is None:
            signed = store.audit.checkpoint()
        else:
            with new_file(out) as file:
                store.audit.append("checkpoint_exported", "audit", {"by": "local command"})
                signed = store.audit.checkpoint(trail=True)
                file.write(signed.text().encode())
    data = {
        "number": signed.number,
        "digest": signed.digest,
        "at": signed.at,
        "signer": signed.signer,
        "signature": signed.signature,
        "out": None if out is None else str(out),
        "adopted_from": earlier,
    }
    session.result(data, lambda console: _signed(console, signed, out))


@command.command("export")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="One JSON object a line with all that the chain needs, or a table.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="A new file.")
@click.option("--since", callback=_moment, metavar="TIME", help="Records from then on (UTC).")
@click.option("--until", callback=_moment, metavar="TIME", help="Records before then (UTC).")
@json_option
@click.pass_obj
def export(
    session: Session,
    form: str,
    out: Path | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Write the records out, oldest first.

    \b
    Example:
      appliance audit export --format csv --since 2026-03-01 --out march.csv
    """
    if session.as_json and out is None and form == "csv":
        raise WrongUsage("A table is no JSON.", hint="Give --out FILE, or --format jsonl.")
    _record_export(session, form, since, until)
    with assemble.store(session.config, create=False) as store:
        records = store.audit.records(since, until)
        lines = _as_jsonl(records) if form == "jsonl" else _as_csv(records)
        if out is None:
            _print_all(lines)
            return
        count = 0
        with new_file(out) as file:
            for line, records_in_it in lines:
                file.write(line.encode())
                count += records_in_it
    data = {"records": count, "format": form, "out": str(out)}
    session.result(data, lambda it: it.print(f"{count} records in {out}.", markup=False))


def _record_export(
    session: Session, form: str, since: datetime | None, until: datetime | None
) -> None:
    detail = {
        "by": "local command",
        "format": form,
        "since": since and since.isoformat(),
        "until": until and until.isoformat(),
    }
    try:
        with assemble.store(session.config) as store:
            store.audit.append("audit_exported", "audit", detail)
    except StoreError as error:
        # A card that failed is read-only, and just then somebody wants the log.
        session.say(f"Warning: this export leaves no record itself. {error.message}")


def _as_jsonl(records: Iterator[AuditRecord]) -> Iterator[tuple[str, int]]:
    for record in records:
        yield json.dumps(_as_json(record) | {"digest": record.digest}) + "\n", 1


def _as_csv(records: Iterator[AuditRecord]) -> Iterator[tuple[str, int]]:
    yield ",".join(_COLUMNS) + "\r\n", 0
    for record in records:
        cells = _as_json(record) | {"digest": record.digest}
        cells["subject"] = _harmless(record.subject)
        cells["detail"] = json.dumps(cells["detail"], ensure_ascii=False)
        buffer = io.StringIO()
        csv.writer(buffer).writerow([cells[column] for column in _COLUMNS])
        yield buffer.getvalue(), 1


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _print_all(lines: Iterator[tuple[str, int]]) -> None:
    with _to_standard_output() as write:
        for line, _count in lines:
            write(line)


@contextmanager
def _to_standard_output() -> Iterator[Callable[[str], None]]:
    """A reader who has gone is no error; a full disk is."""
    try:
        yield lambda text: click.echo(text, nl=False)
        flush_output()
    except OSError as error:
        drop_output()
        if not isinstance(error, BrokenPipeError):
            raise BadDataError(
                f"The records could not be written: {(error.strerror or str(error)).lower()}.",
                hint="Standard output goes to a full disk or to something that takes nothing.",
                code="output",
            ) from error


def _as_json(record: AuditRecord) -> dict[str, object]:
    return {
        "number": record.number,
        "at": record.at.isoformat(),
        "event": record.event,
        "subject": record.subject,
        "detail": dict(record.detail),
    }


def _found_json(found: AuditCheck) -> dict[str, object]:
    return {
        "ok": found.first_bad is None,
        "first_bad": found.first_bad,
        "why": found.why or None,
        "first": found.first,
        "last": found.last,
        "checkpoints": found.checkpoints,
        "signer_known": found.signer_known,
        "compared": found.compared,
    }


def _tell(console: Console, found: AuditCheck, against: Checkpoint | None) -> None:
    if found.first_bad is not None:
        console.print(found.why, markup=False)
        return
    console.print("The chain is whole.")
    if against is not None:
        agreed = f"It agrees with the checkpoint of {against.moment:%Y-%m-%d %H:%M} (UTC)"
        console.print(f"{agreed}, which vouches for records up to {against.number}.")


def _signed(console: Console, signed: Checkpoint, out: Path | None) -> None:
    console.print(f"Signed up to record {signed.number} by {signed.signer}.", markup=False)
    if out is not None:
        console.print(f"Keep {out} away from this device.", markup=False)


def _lines(console: Console, records: list[AuditRecord]) -> None:
    for record in records:
        detail = json.dumps(dict(record.detail), ensure_ascii=False)
        when = f"{record.at:%Y-%m-%d %H:%M:%S}"
        line = f"{record.number:5} {when}  {record.event:<15} {record.subject}  {detail}"
        console.print(line, markup=False)
