"""What the person at the camera should do, live: one place on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, final

from appliance.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

# Lines that follow each other faster are not read.
_APART_S = 1.0


@final
class Guidance(AbstractContextManager["Guidance"]):
    """Shows the newest sentence and how many frames are taken, on standard error.

    On a terminal it stays in its place and goes away in the end; elsewhere each new sentence is a
    line. now: seconds, for not saying too much at once.
    """

    def __init__(self, session: Session, now: Callable[[], float] = time.monotonic) -> None:
        self._session, self._now = session, now
        self._live: Live | None = None
        self._said: str | None = None
        self._told: str | None = None
        self._said_at = float("-inf")

    def __enter__(self) -> Guidance:
        console = self._session.error_console()
        if console.is_terminal:
            from rich.live import Live

            self._live = Live("", console=console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def tell(
        self, say: str, taken: int = 0, of: int | None = None, *, urgent: bool = False
    ) -> None:
        """What to do now. of: how many frames are wanted; None shows no count.

        urgent: it is to be done at once, so it is a line however short ago the last one was.
        """
        before, self._told = self._told, say
        due = say != self._said and self._now() - self._said_at >= _APART_S
        if self._live is not None:
            self._live.update(_shown(say, taken, of), refresh=True)
        elif due or (urgent and say != before):
            self._said, self._said_at = say, self._now()
            self._session.say(say if of is None else f"{say} ({taken} of {of} frames)")


def _shown(say: str, taken: int, of: int | None) -> RenderableType:
    from rich.text import Text

    text = Text("  ").append(say, style="bold")
    if of is not None:
        done = min(taken, of)
        text.append("\n  ").append("●" * done, style="green").append("○" * (of - done), "dim")
        text.append(f"  {done} of {of}", style="dim")
    return text
