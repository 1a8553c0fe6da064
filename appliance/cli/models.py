"""`appliance models list|verify|prepare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance import assemble
from appliance.cli.hosts import processor_json
from appliance.cli.prepare import prepared_json, prepared_lines, run_ways
from appliance.cli.session import Session, json_option, leave
from appliance.config import CPU_DELEGATE, Config
from appliance.errors import ExitCode, ModelError
from appliance.vision.manifest import Entry, Manifest, Twin

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
    config = session.config
    entries = list(assemble.manifest(config).entries.values())
    told = _processor(config)
    data = {"models": [_as_json(it, config.model.name) for it in entries], "processor": told}
    session.result(data, lambda console: _table(console, entries, config, told))


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
    entries = manifest.entries.values()
    checks = [_check(manifest, entry.name, entry) for entry in entries]
    checks += [_check(manifest, it.name, it.twin) for it in entries if it.twin is not None]
    bad = [item for item in checks if not item["ok"]]
    session.result({"ok": not bad, "models": checks}, lambda console: _verified(console, checks))
    leave(ExitCode.BAD_DATA if bad else ExitCode.OK)


@command.command("prepare")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Try every way that a GPU can be reached by, also those after the first that serves.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="How often the embedder is timed on each.",
)
@json_option
@click.pass_obj
def prepare(session: Session, *, every: bool, rounds: int) -> None:
    """Build what model.delegate needs on this machine, compare it with the CPU, and time it.

    TensorRT builds its engine for this very GPU, which takes minutes; a door only loads it. Run
    this once after the installation and after each upgrade of JetPack, as the user who runs the
    door. Exits 1 where only the CPU is left.

    \b
    Example:
      appliance models prepare
    """
    config = session.config
    if config.model.delegate == CPU_DELEGATE:
        session.lines({"delegate": CPU_DELEGATE, "ways": []}, ["The CPU needs no preparation."])
        return
    tried = run_ways(session, config, every=every, rounds=rounds)
    data = prepared_json(config, tried)
    session.lines(data, prepared_lines(tried))
    leave(ExitCode.OK if data["ready"] else ExitCode.NO)


def _processor(config: Config) -> dict[str, Any] | None:
    """What runs the embedder; `error` where nothing can. None for the CPU as it is configured."""
    if config.model.delegate == CPU_DELEGATE:
        return None
    try:
        return processor_json(assemble.processor(assemble.embedder(config)))
    except ModelError as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def _check(manifest: Manifest, name: str, entry: Entry | Twin) -> dict[str, object]:
    try:
        manifest.read(entry)
    except ModelError as error:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        return {"name": name, "file": entry.file, "ok": False, **told}
    return {"name": name, "file": entry.file, "ok": True}


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
        "twin": None if entry.twin is None else entry.twin.file,
    }


def _table(
    console: Console, entries: list[Entry], config: Config, told: dict[str, Any] | None
) -> None:
    from rich.table import Table

    table = Table("Name", "Role", "Precision", "MB", "From", "Licence", box=None)
    for entry in entries:
        mark = " *" if entry.name == config.model.name else ""
        source = f"{entry.source.registry} {entry.source.package} {entry.source.version}"
        size = f"{entry.bytes / 1e6:.1f}"
        table.add_row(entry.name + mark, entry.role, entry.precision, size, source, entry.licence)
    console.print(table)
    console.print("* the configured embedder")
    for line in _placed(told):
        console.print(line, markup=False)


def _placed(told: dict[str, Any] | None) -> list[str]:
    """Where the embedder runs, for people."""
    if told is None:
        return []
    if "error" in told:
        return ["What model.delegate names cannot be used:", told["error"]["message"]]
    return [f"It runs on {told['device']}.", *(f"Not on {it}." for it in told["passed_over"])]


def _verified(console: Console, checks: list[dict[str, object]]) -> None:
    for item in checks:
        mark = "[green]ok[/]  " if item["ok"] else "[red]fail[/]"
        console.print(f"{mark}  {item['file']}")
        if not item["ok"]:
            console.print(f"      {item['message']}\n      {item['hint']}", markup=False)
