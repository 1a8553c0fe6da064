"""How an acceptance looks on a terminal: one step after the other, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from appliance.acceptance.answers import LONGEST_NOTE
from appliance.acceptance.course import Begin, Go, Leave, NotReadyError, Said, Skip
from appliance.acceptance.values import Facts, Outcome, Result, Status, Step
from appliance.cli.session import Session, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from appliance.errors import StoreError

_SIGNS = {
    Status.PASSED: ("✓", "bold green", "passed"),
    Status.FAILED: ("✗", "bold red", "failed"),
    Status.SKIPPED: ("-", "yellow", "skipped"),
    Status.ABSENT: (" ", "dim", "not at this door"),
    Status.OPEN: ("…", "dim", "open"),
}
_ENDS = {
    Outcome.ACCEPTED: ("bold green", "Accepted."),
    Outcome.FAILED: ("bold red", "Failed."),
    Outcome.INCOMPLETE: ("bold yellow", "Incomplete: something that counts was skipped."),
    Outcome.UNFINISHED: ("bold yellow", "Not finished."),
}
_WIDTH = 100
_BAR = 24


class Shown:
    """Shows what goes on; says nothing itself. For whoever reads, and beneath `Asked`."""

    def __init__(self, session: Session) -> None:
        self.console: Console = session.error_console()
        self.section = ""

    def opens(self, step: Step, number: int, of: int) -> None:
        """The step's title, and what is to be done."""
        from rich.panel import Panel
        from rich.text import Text

        console = self.console
        if not console.is_terminal:
            console.print(f"[{number}/{of}] {step.title}", markup=False)
            return
        done = round(_BAR * (number - 1) / of)
        text = Text(step.title, style="bold")
        for place, sentence in enumerate(step.do, 1):
            text.append(f"\n  {place}. " if len(step.do) > 1 else "\n  ").append(
                sentence, style="not bold"
            )
        if step.consent:
            text.append(f"\n  ! {step.consent}", style="not bold yellow")
        bar = "━" * done + "╌" * (_BAR - done)
        title = f"[bold]{step.section}[/]"
        place_text = f"step {number} of {of}  {bar}"
        console.print()
        console.print(
            Panel(
                text,
                title=title,
                title_align="left",
                subtitle=f"[dim]{place_text}[/]",
                subtitle_align="right",
                border_style="cyan",
                width=min(console.width, _WIDTH),
            ),
            soft_wrap=False,
        )

    def measured(self, _step: Step, facts: Facts) -> None:
        """The facts, two columns; long ones are cut, the report has them whole."""
        if not facts:
            return
        if not self.console.is_terminal:
            return
        self.console.print(_table(facts, self.console.width), soft_wrap=False)

    def closes(self, _step: Step, result: Result) -> None:
        """What became of it."""
        sign, style, word = _SIGNS[result.status]
        reason = f": {printable(result.reason)}" if result.reason else ""
        self.console.print(f"  [{style}]{sign} {word}[/]", end="")
        self.console.print(reason, markup=False)

    def ends(self, outcome: Outcome, results: list[Result]) -> None:
        """The summary."""
        style, sentence = _ENDS[outcome]
        counts = {status: sum(it.status is status for it in results) for status in Status}
        told = ", ".join(f"{count} {_SIGNS[it][2]}" for it, count in counts.items() if count)
        self.console.print()
        self.console.print(f"[{style}]{sentence}[/] {told}")

    def told(self, sentence: str) -> None:
        """Something beside."""
        self.console.print(f"  {printable(sentence)}", markup=False, style="dim")

    def warns(self, sentence: str) -> None:
        """Something that must not be overlooked."""
        self.console.print(f"  ! {printable(sentence)}", markup=False, style="bold yellow")

    @contextmanager
    def busy(self, step: Step) -> Iterator[None]:
        """A sign that something goes on, on a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status(f"[dim]{step.probe.replace('_', ' ')} …[/]"):
            yield

    def unready(self, _step: Step, error: NotReadyError) -> Begin:
        """What is in the way."""
        self.told(f"{error.message} {error.hint}")
        return Leave()

    # A reader of the log answers nothing; `Script` does that instead.
    def ready(self, _step: Step) -> Begin:
        """Nobody is there to wait for."""
        return Go()

    def answer(self, _step: Step) -> Said | Leave:
        """Nobody is there to answer."""
        return Leave()

    def again(self, _step: Step, _result: Result) -> bool:
        """Nobody is there to mend something."""
        return False

    def power(self, _step: Step) -> Begin:
        """Nobody is there to pull the plug."""
        return Leave()

    def unsaved(self, _error: StoreError) -> bool:
        """Nobody is there to make room."""
        return False

    def restarts(self) -> bool:
        """Nobody is there to say whether the service is to run again."""
        return False


class Asked(Shown):
    """The same with a person at the terminal. click reads, so Ctrl-C and Ctrl-D end it."""

    def ready(self, step: Step) -> Begin:
        """Enter, or y where something moves; s skips, q leaves."""
        if not (step.do or step.consent):
            return Go()  # only measured, or only asked for
        if step.consent:
            return self._choice("Go ahead?  y yes   s skip   q leave", "ysq", default=None)
        return self._choice("Ready?  Enter go on   s skip   q leave", "ysq", default="y")

    def unready(self, step: Step, error: NotReadyError) -> Begin:
        """Enter when it was started or stopped."""
        super().unready(step, error)
        return self._choice("Done?  Enter try again   s skip   q leave", "ysq", default="y")

    def answer(self, step: Step) -> Said | Leave:
        """y, n or q; a no may be explained."""
        word = self._key(f"{step.ask}  y/n   q leave", "ynq", default=None)
        if word == "q":
            return Leave()
        return Said(yes=True) if word == "y" else Said(yes=False, note=self._line("A note", ""))

    def again(self, step: Step, _result: Result) -> bool:
        """Something may have been mended meanwhile."""
        retry = "Try this step again?  y/n"
        counts = "" if step.required else " (it does not count)"
        return self._key(f"{retry}{counts}", "yn", default="n") == "y"

    def power(self, step: Step) -> Begin:
        """Wait until the power goes, or the person thinks better of it."""
        self.told("What was done so far is kept. Pull the plug now, as above.")
        return self._choice(
            f"Waiting for the power to go ({step.key})   s skip   q leave", "sq", default="q"
        )

    def unsaved(self, error: StoreError) -> bool:
        """Something may make room for it."""
        self.console.print(f"  {printable(error.message)} {printable(error.hint)}", style="red")
        return self._key("Try again to keep it?  y/n", "yn", default="y") == "y"

    def restarts(self) -> bool:
        """Whether the service that was stopped is started again."""
        return self._key("Start the service again now?  y/n", "yn", default="y") == "y"

    def whom(self) -> str:
        """Whose face is to be verified."""
        return self._line("Name of the enrolled person", None)

    def _choice(self, text: str, keys: str, default: str | None) -> Begin:
        word = self._key(text, keys, default)
        if word == "q":
            return Leave()
        return Skip(self._line("Why is it skipped?", None)) if word == "s" else Go()

    def _key(self, text: str, keys: str, default: str | None) -> str:
        while True:
            word = (
                str(click.prompt(f"  {text}", default=default, show_default=False, err=True))
                .strip()
                .lower()
            )
            if word[:1] and word[:1] in keys:
                return word[:1]

    def _line(self, text: str, default: str | None) -> str:
        while True:
            line: Any = click.prompt(f"  {text}", default=default, show_default=False, err=True)
            plain = printable(str(line).strip())[:LONGEST_NOTE]
            if plain or default is not None:
                return plain


def _table(facts: Facts, width: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right", min_width=18, no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=min(width, _WIDTH) - 26)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), Text(printable(_cell(value))))
    return table


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(it)}" for key, it in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value)) or "none"
    return "not known" if value is None else str(value)
