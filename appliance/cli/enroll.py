"""`appliance enroll`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from appliance import advice, assemble
from appliance.cli.enrolled import for_people
from appliance.cli.session import Session, from_option, json_option, name_option
from appliance.cli.sources import opened_camera
from appliance.enrolment.collect import Look
from appliance.enrolment.enrol import enrol
from appliance.enrolment.expected import expected_frr
from appliance.reports.accounts import Account, account_json, warnings
from appliance.store.names import check_name
from appliance.types import Fault


@click.command("enroll")
@name_option
@from_option
@click.option("--replace", "anew", is_flag=True, help="Replace somebody's earlier template.")
@json_option
@click.pass_obj
def command(session: Session, name: str, sources: tuple[Path, ...], *, anew: bool) -> None:
    """Keep a person's face as a template.

    Five good pictures or more make a reliable template; frames that are blurred, dark, turned
    away or unlike the rest are left out and listed, and pictures of two people are refused.

    \b
    Example:
      appliance enroll --name alice --from photos-of-alice/
    """
    name = check_name(name)
    with assemble.store(session.config) as store:
        register = assemble.register(session.config, store)
        earlier = register.earlier(name, replace=anew)
        account = _enrolled(session, name, sources)
        template = account.enrolled.template
        found = register.findings(template, account.handicap, earlier)
        register.keep(name, template, found, replace=anew, by={"by": "local command"})
    account = replace(account, found=found)
    told = warnings(account, session.config.enrolment.min_frames_for_door)
    for warning in told:
        session.say(f"Warning: {warning}")
    session.result(account_json(account, told), lambda console: for_people(console, account))


def _enrolled(session: Session, name: str, sources: Sequence[Path]) -> Account:
    config = session.config
    with opened_camera(session, sources) as camera:
        perception = assemble.perception(config, liveness=False)
        policy = assemble.enrolment_policy(config, guided=not sources)
        skipped = getattr(camera, "skipped", [])
        with session.progress("Looking at frames", camera.length) as advance:
            voice = _Voice(session, advance, config.enrolment.frames)
            enrolled = enrol(
                camera.frames(), perception, policy, seen=voice, skipped=lambda: list(skipped)
            )
    curves, target_far = assemble.calibration(config), config.verification.target_far
    expected = expected_frr(enrolled.template, curves, target_far, enrolled.handicaps)
    return Account(name, enrolled, expected)


class _Voice:
    """Moves the progress bar, and says what to do next, once until it changes."""

    def __init__(self, session: Session, advance: Callable[[], None], frames: int) -> None:
        self._session, self._advance, self._frames = session, advance, frames
        self._said: object = None

    def __call__(self, look: Look) -> None:
        """Told of every frame."""
        self._advance()
        if look.prompt is None or look.prompt.say is self._said or look.taken >= self._frames:
            return
        say = self._said = look.prompt.say
        sentence = advice.FAULTS[say] if isinstance(say, Fault) else advice.POSES[say]
        self._session.say(f"{sentence} ({look.taken} of {self._frames} frames)")
