"""What every command shares: the config, and one way to speak to scripts and to people.

With --json, standard output is exactly one JSON object; whatever people should read goes to
standard error. Without it, results are written for people on standard output.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance import config
from appliance.errors import ApplianceError, BadDataError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

# The code of an error that standard output itself has.
OUTPUT = "output"
# What a table may take where nobody's terminal says how wide it is.
_WIDTH_OF_A_FILE = 200


class Session:
    """One call of the command line."""

    def __init__(self, config_path: Path | None = None, *, as_json: bool = False) -> None:
        self._config_path = config_path
        self._config: config.Config | None = None
        self._written: config.Config | None = None
        self.as_json = as_json

    @property
    def written(self) -> config.Config:
        """The config as it is written, read on first use. Raises ConfigError."""
        if self._written is None:
            path = self.config_path
            self._written = config.Config() if path is None else config.load(path)
        return self._written

    @property
    def config(self) -> config.Config:
        """What is in force, `model.name: auto` settled once for the whole command.

        Raises ConfigError.
        """
        if self._config is None:
            settled = self.written
            if settled.model.name == config.AUTO:
                from appliance import auto

                settled = auto.settled(settled)
            self._config = settled
        return self._config

    @property
    def config_path(self) -> Path | None:
        """--config, else $APPLIANCE_CONFIG, else the system's file; None: only defaults."""
        if self._config_path is not None:
            return self._config_path
        if named := os.environ.get("APPLIANCE_CONFIG"):
            return Path(named)
        try:
            return config.SYSTEM_CONFIG if config.SYSTEM_CONFIG.is_file() else None
        except PermissionError:
            # There may be one; reading it will tell that it is closed to this user.
            return config.SYSTEM_CONFIG

    def result(self, data: dict[str, Any], people: Callable[[Console], None]) -> None:
        """Show a result: as JSON, or the way `people` prints it.

        A reader who has gone takes nothing from the outcome, so the exit code stays the command's
        own. BadDataError `output` when the result cannot be written for another reason.
        """
        self._show(data, lambda: people(_console(stderr=False)))

    def lines(self, data: dict[str, Any], lines: Iterable[str]) -> None:
        """The same, of lines that need no table: for what must be quick."""
        self._show(data, lambda: click.echo("\n".join(lines)))

    def _show(self, data: dict[str, Any], people: Callable[[], None]) -> None:
        try:
            if self.as_json:
                click.echo(json_text(data))
            else:
                people()
            flush_output()
        except OSError as error:
            drop_output()
            if not isinstance(error, BrokenPipeError):
                raise _unwritten(error) from error

    def say(self, text: str) -> None:
        """A sentence for people, beside the result."""
        click.echo(text, err=True)

    def error_console(self) -> Console:
        """Standard error, for what is shown beside the result."""
        return _console(stderr=True)

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

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            """Let it through: rich would leave with an exit code of its own."""
            raise BrokenPipeError

    # emoji: `:door:` in a file's name is not a picture of a door.
    console = Pipe(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_A_FILE
    return console


def json_text(data: dict[str, Any]) -> str:
    """One line of JSON that standard output can take."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        # A file name that is no UTF-8, or a narrow encoding: escapes say the same.
        return json.dumps(data, allow_nan=False)
    return text


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would obey instead of show."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def json_option(command: Command) -> Command:
    """--json, after the command's name as well as before it."""

    # click calls it with these three in this order
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
        type=_Source(path_type=Path),
        metavar="PATH",
        help="A picture, a folder of pictures or a video instead of the camera. Repeatable.",
    )(command)


class _Source(click.Path):
    """A path; an empty one, as of an unset variable, would mean the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty path."""
        if not str(value):
            self.fail("the path is empty; is a variable of your script unset?", param, ctx)
        return super().convert(value, param, ctx)


def name_option(command: Command) -> Command:
    """--name NAME."""
    return click.option("--name", required=True, help="Whose face this is.")(command)


def report(error: ApplianceError, *, as_json: bool) -> None:
    """Tell an error: one object for scripts, one sentence and a hint for people."""
    if as_json and error.code != OUTPUT:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        try:
            click.echo(json_text({"error": told}))
            flush_output()
        except OSError:
            drop_output()  # and tell people, at least
        else:
            return
    message = printable(error.message)
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)
    if error.hint:
        click.echo(f"  {printable(error.hint)}", err=True)


def leave(code: ExitCode) -> None:
    """End the command with an exit code."""
    raise click.exceptions.Exit(int(code))


def counted(words: Iterable[str]) -> str:
    """'3 no_face, 1 too_small' from the words, most frequent first."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in ranked)


def settle_streams() -> None:
    """Standard streams that can always be written to.

    A closed one (`>&-`) becomes /dev/null: its number would go to the next file that is opened,
    and a message into that file. What an encoding does not know is escaped.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number < 3:  # the lowest free number is taken, so the closed ones come first
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    # They stay open until the process ends, as the streams that they stand in for would.
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Find out now whether standard output was written. Raises OSError."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Let what is left go nowhere, or the interpreter would complain once more at its end."""
    with suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _unwritten(error: OSError) -> BadDataError:
    reason = (error.strerror or str(error)).lower()
    return BadDataError(
        f"The command has run, but its result could not be written: {reason}.",
        hint="Standard output goes to a full disk or to something that takes nothing.",
        code=OUTPUT,
    )
