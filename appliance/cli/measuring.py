"""What the commands that measure on labelled pictures share: embedding them, with a cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance import assemble, auto
from appliance.cli.session import Session, leave, printable, report
from appliance.config import Config
from appliance.errors import ApplianceError, InputError, UsageError
from appliance.evaluation.cache import Cache, default_folder
from appliance.evaluation.dataset import Dataset
from appliance.evaluation.degrade import Spoilt, one_each, spoil_all
from appliance.evaluation.embed import Embedded, embed_all
from appliance.evaluation.fingerprints import keys
from appliance.evaluation.workers import Workers

Command = TypeVar("Command", bound=Callable[..., Any])

NO_HOME = "Nothing is kept for the next run: there is no home folder. Name one with --cache."


@dataclass(frozen=True)
class Effort:
    """How pictures are embedded. cache: the folder; None: nothing is kept."""

    workers: int | None
    cache: Path | None


def embedding_options(command: Command) -> Command:
    """--workers, --cache and --no-cache; `effort_of` understands them."""
    for option in (
        click.option("--no-cache", is_flag=True, help="Neither use nor keep any embedding."),
        click.option(
            "--cache",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Where embeddings are kept for the next run. Default: ~/.cache/face-access.",
        ),
        click.option(
            "--workers", type=click.IntRange(1, 256), help="Processes. Default: all cores."
        ),
    ):
        command = option(command)
    return command


def plot_option(what: str, metavar: str = "FILE.png") -> Callable[[Command], Command]:
    """--plot. what: is drawn, for its help."""
    return click.option(
        "--plot",
        type=click.Path(path_type=Path),
        metavar=metavar,
        help=f"Draw {what} into this file (.png, .svg or .pdf).",
    )


def effort_of(
    session: Session, workers: int | None, cache: Path | None, *, no_cache: bool
) -> Effort:
    """What the options of `embedding_options` ask for. UsageError where they contradict."""
    if no_cache and cache is not None:
        raise UsageError("--cache and --no-cache contradict each other.", hint="Give one of them.")
    if no_cache:
        return Effort(workers, None)
    folder = cache or default_folder(os.environ)
    if folder is None:
        session.say(NO_HOME)
    return Effort(workers, folder)


def with_model(config: Config, name: str | None) -> Config:
    """The config with another embedder; the same where `name` is None."""
    return config if name is None else auto.named(config, name)


def embed(session: Session, config: Config, dataset: Dataset, effort: Effort) -> list[Embedded]:
    """Embed all pictures of a data set with the configured model."""
    paths = [picture.path for picture in dataset.pictures]
    label = f"Embedding pictures, {config.model.name}"
    with _memory(session, config, effort) as cache, session.progress(label, len(paths)) as advance:
        return embed_all(paths, _workers(config, effort), advance, cache)


def spoil(
    session: Session, config: Config, dataset: Dataset, effort: Effort
) -> list[tuple[Spoilt, ...]]:
    """Spoil one picture of each person in every way, and embed it each time."""
    paths = one_each(dataset)
    label = f"Spoiling pictures, {config.model.name}"
    with _memory(session, config, effort) as cache, session.progress(label, len(paths)) as advance:
        return [it for it in spoil_all(paths, _workers(config, effort), advance, cache) if it]


def say_unreadable(session: Session, told: dict[str, Any]) -> None:
    """Name the files that could not be read. told: a report with `unreadable` and its files."""
    if told["unreadable"]:
        names = ", ".join(printable(name) for name in told["unreadable_files"])
        more = ", ..." if told["unreadable"] > len(told["unreadable_files"]) else ""
        session.say(f"Unreadable, and counted as rejections: {names}{more}.")


def error_json(error: ApplianceError) -> dict[str, str]:
    """An error that stands in a report beside what was measured."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def noted(
    data: dict[str, Any], kind: str, path: Path, write: Callable[[], None]
) -> InputError | None:
    """Write a file beside a report, and note it there as `kind`. The error where that fails.

    What was measured is told all the same; see `fail_after`.
    """
    try:
        write()
    except InputError as error:
        data |= {kind: None, "error": error_json(error)}
        return error
    data[kind] = str(path)
    return None


def fail_after(session: Session, error: ApplianceError) -> None:
    """End a command whose result was told although something went wrong."""
    if not session.as_json:
        report(error, as_json=False)
    leave(error.exit_code)


def _workers(config: Config, effort: Effort) -> Workers:
    build = partial(assemble.evaluation_perception, config)
    return Workers(build, assemble.one_file, effort.workers)


@contextmanager
def _memory(session: Session, config: Config, effort: Effort) -> Iterator[Cache | None]:
    models = assemble.manifest(config)
    entry = models.entry(config.model.name, "embedder")
    cache = None
    if effort.cache is not None:
        cache = Cache(effort.cache, keys(config, models, entry), session.say)
    try:
        yield cache
    finally:
        # Also after Ctrl-C: the pictures that are done need not be done again.
        if cache is not None:
            cache.flush()
