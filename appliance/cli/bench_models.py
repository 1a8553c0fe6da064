"""`appliance bench --models`: measure, keep, tell."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from appliance import assemble, auto, model_choice
from appliance.cli.hosts import counted_threads, host_json, print_host
from appliance.cli.session import Session, report
from appliance.config import AUTO, CPU_DELEGATE
from appliance.demo.story import PORTRAITS
from appliance.errors import ExitCode, StoreError
from appliance.evaluation.bench import Turns
from appliance.evaluation.model_bench import (
    VARIANTS,
    Face,
    Runners,
    find_faces,
    measure_models,
)
from appliance.host import Conditions, conditions
from appliance.model_choice import Decision, Measured, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from appliance.config import Config
    from appliance.types import Frame
    from appliance.vision.manifest import Entry, Manifest

# More people than this are told by number alone.
MOST_NAMED = 10


@dataclass(frozen=True)
class _Outcome:
    """What came of the measurement. error: why it could not be kept."""

    record: Record
    decision: Decision
    error: StoreError | None


def bench_models(session: Session, rounds: int, *, repick: bool) -> ExitCode:
    """Measure every embedder, keep the record, tell it.

    OK when the pick is the best; NO when it stays another one for the sake of who is enrolled,
    or when no model is fit; BAD_DATA when the record could not be kept.
    """
    config = session.written
    before = conditions()
    models = assemble.manifest(config)
    faces = find_faces(assemble.acquisition(config), _pictures())
    with session.progress("Timing embedders", rounds) as advance:
        turns = Turns(rounds, advance)
        table = measure_models(models, lambda entry: _runners(config, entry), faces, turns)
    outcome = _kept(config, models, _record(config, table, faces, rounds, before), repick=repick)
    data = _as_json(config, outcome, before)
    session.result(data, lambda console: _for_people(console, data, outcome))
    if outcome.error is not None:
        if not session.as_json:
            report(outcome.error, as_json=False)
        return outcome.error.exit_code
    return ExitCode.NO if outcome.decision.kept or not outcome.decision.best else ExitCode.OK


def _pictures() -> dict[str, Sequence[Frame]]:
    """The bundled portraits: one person several times, and somebody else."""
    *same, other = PORTRAITS
    people = {"alice": same, "bob": [other]}
    found: dict[str, Sequence[Frame]] = {}
    for who, paths in people.items():
        with closing(assemble.file_camera(paths)) as camera:
            found[who] = list(camera.frames())
    return found


def _runners(config: Config, entry: Entry) -> Runners:
    # What `auto` means is a choice among files for the CPU, whatever runs the configured one.
    wanted = auto.named(config, entry.name)
    on_cpu = wanted.model.model_copy(update={"delegate": CPU_DELEGATE})
    wanted = wanted.model_copy(update={"model": on_cpu})
    configured = assemble.embedder(wanted)
    one = wanted.model_copy(update={"model": wanted.model.model_copy(update={"threads": 1})})
    single = configured if wanted.model.threads == 1 else assemble.embedder(one)
    return Runners(assemble.aligner(wanted), configured, single)


def _record(
    config: Config,
    table: Sequence[Measured],
    faces: Sequence[Face],
    rounds: int,
    before: Conditions,
) -> Record:
    """The record without a pick yet."""
    best = model_choice.pick(table)
    return Record(
        schema=model_choice.SCHEMA,
        measured_at=assemble.clock().now(),
        host=auto.host(),
        threads=config.model.threads,
        rounds=rounds,
        faces=VARIANTS * len(faces),
        load_average=before.load_average,
        models=tuple(table),
        best=best.name if best else None,
        chosen=None,
        chosen_sha256=None,
    )


def _kept(config: Config, models: Manifest, record: Record, *, repick: bool) -> _Outcome:
    """Decide, and write it down. Where the store cannot be read or written nothing is decided."""
    now = auto.choice(config).name
    prints = {
        entry.name: assemble.template_fingerprint(entry, models)
        for entry in models.entries.values()
        if entry.role == "embedder"
    }
    try:
        people = auto.enrolled(config)
        decision = model_choice.decide(record.best, now, people, prints, repick=repick)
        entry = models.entries.get(decision.chosen or "")
        record = record.model_copy(
            update={
                "chosen": decision.chosen,
                "chosen_sha256": entry.sha256 if entry else None,
            }
        )
        auto.keep(config, record)
    except StoreError as error:
        return _Outcome(record, Decision(record.best, None, False, ()), error)
    return _Outcome(record, decision, None)


def _as_json(config: Config, outcome: _Outcome, before: Conditions) -> dict[str, Any]:
    """The record as it is kept, and what became of it.

    in_use: the embedder that commands use from now on. enrol_again: who is not enrolled with
    `best`. stored: the file, null where it could not be written, and then `error` says why.
    """
    data = model_choice.record_json(outcome.record) | {
        "host": host_json(config, before),
        "configured": config.model.name,
        "in_use": auto.settled(config).model.name,
        "kept": outcome.decision.kept,
        "enrol_again": list(outcome.decision.affected),
        "stored": str(assemble.location(config).model_choice),
    }
    if (error := outcome.error) is not None:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        data |= {"stored": None, "error": told}
    return data


def _for_people(console: Console, data: dict[str, Any], outcome: _Outcome) -> None:
    from rich.table import Table

    record = outcome.record
    times = list(dict.fromkeys((record.threads, 1)))
    table = Table("Embedder", *(f"ms, {counted_threads(count)}" for count in times), box=None)
    for title in ("Cosine to float32, mean / least", "FRR lost at FAR 1e-4 / 1e-5", ""):
        table.add_column(title)
    for item in record.models:
        table.add_row(*_cells(item, record), style="bold" if item.name == record.chosen else None)
    console.print(table)
    for item in record.models:
        if reason := model_choice.why_not(item):
            console.print(f"{item.name}: {reason}.", style="dim", markup=False)
    for sentence in _verdict(data, outcome):
        console.print(sentence, markup=False)
    print_host(console, data["host"])


def _cells(item: Measured, record: Record) -> tuple[str, ...]:
    cosines, losses = item.cosines, item.losses
    times = (item.ms,) if record.threads == 1 else (item.ms, item.ms_one_thread)
    mark = " *" if item.name == record.chosen else ""
    return (
        escape(item.name) + mark,
        *("-" if ms is None else f"{ms:.2f}" for ms in times),
        f"{cosines.mean:.4f} / {cosines.least:.4f}" if cosines else "-",
        " / ".join(f"{100 * lost:.2f}" for lost in losses.values()) if losses else "-",
        "not fit" if model_choice.why_not(item) else "",
    )


def _verdict(data: dict[str, Any], outcome: _Outcome) -> list[str]:
    """What was picked, what that means for who is enrolled, and what to do about it."""
    record, decision = outcome.record, outcome.decision
    best = record.measured(record.best)
    if best is None:
        return ["No embedder is fit on this machine: do not put it on a door."]
    found = [f"The pick here is {best.name}: {model_choice.figures(best)}."]
    again = f"{_people(len(decision.affected))} would have to be enrolled again"
    if decision.kept:
        found.append(
            f"`auto` goes on meaning {record.chosen}: {again}. To change it all the same: "
            "`appliance bench --models --repick`."
        )
    elif decision.affected:
        names = ", ".join(decision.affected[:MOST_NAMED])
        more = ", ..." if len(decision.affected) > MOST_NAMED else ""
        found.append(f"Not enrolled with {best.name}, so to be enrolled again: {names}{more}.")
    if best.ms and best.ms_one_thread and best.ms_one_thread < best.ms / (1 + model_choice.TIE):
        found.append(f"One thread is faster than {record.threads} here: set model.threads: 1.")
    if outcome.error is None and data["configured"] != AUTO:
        found.append(
            f"The config names {data['configured']}; `model.name: auto` would use {record.chosen}."
        )
    return found


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"
