"""`appliance identify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from appliance import assemble
from appliance.attempt import Attempt
from appliance.cli.session import Session, from_option, json_option, leave
from appliance.cli.sources import is_without_infrared, opened_camera, seeing
from appliance.cli.wording import describe_match, distances_json, threshold_json, threshold_told
from appliance.errors import ExitCode
from appliance.matching import Anybody
from appliance.reports.verdicts import liveness_json
from appliance.types import Claim, Decision, Match, Verdict

if TYPE_CHECKING:
    from rich.console import Console

# How many of the nearest people are told.
CANDIDATES = 5


@click.command("identify")
@from_option
@json_option
@click.pass_obj
def command(session: Session, sources: tuple[Path, ...]) -> None:
    """Tell whose face this is, among everybody enrolled.

    It only tells: at the door a claim is needed. With N people enrolled the false-accept rate
    of a single comparison must be N times smaller, so identify is stricter than verify.

    \b
    Example:
      appliance identify --from door.jpg
    """
    config = session.config
    with assemble.store(config, create=False) as store:
        people = Anybody(list(store.people.everybody()))
    verdict = _verdict(session, people, sources)
    if not people.count:
        verdict = replace(verdict, reason="Nobody is enrolled yet.")
    accepted = verdict.decision is Decision.ACCEPT
    nearest = people.candidates[:CANDIDATES]
    data: dict[str, object] = {
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "name": nearest[0][0] if accepted else None,
        "candidates": [
            {"name": name, "similarity": round(match.similarity, 5)} for name, match in nearest
        ],
        "threshold": round(verdict.match.threshold, 5) if verdict.match else None,
        "distances": _distances(verdict, nearest),
        "target_far": config.verification.target_far,
        "frames_used": verdict.frames_used,
        "liveness": liveness_json(
            verdict.liveness,
            verdict.frames_used,
            without_infrared=is_without_infrared(session, sources),
        ),
    }
    session.result(data, lambda console: _for_people(console, verdict, nearest))
    leave(ExitCode.OK if accepted else ExitCode.NO)


def _verdict(session: Session, people: Anybody, sources: Sequence[Path]) -> Verdict:
    config = session.config
    with opened_camera(session, sources) as camera, seeing(session, sources) as perception:
        rules = assemble.rules(config, unlock=False, live=camera.live)
        attempt = Attempt(perception, rules, assemble.clock())
        reference = people if people.count else None
        with session.progress("Looking at frames", camera.length) as advance:
            claim = Claim("anybody", "identify")
            return attempt.run(claim, reference, camera, seen=lambda _: advance())


def _distances(verdict: Verdict, nearest: Sequence[tuple[str, Match]]) -> dict[str, object] | None:
    """The same as Euclidean distances: of the candidates, in their order, and of the threshold."""
    if verdict.match is None:
        return None
    return {
        "candidates": [distances_json(match.similarity) for _, match in nearest],
        "threshold": threshold_json(verdict.match.threshold),
    }


def _for_people(console: Console, verdict: Verdict, nearest: Sequence[tuple[str, Match]]) -> None:
    if verdict.decision is Decision.ACCEPT:
        console.print(f"[bold green]{escape(nearest[0][0])}[/]")
    else:
        console.print(f"[bold red]{verdict.decision.value}[/]  {verdict.reason}")
    for name, match in nearest:
        told = distances_json(match.similarity)
        distances = f"distance {told['distance']:.3f}, squared {told['squared_distance']:.3f}"
        console.print(f"  {match.similarity:6.3f}  {escape(name)}  ({distances})")
    if verdict.match is not None:
        console.print(f"  {describe_match(verdict.match)}")
        told_as = threshold_told(verdict.match.threshold)
        console.print(f"  the threshold as a distance: {told_as}")
