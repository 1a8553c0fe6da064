"""The dialog at a terminal: what is shown, and what keys are taken for."""

from __future__ import annotations

import io
from collections.abc import Callable

import click
import pytest
from rich.console import Console

from appliance.acceptance.course import Go, Leave, NotReadyError, Said, Skip
from appliance.acceptance.plan import BY_KEY
from appliance.acceptance.values import Outcome, Result, Status
from appliance.cli.acceptance_shown import Asked, Shown
from appliance.cli.session import Session
from appliance.errors import StoreError

Typed = Callable[..., Asked]


class Terminal(Session):
    """A session whose standard error is kept, as a terminal of 100 columns."""

    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self.said = io.StringIO()
        self._console = Console(
            file=self.said, force_terminal=terminal, width=100, highlight=False, soft_wrap=True
        )

    def error_console(self) -> Console:
        return self._console


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """A dialog with somebody who types these lines; an empty one takes the default."""

    def dialog(*lines: str) -> Asked:
        left = list(lines)

        def prompt(_text: str, default: str | None = None, **_options: object) -> str:
            while True:
                if not left:
                    raise click.Abort
                line = left.pop(0)
                if line or default is not None:
                    return line or str(default)

        monkeypatch.setattr(click, "prompt", prompt)
        return Asked(Terminal())

    return dialog


def test_a_step_that_moves_something_needs_a_yes(typed: Typed) -> None:
    assert typed("", "x", "Yes").ready(BY_KEY["pulse"]) == Go()
    assert typed("q").ready(BY_KEY["pulse"]) == Leave()
    with pytest.raises(click.Abort):
        typed("", "", "maybe").ready(BY_KEY["pulse"])


def test_another_step_begins_with_enter(typed: Typed) -> None:
    assert typed("").ready(BY_KEY["camera"]) == Go()
    assert typed().ready(BY_KEY["identity"]) == Go()  # nothing to be done, nothing to wait for


def test_who_skips_says_why(typed: Typed) -> None:
    assert typed("s", "", "no magnet yet").ready(BY_KEY["strike"]) == Skip("no magnet yet")


def test_a_no_may_be_explained(typed: Typed) -> None:
    assert typed("", "n", "too tight\x1b[2J").answer(BY_KEY["strike"]) == Said(
        yes=False, note="too tight\\x1b[2J"
    )
    assert typed("n", "").answer(BY_KEY["strike"]) == Said(yes=False)
    assert typed("y").answer(BY_KEY["strike"]) == Said(yes=True)
    assert typed("q").answer(BY_KEY["strike"]) == Leave()


def test_the_power_is_waited_for(typed: Typed) -> None:
    assert typed("").power(BY_KEY["boot"]) == Leave()
    assert typed("s", "later").power(BY_KEY["clock"]) == Skip("later")


def test_what_is_in_the_way_is_told(typed: Typed) -> None:
    it = typed("")
    error = NotReadyError("The service is running.", hint="Stop it.")
    assert it.unready(BY_KEY["pulse"], error) == Go()
    full = StoreError("The disk is full.")
    assert typed("n").unsaved(full) is False
    assert typed("").unsaved(full) is True
    assert typed("").again(BY_KEY["pulse"], Result("pulse", Status.FAILED)) is False


def shown(*, terminal: bool) -> str:
    session = Terminal(terminal=terminal)
    it = Shown(session)
    it.opens(BY_KEY["strike"], 3, 20)
    it.measured(BY_KEY["strike"], {"measured_s": 3.0, "read_back": True, "fps": None, "of": {}})
    it.closes(BY_KEY["strike"], Result("strike", Status.FAILED, "It [bold]stuck\x1b[2J."))
    it.ends(Outcome.FAILED, [Result("strike", Status.FAILED), Result("sound", Status.PASSED)])
    return session.said.getvalue()


def test_a_step_says_what_to_do_what_was_measured_and_what_came_of_it() -> None:
    text = shown(terminal=True)
    for part in ("step 3 of 20", "Pull or push the door", "measured s", "3.0", "not known"):
        assert part in text
    assert "It [bold]stuck\\x1b[2J." in text
    assert "1 passed, 1 failed" in text


def test_a_file_is_told_in_lines() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "[3/20] The door can be opened while the lock is released"
    assert "\x1b" not in "".join(lines)
