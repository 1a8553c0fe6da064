"""Verification by the command itself: from files, or with devices that no service holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import advice, assemble
from appliance.attempt import Attempt, DoorRoom
from appliance.cli.guidance import Guidance
from appliance.cli.session import Session
from appliance.cli.sources import is_without_infrared, opened_camera, seeing
from appliance.matching import Claimed
from appliance.perception import Observation
from appliance.reports.verdicts import verdict_json
from appliance.types import Claim, Verdict

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.perception import Timings
    from appliance.store.store import Store


def verified(
    session: Session, name: str, sources: Sequence[Path], *, unlock: bool
) -> dict[str, object]:
    """The result as JSON. name: checked. UsageError when files would open a real door."""
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
    target_far, blind = config.verification.target_far, is_without_infrared(session, sources)
    return verdict_json(name, verdict, target_far, spent, without_infrared=blind)


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
    held = room is not None
    with opened_camera(session, sources, held=held) as camera, seeing(session, sources) as pipeline:
        rules = assemble.rules(config, unlock=room is not None, live=camera.live)
        attempt = Attempt(pipeline, rules, assemble.clock(), room)
        length = camera.length if reference else 0
        with _shown(session, length, live=camera.live) as seen:
            verdict = attempt.run(claim, reference, camera, seen=seen)
        return verdict, pipeline.timings


@contextmanager
def _shown(
    session: Session, length: int | None, *, live: bool
) -> Iterator[Callable[[Observation], None]]:
    """Advice for who stands at a camera, progress through files."""
    if live:
        with Guidance(session) as guidance:
            yield lambda seen: _guide(guidance, seen)
        return
    with session.progress("Looking at frames", length) as advance:
        yield lambda _: advance()


def _guide(guidance: Guidance, seen: Observation) -> None:
    code, say = advice.of_frame(seen.faults, seen.ask)
    guidance.tell(say, urgent=advice.is_urgent(code))
