"""How an acceptance is left: the service is not left stopped without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import click
import pytest

from appliance.acceptance.course import Course, NotReadyError
from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Result, Service, Site, Status
from appliance.cli.acceptance_left import given_back
from appliance.cli.acceptance_probes import CliProbes, Surroundings
from appliance.cli.acceptance_shown import Shown
from appliance.cli.session import Session
from appliance.control.authority import Caller
from appliance.inspection import failures
from appliance.store.store import Store
from tests.acceptance.parts import WHOLE

STOPPED = Result("service_stopped", Status.PASSED, facts={"how": "systemctl"})


class Left:
    """A door whose acceptance is left; what was said, and whether the service was started."""

    def __init__(self, *results: Result, runs: bool = False, wanted: bool = True) -> None:
        self.progress = Progress("run", "", "", results={it.key: it for it in results})
        self.said: list[str] = []
        self.starts = 0
        self.probes = SimpleNamespace(stopped=False, runs=lambda: runs, started=self._start)
        said = self.said.append
        self.shown = SimpleNamespace(told=said, warns=said, restarts=lambda: wanted)

    def _start(self) -> bool:
        self.starts += 1
        return True

    def by(self, leaving: Callable[[], None], site: Site = WHOLE) -> None:
        with given_back(
            cast("Course", SimpleNamespace(progress=self.progress)),
            site,
            cast("CliProbes", self.probes),
            cast("Shown", self.shown),
        ):
            leaving()


def nothing() -> None:
    """The steps are left by q."""


def raises(error: BaseException) -> Callable[[], None]:
    def leaving() -> None:
        raise error

    return leaving


def test_who_leaves_is_told_and_asked() -> None:
    for wanted in (True, False):
        left = Left(STOPPED, wanted=wanted)
        left.by(nothing)
        assert left.said[0].startswith("The service is stopped: nobody is let in until")
        assert left.starts == wanted
    left = Left(STOPPED)
    left.by(nothing, Site(door="gpiozero", fail="safe"))
    assert "the door stands open to anybody" in left.said[0]


@pytest.mark.parametrize("error", [SystemExit(129), click.Abort(), KeyboardInterrupt()])
def test_a_signal_starts_what_was_stopped_without_asking(error: BaseException) -> None:
    left = Left(STOPPED, wanted=False)
    with pytest.raises(type(error)):
        left.by(raises(error))
    assert left.starts == isinstance(error, SystemExit)
    assert left.said


def test_a_terminal_that_is_gone_keeps_it_from_nothing() -> None:
    left = Left(STOPPED)
    left.shown.told = left.shown.warns = lambda _sentence: raises(
        OSError(5, "Input/output error")
    )()
    with pytest.raises(SystemExit):
        left.by(raises(SystemExit(129)))
    assert left.starts == 1


def test_what_nobody_stopped_or_what_runs_is_left_alone() -> None:
    by_hand = Result("service_stopped", Status.PASSED, facts={"how": "by hand"})
    never_ran = Result("service_stopped", Status.PASSED, facts={"how": "it did not run"})
    again = Result("service_running", Status.PASSED)
    for left, told in (
        (Left(by_hand), True),
        (Left(never_ran), False),
        (Left(), False),
        (Left(STOPPED, again), False),
        (Left(STOPPED, runs=True), False),
    ):
        left.by(nothing)
        assert (bool(left.said), left.starts) == (told, 0)
    # Stopped a second time, in this call.
    left = Left(STOPPED, again)
    left.probes.stopped = True
    left.by(nothing)
    assert left.starts == 1


def test_the_service_must_use_what_is_signed_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "config.yaml").write_text("{}")
    (link := tmp_path / "link.yaml").symlink_to(file)
    answer = SimpleNamespace(config=str(file))
    monkeypatch.setattr(failures, "answers", lambda _client: answer)
    nowhere = cast("Store", None), cast("Caller", None), cast("Surroundings", None)
    CliProbes(Session(file), *nowhere)._require(Service.RUNNING)
    CliProbes(Session(link), *nowhere)._require(Service.RUNNING)
    for other in (None, "/etc/another.yaml", "another.yaml"):
        answer.config = other
        with pytest.raises(NotReadyError) as told:
            CliProbes(Session(file), *nowhere)._require(Service.RUNNING)
        assert "uses" in told.value.message
