"""Enrolment by the command itself: from pictures, or with a camera that no service holds."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as with_parts
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import advice, assemble
from appliance.cli.guidance import Guidance
from appliance.cli.session import Session
from appliance.cli.sources import opened_camera
from appliance.control.words import Kept, LikenessTold, TemplateSent
from appliance.enrolment.alike import Likeness
from appliance.enrolment.collect import Look, Policy
from appliance.enrolment.enrol import enrol
from appliance.enrolment.expected import expected_frr
from appliance.enrolment.register import Findings
from appliance.reports.accounts import Account, account_json, warnings
from appliance.store.codec import encode_template
from appliance.types import Fault
from appliance.vision.manifest import Calibration

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.control.client import Client
    from appliance.perception import Perception
    from appliance.ports import Camera


def enrolled(
    session: Session, name: str, sources: Sequence[Path], *, replace: bool, service: Client | None
) -> dict[str, Any]:
    """The result as JSON. name: checked.

    service: keeps the template where it runs, for its key does not leave it.
    """
    if service is None:
        account = _kept_here(session, name, sources, replace=replace)
    else:
        account = kept_by(service, _account(session, name, sources), replace=replace)
    told = warnings(account, session.config.enrolment.min_frames_for_door)
    return account_json(account, told)


def _kept_here(session: Session, name: str, sources: Sequence[Path], *, replace: bool) -> Account:
    with assemble.store(session.config) as store:
        register = assemble.register(session.config, store)
        earlier = register.earlier(name, replace=replace)
        account = _account(session, name, sources)
        template = account.enrolled.template
        found = register.findings(template, account.handicap, earlier)
        register.keep(name, template, found, replace=replace, by={"by": "local command"})
    return with_parts(account, found=found)


@dataclass(frozen=True)
class Terms:
    """What an enrolment goes by. policy: how frames are chosen; curves, target_far: the errors."""

    policy: Policy
    curves: Calibration
    target_far: float


def terms(config: Config, *, guided: bool) -> Terms:
    """Those of the config; guided: as for `assemble.enrolment_policy`."""
    policy = assemble.enrolment_policy(config, guided=guided)
    return Terms(policy, assemble.calibration(config), config.verification.target_far)


def _account(session: Session, name: str, sources: Sequence[Path]) -> Account:
    config = session.config
    with opened_camera(session, sources) as camera:
        perception = assemble.perception(config, liveness=False)
        with _shown(session, camera.length, guided=not sources) as seen:
            return account_of(name, camera, perception, terms(config, guided=not sources), seen)


def account_of(
    name: str,
    camera: Camera,
    perception: Perception,
    by: Terms,
    seen: Callable[[Look], None] = lambda _: None,
) -> Account:
    """Look at the camera's frames and make a template. InputError where they show nobody, or two.

    name: checked. perception: without a liveness check; it may be used for one after the other.
    """
    skipped = getattr(camera, "skipped", [])
    made = enrol(camera.frames(), perception, by.policy, seen=seen, skipped=lambda: list(skipped))
    return Account(
        name, made, expected_frr(made.template, by.curves, by.target_far, made.handicaps)
    )


def kept_by(service: Client, account: Account, *, replace: bool) -> Account:
    """The account after the running service has kept its template; what it raises goes through."""
    found = service.keep(account.name, _sent(account, replace=replace))
    return with_parts(account, found=_findings(found))


@contextmanager
def _shown(
    session: Session, length: int | None, *, guided: bool
) -> Iterator[Callable[[Look], None]]:
    """Advice for who stands at the camera, progress through files."""
    if not guided:
        with session.progress("Looking at frames", length) as advance:
            yield lambda _: advance()
        return
    wanted = session.config.enrolment.frames
    with Guidance(session) as guidance:

        def seen(look: Look) -> None:
            if look.prompt is not None and look.taken < wanted:
                say = look.prompt.say
                sentence = advice.FAULTS[say] if isinstance(say, Fault) else advice.POSES[say]
                guidance.tell(sentence, look.taken, wanted)

        yield seen


def _sent(account: Account, *, replace: bool) -> TemplateSent:
    template = account.enrolled.template
    return TemplateSent(
        model=template.model,
        fingerprint=template.fingerprint,
        template=base64.b64encode(encode_template(template)).decode("ascii"),
        handicap=account.handicap,
        replace=replace,
    )


def _findings(kept: Kept) -> Findings:
    return Findings(
        replaces=kept.replaces,
        before=_likeness(kept.before) if kept.before else None,
        look_alikes=tuple(_likeness(item) for item in kept.look_alikes),
        not_compared=kept.not_compared,
    )


def _likeness(told: LikenessTold) -> Likeness:
    return Likeness(**told.model_dump())
