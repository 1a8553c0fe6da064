"""`appliance verify`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from appliance import assemble
from appliance.attempt import Attempt, DoorRoom
from appliance.cli.session import Session, from_option, json_option, leave, name_option
from appliance.cli.sources import opened_camera
from appliance.cli.wording import describe_match
from appliance.errors import ExitCode
from appliance.matching import Claimed
from appliance.reports.verdicts import describe_basis, verdict_json
from appliance.store.names import check_name
from appliance.types import Claim, Decision, Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.perception import Timings
    from appliance.store.store import Store


@click.command("verify")
@name_option
@from_option
@click.option(
    "--unlock",
    is_flag=True,
    help="Make it an attempt at the door: three live frames, lock-out, audit, and the lock moves.",
)
@json_option
@click.pass_obj
def command(session: Session, name: str, sources: tuple[Path, ...], *, unlock: bool) -> None:
    """Tell whether a face is the one enrolled under a name.

    Without --unlock it only tells and changes nothing; one good picture is enough. Files never
    open a real door: together with --from, --unlock needs door.driver: simulated.

    \b
    Example:
      appliance verify --name alice --from door.jpg
    """
    name = check_name(name)
    config = session.config
    if unlock:
        assemble.refuse_files_at_a_real_door(config, sources)
    started = time.monotonic()
    with ExitStack() as stack:
        store = stack.enter_context(assemble.store(config, create=unlock))
        person = store.people.get(name)
        room = _door_room(config, stack, store) if unlock else None
        claim = Claim(person.name if person else name, "command")
        reference = Claimed(person, lambda: store.people.get(claim.name)) if person else None
        verdict, timings = _attempt(session, claim, reference, sources, room)
    spent = timings.rounded() | {"total": round((time.monotonic() - started) * 1000, 1)}
    data = verdict_json(name, verdict, config.verification.target_far, spent)
    session.result(data, lambda console: _for_people(console, name, verdict, spent))
    leave(ExitCode.OK if verdict.decision is Decision.ACCEPT else ExitCode.NO)


def _door_room(config: Config, stack: ExitStack, store: Store) -> DoorRoom:
    """The lock, held against other processes and commanded locked at both ends."""
    stack.enter_context(assemble.devices(config))
    lock = stack.enter_context(closing(assemble.lock(config)))
    return assemble.door_room(config, lock, store)


def _attempt(
    session: Session,
    claim: Claim,
    reference: Claimed | None,
    sources: Sequence[Path],
    room: DoorRoom | None,
) -> tuple[Verdict, Timings]:
    config = session.config
    with opened_camera(session, sources, held=room is not None) as camera:
        perception = assemble.perception(config)
        rules = assemble.rules(config, unlock=room is not None, live=camera.live)
        attempt = Attempt(perception, rules, assemble.clock(), room)
        length = camera.length if reference else 0
        with session.progress("Looking at frames", length) as advance:
            verdict = attempt.run(claim, reference, camera, seen=lambda _: advance())
        return verdict, perception.timings


def _for_people(console: Console, name: str, verdict: Verdict, timings: dict[str, float]) -> None:
    yes = verdict.decision is Decision.ACCEPT
    style = "bold green" if yes else "bold red"
    console.print(f"[{style}]{verdict.decision.value}[/]  {escape(name)}: {verdict.reason}")
    if verdict.match is not None:
        console.print(f"  {describe_match(verdict.match)}")
    if verdict.frames_used:
        console.print(f"  {_frames_used(verdict)}")
    console.print(f"  {timings['total']:.0f} ms in all")


def _frames_used(verdict: Verdict) -> str:
    frames = "1 frame" if verdict.frames_used == 1 else f"{verdict.frames_used} frames"
    live = verdict.liveness
    score = "" if live.score is None else f" {live.score:.2f}"
    basis = describe_basis(verdict.frames_used, live.state)
    return f"{frames} used, liveness {live.state.value}{score} ({basis})"
