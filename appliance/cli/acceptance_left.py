"""How an acceptance is left: a service that it had stopped is not left so without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from appliance.acceptance.values import Status
from appliance.cli.acceptance_probes import BY_HAND, BY_SYSTEMCTL

if TYPE_CHECKING:
    from appliance.acceptance.course import Course
    from appliance.acceptance.values import Site
    from appliance.cli.acceptance_probes import CliProbes
    from appliance.cli.acceptance_shown import Shown


@contextmanager
def given_back(course: Course, site: Site, probes: CliProbes, shown: Shown) -> Iterator[None]:
    """However the steps are left: say that the service stands still, and offer to start it again.

    Only what an acceptance has stopped is started. Where a signal ended it, such as a connection
    that broke, nobody can be asked: it is started then, for so it was found.
    """
    try:
        yield
    except SystemExit:
        _settle(course, site, probes, shown, asks=False)
        raise
    except BaseException:
        _settle(course, site, probes, shown, asks=True)
        raise
    _settle(course, site, probes, shown, asks=True)


def _settle(course: Course, site: Site, probes: CliProbes, shown: Shown, *, asks: bool) -> None:
    how = _how_it_was_stopped(course, probes)
    if not how or probes.runs():
        return
    now = "the door stands open to anybody" if site.fail == "safe" else "nobody is let in"
    _told(shown.warns, f"The service is stopped: {now} until `systemctl start appliance`.")
    if how == BY_SYSTEMCTL and (_wanted(shown) if asks else True):
        if probes.started():
            _told(shown.told, "It was started again.")
        else:
            _told(shown.warns, "It could not be started: `journalctl -u appliance` may tell why.")


def _how_it_was_stopped(course: Course, probes: CliProbes) -> str:
    """Empty where it was not, or was started again since."""
    stopped, started = map(course.progress.results.get, ("service_stopped", "service_running"))
    if probes.stopped:
        return BY_SYSTEMCTL
    if started is not None and started.status is Status.PASSED:
        return ""
    how = "" if stopped is None else str(stopped.facts.get("how", ""))
    return how if how in {BY_SYSTEMCTL, BY_HAND} else ""


def _wanted(shown: Shown) -> bool:
    try:
        return shown.restarts()
    except (click.Abort, KeyboardInterrupt):
        return False


def _told(tells: Callable[[str], None], sentence: str) -> None:
    with suppress(OSError):  # a terminal that is gone must not keep it from being started
        tells(sentence)
