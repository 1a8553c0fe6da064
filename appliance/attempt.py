"""The one loop that runs frames through the stages and feeds the decision table.

Everything it touches arrives as an argument. Whatever raises in here first commands the door
locked and then goes on its way to whoever called.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from appliance import decision, lockout
from appliance.claims.backoff import Backoff
from appliance.door_controller import DoorController
from appliance.errors import StoreError, UsageError
from appliance.perception import Observation, Perception
from appliance.ports import AuditLog, Camera, Clock, FailureLedger
from appliance.types import (
    AuditRecord,
    Claim,
    Decision,
    Embedding,
    Frame,
    Match,
    Verdict,
)
from appliance.vision.manifest import Calibration


@dataclass(frozen=True)
class DoorRoom:
    """What an attempt that may open the door has at hand; one that only tells has none.

    simulated: whether the lock is the twin that drives nothing; only that one obeys files.
    obstacle: why a person may not enter now, as a sentence for the person, or None.
    """

    controller: DoorController
    audit: AuditLog
    failures: FailureLedger
    lockout: lockout.Policy
    min_frames: int
    simulated: bool
    obstacle: Callable[[str], str | None] = lambda _: None


@dataclass(frozen=True)
class Rules:
    """policy: of the decision table. target_far: what a similarity must be worth by calibration."""

    policy: decision.Policy
    target_far: float
    calibration: Calibration


class Reference(Protocol):
    """What probes are compared with: one person, or everybody (see appliance.matching)."""

    count: int

    def require(self, fingerprint: str, model: str) -> None:
        """StoreError when a template is of another model or alignment."""
        ...

    def match(
        self, probes: Sequence[Embedding], calibration: Calibration, target_far: float
    ) -> Match:
        """Compare the probes of one attempt."""
        ...


class Attempt:
    """One claim, from the first frame to the verdict.

    Whoever has a camera for this claim alone calls `run`. Whoever watches a camera all day calls
    `begin`, then `offer` with each frame and `tick` where none comes, until `over`.
    """

    def __init__(
        self,
        perception: Perception,
        rules: Rules,
        clock: Clock,
        door: DoorRoom | None = None,
    ) -> None:
        self._perception = perception
        self._rules = rules
        self._clock = clock
        self._door = door
        self._told: Callable[[Verdict], None] = lambda _: None
        self._claim: Claim | None = None
        self._reference: Reference | None = None
        self._record: AuditRecord | None = None
        self._audited = self._failed = False
        self._pictures: set[bytes] = set()
        self._state: decision.State = decision.Idle()
        self._recorded = self._decided = 0.0
        self._now: Callable[[], float] = lambda: self._recorded
        self.verdict: Verdict | None = None

    @property
    def over(self) -> bool:
        """True when nothing of this attempt is left to do: decided, and its pulse has ended."""
        return isinstance(self._state, (decision.Served, decision.Denied, decision.Broken))

    def run(
        self,
        claim: Claim,
        reference: Reference | None,
        camera: Camera,
        *,
        seen: Callable[[Observation], None] = lambda _: None,
        told: Callable[[Verdict], None] = lambda _: None,
    ) -> Verdict:
        """Decide. reference: what the claim is compared with; None when it names nobody.

        seen: hears every frame. told: hears the verdict at once, before a pulse is waited for.

        Raises StoreError for a template of another model, and whatever a stage, the camera, the
        audit log or the lock raises; the door is commanded locked before that.
        """
        self.begin(claim, reference, live=camera.live, told=told)
        try:
            if self.verdict is None:
                self._look_at_all(camera, seen)
            if self._door is not None and isinstance(self._state, decision.Granted):
                self._door.controller.wait()
        except BaseException as error:
            self.fail(error)
            raise
        self.tick()
        if self.verdict is None:
            raise RuntimeError("the decision table ended an attempt without a verdict")
        return self.verdict

    def begin(
        self,
        claim: Claim,
        reference: Reference | None,
        *,
        live: bool,
        at: float = 0.0,
        told: Callable[[Verdict], None] = lambda _: None,
    ) -> None:
        """Hear a claim; a refusal is decided at once.

        live: frames come from a sensor. at: where a recording stands that was already running.
        Raises what `run` raises.
        """
        self._recorded = at
        self._claim, self._reference, self._told = claim, reference, told
        if live:  # a sensor runs on the wall's time, a recording on its own
            self._now = self._clock.monotonic
        self._perception.forget()
        with self._failing():
            if self._door is not None and not (live or self._door.simulated):
                raise UsageError(
                    "Pictures and recordings never open a real door.",
                    hint="Set door.driver: simulated to replay an attempt.",
                    code="file_at_a_real_door",
                )
            self._feed(decision.Begin(claim, self._standing(claim)))

    def offer(self, frame: Frame, *, seen: Callable[[Observation], None] = lambda _: None) -> None:
        """Look at one frame and decide if it is enough. Raises what `run` raises."""
        with self._failing():
            self._recorded = frame.at
            due = self._is_due(frame.at) and self._is_new(frame)
            observation = self._perception.look(frame, embed=due)
            seen(observation)
            self._feed(_event(observation))

    def tick(self) -> None:
        """Let time pass without a frame; the end of the pulse is noticed here."""
        with self._failing():
            if isinstance(self._state, decision.Granted):
                if self._door is None or not self._door.controller.pulsing:
                    self._feed(decision.PulseDone())
            elif not self.over:
                self._feed(decision.Tick())

    def fail(self, error: BaseException) -> None:
        """Command locked and leave a trace; nothing in here hides the error itself."""
        if self._failed:
            return
        self._failed = True
        text = str(error) or type(error).__name__
        try:
            self._feed(decision.Failed(text))
        except Exception as second:  # noqa: BLE001 - the first error is on its way to the caller
            text = f"{text}; and then: {second}"
        if self._door is not None and self._claim is not None:
            detail = {"error": text, "via": self._claim.via}
            if self._claim.by:
                detail["by"] = self._claim.by
            with contextlib.suppress(StoreError):  # where the log failed, only the caller hears
                self._door.audit.append("attempt_failed", self._claim.name, detail)
                self._begin_cool_down(self._door)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def _look_at_all(self, camera: Camera, seen: Callable[[Observation], None]) -> None:
        for frame in camera.frames():
            self.offer(frame, seen=seen)
            if self.verdict is not None:
                return
        self._feed(decision.EndOfSource())

    def _is_due(self, at: float) -> bool:
        """Whether a frame of this moment could be used; if not, embedding it is wasted."""
        state = self._state
        if not isinstance(state, decision.Collecting) or not state.used:
            return True
        apart = at - state.used[-1].at
        return apart >= self._rules.policy.frame_interval_s - decision.ROUNDING_S

    def _is_new(self, frame: Frame) -> bool:
        """Whether this attempt is offered the picture for the first time.

        A camera that hangs repeats one picture, or the few in its buffers; a file may be given
        twice. A sensor's noise alone makes two frames differ.
        """
        pixels = np.ascontiguousarray(frame.bgr)
        picture = hashlib.blake2b(pixels.data, digest_size=16).digest()
        new = picture not in self._pictures
        self._pictures.add(picture)
        return new

    def _standing(self, claim: Claim) -> decision.Standing:
        reference, door = self._reference, self._door
        cooling = 0.0 if door is None else self._cooling_for(door, claim)
        if cooling > 0:  # told to wait before anything is found wrong with it, and recorded
            return decision.Standing(known=reference is not None, cooling_for_s=cooling)
        if reference is not None:
            embedder = self._perception.stages.embedder
            reference.require(embedder.fingerprint, embedder.name)
        if door is None:
            return decision.Standing(known=reference is not None)
        obstacle = self._obstacle(claim, reference, door)
        return decision.Standing(
            known=reference is not None,
            permitted=obstacle is None,
            locked_for_s=self._locked_for(claim, door),
            obstacle=obstacle or "",
        )

    def _obstacle(self, claim: Claim, reference: Reference | None, door: DoorRoom) -> str | None:
        if reference is None:
            return None
        if reference.count < door.min_frames:
            return (
                "This person is enrolled with too few pictures for a door; "
                f"at least {door.min_frames} are needed."
            )
        return door.obstacle(claim.name)

    def _locked_for(self, claim: Claim, door: DoorRoom) -> float:
        return self._backoff(door).locked_for(claim.name, claim.via)

    def _begin_cool_down(self, door: DoorRoom) -> None:
        spoof = self.verdict is not None and self.verdict.decision is Decision.SPOOF
        self._backoff(door).begin_cool_down(spoof=spoof)

    def _cooling_for(self, door: DoorRoom, claim: Claim) -> float:
        """How long nobody is heard: after the last attempt, or after many failures this way."""
        backoff = self._backoff(door)
        policy = self._rules.policy
        cool_down = backoff.cooling_for(policy.cool_down_s, policy.spoof_cool_down_s)
        return max(cool_down, backoff.slowed_for(claim.via))

    def _backoff(self, door: DoorRoom) -> Backoff:
        return Backoff(door.failures, self._clock, door.lockout)

    def _feed(self, event: decision.Event) -> None:
        """One event and all that follows from it, each at its own time."""
        pending: deque[decision.Event] = deque([event])
        while pending:
            self._state, actions = decision.step(
                self._state, pending.popleft(), self._now(), self._rules.policy
            )
            for action in actions:
                pending.extend(self._do(action))
        if self.over and self._audited and self._door is not None:
            self._audited = False
            self._begin_cool_down(self._door)

    def _do(self, action: decision.Action) -> list[decision.Event]:
        if isinstance(action, decision.Compare):
            return [self._compared(action)]
        if isinstance(action, decision.Tell):
            self.verdict = action.verdict
            self._told(action.verdict)
        elif isinstance(action, decision.Doubt):
            self._perception.doubt()
        elif self._door is not None:
            self._do_at_the_door(action, self._door)
        return []

    def _compared(self, action: decision.Compare) -> decision.Compared:
        if self._reference is None:
            raise RuntimeError("the decision table compares a claim that names nobody")
        rules = self._rules
        match = self._reference.match(action.probes, rules.calibration, rules.target_far)
        return decision.Compared(match)

    def _do_at_the_door(self, action: decision.Action, door: DoorRoom) -> None:
        if isinstance(action, decision.Audit):
            self._decided = self._clock.monotonic()
            self._record = door.audit.append(action.event.value, action.subject, action.detail)
            self._audited = True
        elif isinstance(action, decision.Unlock):
            if self._record is None:
                raise RuntimeError("the decision table opens a door before its audit record")
            door.controller.grant(self._record, action.pulse_s, asked=self._decided)
        elif isinstance(action, decision.Lock):
            door.controller.secure("failed attempt")
        elif isinstance(action, decision.CountFailure):
            self._backoff(door).failed(action.claim.name, action.claim.via)
        elif isinstance(action, decision.ClearFailures):
            self._backoff(door).succeeded(action.claim.name, action.claim.via)


def _event(observation: Observation) -> decision.Event:
    if observation.faults:
        return decision.BadFrame(observation.faults[0])
    if observation.embedding is None:
        return decision.Tick()  # good, but too soon after the last one
    return decision.GoodFrame(observation.frame.at, observation.embedding, observation.liveness)
