"""The thread that looks: from an idle hall through claims and attempts, for years.

One thing at a time has the camera: an attempt at the door, a verification or an enrolment that
somebody asked for, or nothing, and then the loop only looks whether anybody is there. Whatever
raises in here ends what was going on with the door locked, is told to whoever waits, and the loop
goes on; a fault that comes again and again ends the service, for a restart is all that is left.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag

from appliance import advice
from appliance.attempt import Attempt, DoorRoom, Rules
from appliance.config import Config
from appliance.control.words import Guide
from appliance.daemon import idle
from appliance.daemon.errands import Enrolment, Errand, Verification
from appliance.enrolment.collect import Look, Policy
from appliance.enrolment.enrol import enrol
from appliance.enrolment.expected import expected_frr
from appliance.enrolment.register import Register
from appliance.errors import ApplianceError, CameraError, DeviceBusyError, StoreError
from appliance.matching import Claimed
from appliance.perception import Observation, Perception, Timings
from appliance.ports import Clock, Watch
from appliance.reports.accounts import Account, account_json, warnings
from appliance.reports.verdicts import verdict_json
from appliance.types import Ask, Claim, Fault, Frame, Trouble, TroubleKind, Verdict

log = logging.getLogger(__name__)

TASK = "vision"
# Unexpected errors in a row after which the service ends; one good attempt forgives them.
MOST_BUGS = 5
# Seconds over which the frames are counted.
FPS_OVER_S = 5.0
# Seconds after which whoever made a claim has gone, or somebody else stands there.
CLAIM_HOLDS_S = 15.0
# Claims that wait while another is heard; more are dropped, for nobody stands there so long.
_MOST_CLAIMS = 2


class StoppedError(ApplianceError):
    """The service stops, or nobody waits any more."""

    default_code = "stopped"


@dataclass(frozen=True, eq=False)
class Tools:
    """What the loop works with; everything is built and owned by somebody else.

    live: frames come from a sensor. rules: of an attempt, by whether it may unlock. room: what an
    attempt at the door needs; None where no door is configured. beat: says that the loop lives,
    and why it serves only in part. told: hears every verdict at the door. broke: hears that a
    claim came to nothing. sole: whom a face at the door claims to be by itself, where that is
    configured. read: looks for a badge in a frame while nothing else is going on. asked: hears what
    the person at the camera is to do, at once.
    """

    config: Config
    camera: Watch
    live: bool
    perception: Perception
    rules: Callable[[bool], Rules]
    room: DoorRoom | None
    register: Register
    policy: Policy
    clock: Clock
    beat: Callable[[str], None]
    told: Callable[[Claim, Verdict], None]
    broke: Callable[[Claim], None]
    sole: Callable[[], str | None] | None = None
    read: Callable[[Frame], None] | None = None
    asked: Callable[[Ask], None] = lambda _: None


@dataclass(eq=False)
class _Going:
    """An attempt under way.

    unlock: it is one at the door. errand: who asked for it, where that was over the socket.
    attempt: None until everything that it needs was found. asked: what the person is to do.
    """

    claim: Claim
    unlock: bool
    started: float
    errand: Verification | None = None
    attempt: Attempt | None = None
    told: bool = False
    asked: Ask | None = None


class Vigil:
    """Runs in one thread; `claim`, `ask` and `stop` may be called from others."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._claims: queue.Queue[tuple[float, Claim]] = queue.Queue(_MOST_CLAIMS)
        self._errands: queue.Queue[Errand] = queue.Queue(1)
        self._stopping = Flag()
        self._enrolling = False
        self._sights: Iterator[Frame | Trouble] = iter(())
        self._going: _Going | None = None
        self._busy = False
        self._visit = idle.Visit()
        self._lookout = idle.Lookout(
            glance=lambda frame: len(tools.perception.glance(frame)),
            search=lambda frame: len(tools.perception.search(frame)),
        )
        self._seen_at = 0.0
        self._bugs = 0
        self._paced: float | None = None
        self._counted, self._counted_since = 0, tools.clock.monotonic()
        self.fps: float | None = None
        self.trouble: Trouble | None = None

    @property
    def busy(self) -> bool:
        """True while the camera is used for something."""
        return self._busy

    def claim(self, claim: Claim) -> bool:
        """Somebody says who they are; False when too much is going on to hear it."""
        if self._enrolling or self._stopping.is_set():
            return False
        with suppress(queue.Full):
            self._claims.put_nowait((self._tools.clock.monotonic(), claim))
            return True
        return False

    def ask(self, errand: Errand) -> None:
        """Have the camera used. DeviceBusyError while another errand has it."""
        if not self._busy and not self._stopping.is_set():
            with suppress(queue.Full):
                self._errands.put_nowait(errand)
                if self._stopping.is_set():  # nobody may be there any more to take it up
                    self._send_everybody_home()
                return
        raise DeviceBusyError(
            "The camera is being used for another attempt or enrolment.",
            hint="Try again when it has ended; `appliance status` tells.",
        )

    def stop(self) -> None:
        """End soon."""
        self._stopping.set()

    def run(self) -> None:
        """Look until `stop`. Raises what came again and again."""
        tools = self._tools
        self._sights = iter(tools.camera.sights())
        self._pace()
        try:
            for sight in self._sights:
                self._beat(sight)
                if self._stopping.is_set():
                    return
                self._survive(sight)
        finally:
            self._stopping.set()
            self._give_up(StoppedError("The service stops."))
            self._send_everybody_home()

    def _send_everybody_home(self) -> None:
        """Tell those whose errands will not be taken up."""
        with suppress(queue.Empty):
            while True:
                self._errands.get_nowait().fail(StoppedError("The service stops."))

    def _beat(self, sight: Frame | Trouble) -> None:
        trouble = sight if isinstance(sight, Trouble) else None
        if isinstance(sight, Frame):
            self._seen_at = sight.at
            self._count()
        if (trouble and trouble.kind) != (self.trouble and self.trouble.kind):
            log.info("camera: %s", trouble.sentence if trouble else "delivers")
        if trouble is not None and trouble.kind is TroubleKind.WRONG_SIZE:
            self._lookout.forget()
        self.trouble = trouble
        self._tools.beat(trouble.sentence if trouble else "")

    def _count(self) -> None:
        """Keep `fps`: how many frames a second were looked at lately."""
        self._counted += 1
        now = self._tools.clock.monotonic()
        if (passed := now - self._counted_since) >= FPS_OVER_S:
            self.fps = round(self._counted / passed, 1)
            self._counted, self._counted_since = 0, now

    def _survive(self, sight: Frame | Trouble) -> None:
        """See, and end in good order what an error interrupts."""
        try:
            self._see(sight)
        except StoppedError as error:
            log.info("%s", error.message)
            self._give_up(error)
        except ApplianceError as error:
            log.error("%s %s", error.message, error.hint)  # noqa: TRY400 - foreseen: no traceback
            self._give_up(error)
        except Exception as error:
            log.exception("a stage failed")
            self._bugs += 1
            self._give_up(ApplianceError(f"{type(error).__name__}: {error}"))
            if self._bugs >= MOST_BUGS:
                raise

    def _give_up(self, error: ApplianceError) -> None:
        """Whoever waits hears why nothing comes of it; the door is locked by the attempt."""
        going, self._going = self._going, None
        if going is not None:
            if going.attempt is None:
                self._leave_a_trace(going, error)
            elif going.attempt.verdict is None:  # what is decided stays decided
                going.attempt.fail(error)
            if going.errand is not None:
                going.errand.fail(error)
            elif not going.told:
                self._tools.broke(going.claim)
            self._visit = idle.attempted(None, self._seen_at)
        self._busy = False
        self._pace()

    def _leave_a_trace(self, going: _Going, error: ApplianceError) -> None:
        """Of an attempt at the door that broke before it had begun."""
        if going.unlock:
            detail = {"error": error.message, "via": going.claim.via}
            with suppress(StoreError):  # where the log fails too, the service's own log has it
                self._tools.register.audit.append("attempt_failed", going.claim.name, detail)

    def _see(self, sight: Frame | Trouble) -> None:
        if self._going is None:
            self._take_up()
        if self._going is not None:
            self._advance(self._going, sight)
        elif isinstance(sight, Frame):
            self._rest(sight)

    # --- nothing going on -----------------------------------------------------------------

    def _rest(self, frame: Frame) -> None:
        tools = self._tools
        if tools.read is not None:
            tools.read(frame)
        if tools.sole is None or tools.room is None:
            return
        faces = self._lookout.faces(frame)
        self._visit, claims = idle.look(self._visit, faces, frame.at)
        if claims:
            name = tools.sole()
            if name is None or not self.claim(Claim(name, "sole_user")):
                self._visit = idle.attempted(None, frame.at)

    def _take_up(self) -> None:
        """Begin what is asked for next, if anything is; whoever stands at the door comes first."""
        claim = self._next_claim()
        if claim is not None:
            self._occupy()
            self._begin(claim, unlock=True, errand=None)
            return
        try:
            errand = self._errands.get_nowait()
        except queue.Empty:
            return
        self._occupy()
        if isinstance(errand, Enrolment):
            self._enrol(errand)
        elif isinstance(errand, Verification):
            claim = Claim(errand.name, "command", by=errand.by.name)
            self._begin(claim, errand.unlock, errand)

    def _next_claim(self) -> Claim | None:
        """The claim that waits for longest, of those whose makers are still there."""
        while True:
            try:
                made, claim = self._claims.get_nowait()
            except queue.Empty:
                return None
            if self._tools.clock.monotonic() - made <= CLAIM_HOLDS_S:
                return claim
            self._tools.broke(claim)

    def _occupy(self) -> None:
        self._busy = True
        self._pace()

    def _pace(self) -> None:
        camera = self._tools.config.camera
        fps = camera.fps if self._busy else camera.idle_fps
        if fps != self._paced:
            self._tools.camera.pace(fps)
        self._paced = fps

    # --- attempts -------------------------------------------------------------------------

    def _begin(self, claim: Claim, unlock: bool, errand: Verification | None) -> None:  # noqa: FBT001 - a fact, not a switch
        tools = self._tools
        people = tools.register.people
        tools.perception.timings = Timings(tools.clock)
        # Known before anything can fail, so that whoever waits hears of it.
        going = self._going = _Going(claim, unlock, tools.clock.monotonic(), errand)
        person = people.get(claim.name)
        reference = Claimed(person, lambda: people.get(claim.name)) if person else None
        room = tools.room if unlock else None
        attempt = Attempt(tools.perception, tools.rules(unlock), tools.clock, room)
        going.attempt = attempt
        attempt.begin(claim, reference, live=tools.live, at=self._seen_at)
        self._tell(going, attempt)

    def _advance(self, going: _Going, sight: Frame | Trouble) -> None:
        if going.errand is not None and not going.told:
            self._keep_asking(going.errand)
        attempt = going.attempt
        if attempt is None:
            raise RuntimeError("an attempt goes on that never began")
        if attempt.verdict is not None:
            attempt.tick()
        elif isinstance(sight, Frame):
            attempt.offer(sight, seen=lambda it: self._guide(going, it))
        elif sight.kind is TroubleKind.STARTING:
            attempt.tick()  # the camera is waited for, as long as an attempt may take
        else:
            raise CameraError(sight.sentence, hint=sight.hint)
        self._tell(going, attempt)
        if attempt.over:
            self._going, self._busy, self._bugs = None, False, 0
            self._pace()

    def _keep_asking(self, errand: Verification) -> None:
        """Raise StoppedError where a verification is not to go on."""
        if errand.cancelled:
            raise StoppedError("Nobody waits for this verification any more.")
        if not errand.unlock and not self._claims.empty():
            # Who only wants to know must not keep anybody out.
            raise StoppedError(
                "Somebody at the door needs the camera.", hint="Ask again in a moment."
            )

    def _tell(self, going: _Going, attempt: Attempt) -> None:
        """The verdict, once, as soon as there is one."""
        verdict = attempt.verdict
        if verdict is None or going.told:
            return
        going.told = True
        tools = self._tools
        now = tools.clock.monotonic()
        if going.claim.via == "sole_user":
            self._visit = idle.attempted(verdict.decision, self._seen_at)
        if going.errand is None or going.errand.unlock:
            tools.told(going.claim, verdict)
        if going.errand is not None:
            spent = tools.perception.timings.rounded()
            spent["total"] = round((now - going.started) * 1000, 1)
            target_far = tools.config.verification.target_far
            going.errand.succeed(verdict_json(going.claim.name, verdict, target_far, spent))

    def _guide(self, going: _Going, seen: Observation) -> None:
        if seen.ask is not None and seen.ask is not going.asked:
            self._tools.asked(seen.ask)
        going.asked = seen.ask
        if going.errand is not None:
            code, say = advice.of_frame(seen.faults, seen.ask)
            going.errand.guide(Guide(code=code, say=say, urgent=advice.is_urgent(code)))

    # --- enrolment ------------------------------------------------------------------------

    def _enrol(self, errand: Enrolment) -> None:
        self._enrolling = True
        try:
            errand.succeed(self._enrolled(errand))
            self._bugs = 0
        except ApplianceError as error:
            errand.fail(error)
        except Exception as error:
            errand.fail(ApplianceError(f"{type(error).__name__}: {error}"))
            raise
        finally:
            self._enrolling = self._busy = False
            self._pace()
            self._lookout.forget()

    def _enrolled(self, errand: Enrolment) -> dict[str, object]:
        tools, config = self._tools, self._tools.config
        register = tools.register
        earlier = register.earlier(errand.name, replace=errand.replace)
        made = enrol(
            self._frames_for(errand),
            tools.perception,
            tools.policy,
            seen=lambda look: self._prompt(errand, look),
        )
        expected = expected_frr(
            made.template, register.calibration, register.target_far, made.handicaps
        )
        account = Account(errand.name, made, expected)
        found = register.findings(made.template, account.handicap, earlier)
        by = {"way": "camera", **errand.by.audited}
        register.keep(errand.name, made.template, found, replace=errand.replace, by=by)
        account = Account(errand.name, made, expected, found)
        return account_json(account, warnings(account, config.enrolment.min_frames_for_door))

    def _prompt(self, errand: Enrolment, look: Look) -> None:
        wanted = self._tools.config.enrolment.frames
        if look.prompt is None or look.taken >= wanted:
            return
        say = look.prompt.say
        sentence = advice.FAULTS[say] if isinstance(say, Fault) else advice.POSES[say]
        errand.guide(Guide(code=say.value, say=sentence, taken=look.taken, of=wanted))

    def _frames_for(self, errand: Enrolment) -> Iterator[Frame]:
        """The frames that come from now on, until nobody waits for them any more."""
        tools = self._tools
        latest = tools.clock.monotonic() + tools.config.enrolment.timeout_s
        for sight in self._sights:
            self._beat(sight)
            if self._stopping.is_set() or errand.cancelled:
                raise StoppedError("The enrolment was broken off; nothing was kept.")
            if isinstance(sight, Frame):
                yield sight
                continue
            errand.guide(Guide(code=sight.kind.value, say=sight.sentence))
            if tools.clock.monotonic() >= latest:
                raise CameraError(sight.sentence, hint=sight.hint)
