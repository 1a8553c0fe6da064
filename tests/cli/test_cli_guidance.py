"""What the person at the camera reads: in one place on a terminal, line by line elsewhere."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from rich.console import Console

from appliance.cli.guidance import Guidance
from appliance.cli.session import Session
from tests.fakes import FakeClock


class Terminal(Session):
    """Standard error is a terminal, or a file."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.written_to = io.StringIO()
        self.terminal = terminal

    def error_console(self) -> Console:
        return Console(file=self.written_to, force_terminal=self.terminal, width=60)


def test_elsewhere_each_new_sentence_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Guidance(Terminal(terminal=False), clock.monotonic) as guidance:
        for say, taken in [("Come closer.", 0), ("Come closer.", 0), ("Hold still.", 1)]:
            guidance.tell(say, taken, 3)
            clock.advance(1.5)
    assert capsys.readouterr().err == (
        "Come closer. (0 of 3 frames)\nHold still. (1 of 3 frames)\n"
    )


def test_sentences_that_flicker_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Guidance(Terminal(terminal=False), clock.monotonic) as guidance:
        for number in range(60):  # four seconds
            guidance.tell("Come closer." if number % 2 else "Hold still.")
            clock.advance(1 / 15)
    said = capsys.readouterr().err.splitlines()
    assert 3 <= len(said) <= 5
    assert all(one != other for one, other in pairwise(said))


def test_on_a_terminal_it_stays_in_its_place_and_goes_away() -> None:
    session = Terminal(terminal=True)
    with Guidance(session) as guidance:
        guidance.tell("Turn your head a little to your left.", 4, 10)
        shown = session.written_to.getvalue()
        guidance.tell("Look straight at the camera.", 12, 10)
        later = session.written_to.getvalue()[len(shown) :]
    assert "Turn your head a little to your left." in shown
    assert (shown.count("●"), shown.count("○")) == (4, 6)
    assert "4 of 10" in shown
    # The lines before are taken back: cursor up and erase, not a new line below.
    assert "\x1b[1A\x1b[2K" in later
    assert "10 of 10" in later
    assert "\x1b[?25h" in session.written_to.getvalue()  # and the cursor is there again


def test_a_sentence_is_text_and_no_markup() -> None:
    session = Terminal(terminal=True)
    with Guidance(session) as guidance:
        guidance.tell("[red]Hold[/] still.")
        assert "[red]Hold[/] still." in session.written_to.getvalue()
