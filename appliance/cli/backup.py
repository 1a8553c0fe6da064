"""`appliance backup create|restore`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import appliance
from appliance import assemble
from appliance.cli.session import Session, json_option
from appliance.errors import InputError, StoreError
from appliance.errors import UsageError as WrongUsage
from appliance.installed import complain_of_key
from appliance.store.backup import Embedding, Manifest, create_backup
from appliance.store.exports import read_whole
from appliance.store.removals import read_removals
from appliance.store.restore import Request, Restored, restore
from appliance.store.sealed_file import check_passphrase

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config

_LONGEST_PASSPHRASE = 4096

Command = TypeVar("Command", bound=Callable[..., Any])


def _passphrase_option(command: Command) -> Command:
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the passphrase from the first line of FILE instead of asking for it.",
    )(command)


@click.group("backup")
def command() -> None:
    """One encrypted file with everybody and everything.

    \b
    Example:
      appliance backup create /media/stick/door.backup
    """


@command.command("create")
@click.argument("file", type=click.Path(path_type=Path))
@_passphrase_option
@json_option
@click.pass_obj
def create(session: Session, file: Path, passphrase_file: Path | None) -> None:
    """Write people, codes, permissions, log and key into a new file, sealed with a passphrase.

    The service may go on meanwhile.

    \b
    Example:
      appliance backup create /media/stick/door.backup
    """
    passphrase = check_passphrase(_passphrase(passphrase_file, twice=True))
    with assemble.store(session.config, create=False) as known:
        if known.database.path.exists() is False:
            raise InputError(
                f"There is nothing to back up: {known.database.path} does not exist.",
                hint="Enrol somebody first, or look whether --config is the right one.",
                code="nothing_yet",
            )
    with assemble.store(session.config) as store:
        try:
            manifest = create_backup(
                store,
                assemble.location(session.config),
                file,
                passphrase,
                embedding=_embedding(session.config),
                version=appliance.__version__,
                by="local command",
            )
        except StoreError as error:
            complain_of_key(error)
            raise
    data = {
        "file": str(file),
        "created": manifest.created,
        "people": manifest.people,
        "model": manifest.model,
        "fingerprint": manifest.fingerprint,
        "bytes": file.stat().st_size,
    }
    session.result(data, lambda console: _written(console, manifest, file))


@command.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@_passphrase_option
@click.option("--without", multiple=True, metavar="NAME", help="Leave a person out. Repeatable.")
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An exported audit log (JSONL): whoever was removed in there stays removed.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would happen, and change nothing.")
@json_option
@click.pass_obj
def restore_backup(  # noqa: PLR0913 - one argument for each option
    session: Session,
    file: Path,
    passphrase_file: Path | None,
    without: tuple[str, ...],
    log: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Bring back what a backup holds, but nobody who was removed since.

    Stop the service first. On another board everything comes, on the one that was backed up the
    people who are missing.

    \b
    Example:
      appliance backup restore /media/stick/door.backup --dry-run
    """
    passphrase = _passphrase(passphrase_file, twice=False)
    removals = None if log is None else read_removals(log)
    request = Request(file, passphrase, _embedding(session.config), without, removals)
    held: AbstractContextManager[object] = (
        nullcontext() if dry_run else assemble.devices(session.config)
    )
    with held:
        location, clock = assemble.location(session.config), assemble.clock()
        outcome = restore(request, location, clock, dry_run=dry_run)
    for text in _warnings(outcome):
        session.say(f"Warning: {text}")
    data = _as_json(outcome, dry_run=dry_run)
    session.result(data, lambda console: _tell(console, outcome, dry_run=dry_run))


def _embedding(config: Config) -> Embedding:
    models = assemble.manifest(config)
    entry = models.entry(config.model.name, "embedder")
    return Embedding(entry.name, assemble.template_fingerprint(entry, models))


def _passphrase(file: Path | None, *, twice: bool) -> str:
    if file is not None:
        lines = read_whole(file, _LONGEST_PASSPHRASE).splitlines()
        try:
            return lines[0].decode() if lines else ""
        except UnicodeDecodeError:
            raise InputError(
                f"The first line of {file} is no text.",
                hint="Put the passphrase there in UTF-8.",
            ) from None
    if sys.stdin is None or not sys.stdin.isatty():
        raise WrongUsage(
            "There is no terminal to ask for the passphrase.",
            hint="Give --passphrase-file FILE, which only you may read.",
        )
    given: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    return given


def _written(console: Console, manifest: Manifest, file: Path) -> None:
    console.print(f"{_counted(manifest.people)} in {file}.", markup=False)
    console.print("Whoever has this file and the passphrase has everything: keep them apart.")


def _counted(people: int) -> str:
    return "1 person" if people == 1 else f"{people} people"


def _warnings(outcome: Restored) -> list[str]:
    found = []
    if outcome.blind and outcome.people:
        found.append(
            f"nothing here knows who was removed since {outcome.created:%Y-%m-%d %H:%M} (UTC), "
            "when the backup was made. --log FILE asks an exported audit log; else look through "
            "the names: --without NAME leaves one out."
        )
    if outcome.stale:
        found.append(f"must be enrolled again (another model): {', '.join(outcome.stale)}.")
    if outcome.log_breaks_at is not None:
        found.append(f"the backup's own audit log breaks at record {outcome.log_breaks_at}.")
    return found


def _as_json(outcome: Restored, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "created": outcome.created.isoformat(),
        "whole": outcome.whole,
        "people": list(outcome.people),
        "present": list(outcome.present),
        "removed": list(outcome.removed),
        "left_out": list(outcome.left_out),
        "stale": list(outcome.stale),
        "aside": [str(path) for path in outcome.aside],
        "removals_known": not outcome.blind,
        "log_breaks_at": outcome.log_breaks_at,
    }


def _tell(console: Console, outcome: Restored, *, dry_run: bool) -> None:
    would = "Would come back" if dry_run else "Came back"
    for text, names in (
        (would, outcome.people),
        ("Left as they are", outcome.present),
        ("Removed since, so not brought back", outcome.removed),
        ("Left out", outcome.left_out),
    ):
        if names or text == would:
            console.print(f"{text}: {', '.join(names) or 'nobody'}.", markup=False)
    for path in outcome.aside:
        kept = "Would be kept as" if dry_run else "What stood there is kept as"
        console.print(f"{kept} {path}.", markup=False)
