"""`appliance models list|verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance import assemble
from appliance.cli.session import Session, json_option, leave
from appliance.errors import ExitCode, ModelError
from appliance.vision.manifest import Entry, Manifest

if TYPE_CHECKING:
    from rich.console import Console


@click.group("models")
def command() -> None:
    """The networks that came with this installation.

    \b
    Example:
      appliance models list
    """


@command.command("list")
@json_option
@click.pass_obj
def list_models(session: Session) -> None:
    """List the models: what each is for, where it is from, and its licence.

    \b
    Example:
      appliance models list --json
    """
    entries = list(assemble.manifest(session.config).entries.values())
    configured = session.config.model.name
    data = {"models": [_as_json(entry, configured) for entry in entries]}
    session.result(data, lambda console: _table(console, entries, configured))


@command.command("verify")
@json_option
@click.pass_obj
def verify(session: Session) -> None:
    """Check every model file against the manifest; exits 3 when one is missing or changed.

    \b
    Example:
      appliance models verify
    """
    manifest = assemble.manifest(session.config)
    checks = [_check(manifest, entry) for entry in manifest.entries.values()]
    bad = [item for item in checks if not item["ok"]]
    session.result({"ok": not bad, "models": checks}, lambda console: _verified(console, checks))
    leave(ExitCode.BAD_DATA if bad else ExitCode.OK)


def _check(manifest: Manifest, entry: Entry) -> dict[str, object]:
    try:
        manifest.read(entry)
    except ModelError as error:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        return {"name": entry.name, "file": entry.file, "ok": False, **told}
    return {"name": entry.name, "file": entry.file, "ok": True}


def _as_json(entry: Entry, configured: str) -> dict[str, object]:
    return {
        "name": entry.name,
        "role": entry.role,
        "file": entry.file,
        "bytes": entry.bytes,
        "sha256": entry.sha256,
        "precision": entry.precision,
        "alignment": entry.alignment.name,
        "licence": entry.licence,
        "source": f"{entry.source.registry} {entry.source.package} {entry.source.version}",
        "calibrated": entry.calibration is not None,
        "configured": entry.name == configured,
    }


def _table(console: Console, entries: list[Entry], configured: str) -> None:
    from rich.table import Table

    table = Table("Name", "Role", "Precision", "MB", "From", "Licence", box=None)
    for entry in entries:
        mark = " *" if entry.name == configured else ""
        source = f"{entry.source.registry} {entry.source.package} {entry.source.version}"
        size = f"{entry.bytes / 1e6:.1f}"
        table.add_row(entry.name + mark, entry.role, entry.precision, size, source, entry.licence)
    console.print(table)
    console.print("* the configured embedder")


def _verified(console: Console, checks: list[dict[str, object]]) -> None:
    for item in checks:
        mark = "[green]ok[/]  " if item["ok"] else "[red]fail[/]"
        console.print(f"{mark}  {item['file']}")
        if not item["ok"]:
            console.print(f"      {item['message']}\n      {item['hint']}", markup=False)
