"""The threads of the service: each has a name, and none of them dies unnoticed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

log = logging.getLogger(__name__)

# How long an orderly end waits for a task before it is left behind.
JOIN_S = 3.0


class Task:
    """One thread. failed: hears its name and what it died of, in that thread."""

    def __init__(
        self, name: str, work: Callable[[], None], failed: Callable[[str, BaseException], None]
    ) -> None:
        self.name = name
        self._work = work
        self._failed = failed
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> bool:
        """Wait for its end, for a while; False when it has not ended."""
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            log.critical("the task %s died", self.name, exc_info=error)
            self._failed(self.name, error)
