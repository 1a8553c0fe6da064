"""What every command shares: the config, and one way to speak to scripts and to people.

With --json, standard output is exactly one JSON object; whatever people should read goes to
standard error. Without it, results are written for people on standard output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance import config
from appliance.errors import ApplianceError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


class Session:
    """One call of the command line."""

    def __init__(self, config_path: Path | None = None, *, as_json: bool = False) -> None:
        self._config_path = config_path
        self._config: config.Config | None = None
        self.as_json = as_json

    @property
    def config(self) -> config.Config:
        """Read on first use. Raises ConfigError."""
        if self._config is None:
            path = self.config_path
            self._config = config.Config() if path is None else config.load(path)
        return self._config

    @property
    def config_path(self) -> Path | None:
        """--config, else $APPLIANCE_CONFIG, else the system's file; None: only defaults."""
        if self._config_path is not None:
            return self._config_path
        if named := os.environ.get("APPLIANCE_CONFIG"):
            return Path(named)
        return config.SYSTEM_CONFIG if config.SYSTEM_CONFIG.is_file() else None

    def result(self, data: dict[str, Any], people: Callable[[Console], None]) -> None:
        """Show a result: as JSON, or the way `people` prints it."""
        if self.as_json:
            click.echo(json.dumps(data, ensure_ascii=False, allow_nan=False))
        else:
            people(_console(stderr=False))

    def say(self, text: str) -> None:
        """A sentence for people, beside the result."""
        click.echo(text, err=True)

    @contextmanager
    def progress(self, what: str, length: int | None) -> Iterator[Callable[[], None]]:
        """A progress bar on a terminal; nothing elsewhere, and nothing for short work."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        console = _console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
        quiet = not console.is_terminal or (length is not None and length < 5)
        with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
            task = bar.add_task(what, total=length)
            yield lambda: bar.advance(task)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def json_option(command: Command) -> Command:
    """--json, after the command's name as well as before it."""

    def remember(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001
        if value:
            context.ensure_object(Session).as_json = True

    return click.option(
        "--json",
        "json_here",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Print one JSON object and nothing else on standard output.",
    )(command)


def from_option(command: Command) -> Command:
    """--from PATH, repeatable."""
    return click.option(
        "--from",
        "sources",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="A picture, a folder of pictures or a video instead of the camera. Repeatable.",
    )(command)


def name_option(command: Command) -> Command:
    """--name NAME."""
    return click.option("--name", required=True, help="Whose face this is.")(command)


def report(error: ApplianceError, *, as_json: bool) -> None:
    """Tell an error: one object for scripts, one sentence and a hint for people."""
    if as_json:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        click.echo(json.dumps({"error": told}, ensure_ascii=False))
        return
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def leave(code: ExitCode) -> None:
    """End the command with an exit code."""
    raise click.exceptions.Exit(int(code))


def percent(share: float) -> str:
    """A small rate for people: 0.001 % rather than 1e-05."""
    return f"{100 * share:.4g} %"


def counted(words: Iterable[str]) -> str:
    """'3 no_face, 1 too_small' from the words, most frequent first."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in ranked)


def stdout_is_broken() -> None:
    """Silence the interpreter's own complaint when a reader such as `head` has gone."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the exit
