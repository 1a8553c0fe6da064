"""The loop that looks: the real pipeline, table, door and store; only the networks are toys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import decision, door, lockout
from appliance.attempt import DoorRoom, Rules
from appliance.config import Config
from appliance.control.authority import Caller, Role
from appliance.control.words import Alive, Event, Failure, Guide, Result
from appliance.daemon.errands import Enrolment, Verification
from appliance.daemon.vigil import MOST_BUGS, Tools, Vigil
from appliance.door_controller import DoorController
from appliance.enrolment import one_person
from appliance.enrolment.collect import Policy
from appliance.enrolment.register import Register
from appliance.errors import DeviceBusyError, StoreError
from appliance.hardware.lock import SimulatedLock
from appliance.matching import agreement, make_template
from appliance.perception import Perception
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import (
    Ask,
    Claim,
    Decision,
    Embedding,
    FaceCrop,
    Frame,
    Trouble,
    TroubleKind,
    Verdict,
)
from tests.fakes import FakeClock
from tests.toys import (
    ALICE,
    BOB,
    CALIBRATION,
    FINGERPRINT,
    MODEL,
    Toy,
    ToyEmbedder,
    ToyLiveness,
    scene,
    toy_perception,
    vector_of,
)

ROOT = Caller(0, 1, Role.OWNER, "root")
UNPLUGGED = Trouble(TroubleKind.LOST, "The camera was unplugged.", 0.0, "Plug it in.")
POLICY = decision.Policy(
    agreement=agreement(CALIBRATION),
    frames=3,
    minimum=3,
    frame_interval_s=0.1,
    gap_s=1.5,
    timeout_s=10.0,
    cool_down_s=2.0,
    liveness_required=True,
    pulse_s=3.0,
)
Sight = Frame | Trouble
Step = Sight | Callable[[], None]


class ScriptedWatch:
    """Shows what it is told; a step that is a call happens between two sights."""

    def __init__(self, clock: FakeClock, steps: Sequence[Step]) -> None:
        self._clock = clock
        self._steps = steps
        self.paces: list[float | None] = []

    def pace(self, fps: float | None) -> None:
        self.paces.append(fps)

    def sights(self) -> Iterator[Sight]:
        for step in self._steps:
            if isinstance(step, Frame):
                self._clock.advance(max(step.at - self._clock.monotonic(), 0.0))
                yield step
            elif isinstance(step, Trouble):
                yield step
            else:
                step()

    def close(self) -> None:
        """Nothing to give back."""


class Hall:
    """A door and somebody who watches it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.clock = FakeClock()
        place = StoreLocation(folder / "appliance.db", folder / "template.key")
        self.store = stack.enter_context(Store.open(place, self.clock))
        self.lock = SimulatedLock(self.clock)
        stack.callback(self.lock.close)
        self.controller = DoorController(
            self.lock,
            self.store.audit,
            self.clock,
            policy=door.Policy(longest_s=9.0),
            pulse_s=3.0,
        )
        self.room = DoorRoom(
            self.controller,
            self.store.audit,
            self.store.failures,
            lockout.Policy(failures=3, lockout_s=60),
            min_frames=5,
            simulated=True,
        )
        self.verdicts: list[tuple[str, str, Decision]] = []
        self.broken: list[str] = []
        self.beats: list[str] = []
        self.asked: list[Ask] = []
        self.perception = toy_perception(self.clock)
        self.live = True
        self.sole: Callable[[], str | None] | None = None
        self.vigil: Vigil

    def enrol(self, name: str, who: int) -> None:
        vectors = [Embedding(vector_of(who, seed), FINGERPRINT) for seed in range(5)]
        self.store.people.add(name, make_template(vectors, MODEL))

    def watch(self, *steps: Step, perception: Perception | None = None) -> ScriptedWatch:
        camera = ScriptedWatch(self.clock, [*steps])
        self.vigil = Vigil(self.tools(camera, perception or self.perception))
        self.vigil.run()
        return camera

    def tools(self, camera: ScriptedWatch, perception: Perception) -> Tools:
        def rules(unlock: bool) -> Rules:  # noqa: FBT001 - as the daemon calls it
            policy = POLICY if unlock else replace(POLICY, pulse_s=None)
            return Rules(policy, 1e-4, CALIBRATION)

        store = self.store
        return Tools(
            config=Config(),
            camera=camera,
            live=self.live,
            perception=perception,
            rules=rules,
            room=self.room,
            register=Register(store.people, store.audit, store.together, CALIBRATION, 1e-4),
            policy=Policy(
                frames=5,
                interval_s=0.1,
                agreement=agreement(CALIBRATION),
                belonging=one_person.belonging(CALIBRATION),
                halves=one_person.halves(CALIBRATION),
                timeout_s=60,
            ),
            clock=self.clock,
            beat=self.beats.append,
            told=self._told,
            broke=lambda claim: self.broken.append(claim.via),
            sole=self.sole,
            asked=self.asked.append,
        )

    def _told(self, claim: Claim, verdict: Verdict) -> None:
        self.verdicts.append((claim.name, claim.via, verdict.decision))

    @property
    def records(self) -> list[tuple[str, str]]:
        return [(it.event, it.subject) for it in self.store.audit.tail(100)]

    @property
    def openings(self) -> int:
        return sum(it.state == "unlocked" for it in self.lock.history)

    def claims(self, via: str) -> Callable[[], None]:
        """A step in which somebody says that she is alice, and is heard."""

        def step() -> None:
            assert self.vigil.claim(Claim("alice", via))

        return step

    def tick(self) -> None:
        """The door's own thread, which the test is."""
        self.controller.tick()


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with ExitStack() as stack:
        yield Hall(tmp_path, stack)


def film(who: int, start: float, seconds: float) -> list[Frame]:
    count = round(seconds * 10)
    return [scene(round(start + number / 10, 3), Toy(who)) for number in range(count)]


def empty(start: float, seconds: float) -> list[Frame]:
    return [scene(round(start + number / 10, 3)) for number in range(round(seconds * 10))]


def last(errand: Verification | Enrolment) -> Event:
    return [event for event in errand.events() if not isinstance(event, Alive)][-1]


class TestAtTheDoor:
    def test_a_claim_is_heard_judged_and_let_in_once(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        hall.watch(
            *empty(0.0, 0.3),
            hall.claims("card"),
            *film(ALICE, 1.0, 0.6),
        )
        assert hall.verdicts == [("alice", "card", Decision.ACCEPT)]
        assert hall.records == [("access_granted", "alice")]
        assert hall.openings == 1

    def test_the_pulse_runs_its_time_while_the_loop_goes_on(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        frames = film(ALICE, 0.0, 6.0)
        ticked: list[Step] = [step for frame in frames for step in (hall.tick, frame)]
        hall.watch(hall.claims("card"), *ticked)
        causes = [(round(it.at, 1), it.cause) for it in hall.lock.history]
        assert causes[2:] == [(0.2, "access_granted #1"), (3.2, "pulse over")]

    def test_a_stranger_stays_outside_and_a_second_claim_waits_its_turn(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)

        def two() -> None:
            assert hall.vigil.claim(Claim("alice", "card"))
            assert hall.vigil.claim(Claim("alice", "keypad"))
            assert not hall.vigil.claim(Claim("alice", "qr"))  # nobody waits so long

        hall.watch(two, *film(BOB, 0.0, 0.6), *film(ALICE, 5.0, 0.6))
        assert hall.verdicts == [
            ("alice", "card", Decision.REJECT),
            ("alice", "keypad", Decision.LOCKED_OUT),  # the cool-down is everybody's
        ]
        assert hall.openings == 0

    def test_a_claim_that_waited_for_too_long_is_not_heard(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        nothing = Trouble(TroubleKind.STARTING, "The camera is being opened.", 0.0)
        hall.watch(
            hall.claims("card"), lambda: hall.clock.advance(16), nothing, *film(ALICE, 17.0, 0.6)
        )
        assert hall.verdicts == []
        assert hall.broken == ["card"]

    def test_the_sole_user_needs_no_claim_and_is_let_in_once_a_visit(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        hall.sole = lambda: "alice"
        visit = [step for at in (1.0, 8.0) for step in film(ALICE, at, 5.0)]
        ticked: list[Step] = [step for frame in visit for step in (hall.tick, frame)]
        pause = empty(13.1, 3.0)
        again: list[Step] = [it for f in film(ALICE, 17.0, 2.0) for it in (hall.tick, f)]
        hall.watch(*empty(0.0, 0.5), *ticked, *pause, *again)
        assert hall.verdicts == [("alice", "sole_user", Decision.ACCEPT)] * 2
        assert hall.openings == 2

    def test_a_recording_that_has_run_for_long_leaves_time_for_an_attempt(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        hall.live = False
        hall.watch(*empty(100.0, 0.3), hall.claims("card"), *film(ALICE, 100.3, 0.6))
        assert hall.verdicts == [("alice", "card", Decision.ACCEPT)]

    def test_an_idle_camera_is_slow_and_a_busy_one_is_not(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        camera = hall.watch(
            *empty(0.0, 0.3),
            hall.claims("card"),
            *film(BOB, 1.0, 0.6),
        )
        assert camera.paces == [5.0, 15.0, 5.0]


class TestAsking:
    def test_what_is_asked_is_told_at_once_and_once(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        liveness = ToyLiveness()
        errand = Verification("alice", ROOT, unlock=False)

        def asks(ask: Ask | None) -> Callable[[], None]:
            return lambda: setattr(liveness, "ask", ask)

        perception = toy_perception(hall.clock, liveness=liveness)
        dim = [scene(1.0 + number / 10, Toy(ALICE, live=0.5)) for number in range(8)]
        hall.watch(
            lambda: hall.vigil.ask(errand),
            asks(Ask.LOOK),
            *dim[:2],
            asks(Ask.NOD),
            *dim[2:4],
            asks(Ask.LOOK),
            *empty(1.4, 0.1),
            *dim[5:6],
            asks(Ask.NOD),
            *dim[6:],
            perception=perception,
        )
        assert hall.asked == [Ask.LOOK, Ask.NOD, Ask.LOOK, Ask.NOD]
        guides = [it for it in errand._events.queue if isinstance(it, Guide)]
        assert [(it.code, it.urgent) for it in guides] == [
            ("look", False),
            ("nod", True),
            ("no_face", False),
            ("look", False),
            ("nod", True),
        ]
        assert guides[1].say == "Nod once."


class TestTrouble:
    def test_a_camera_that_fails_ends_the_attempt_and_the_next_one_is_heard(
        self, hall: Hall
    ) -> None:
        hall.enrol("alice", ALICE)
        claim = hall.claims("card")

        hall.watch(claim, *film(ALICE, 0.0, 0.2), UNPLUGGED, claim, *film(ALICE, 5.0, 0.5))
        assert hall.verdicts == [("alice", "card", Decision.ACCEPT)]
        assert hall.records == [("attempt_failed", "alice"), ("access_granted", "alice")]
        assert hall.beats[2] == UNPLUGGED.sentence
        assert hall.broken == ["card"]
        assert hall.vigil.trouble is None

    def test_a_camera_that_is_starting_is_waited_for(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        starting = Trouble(TroubleKind.STARTING, "The camera is being opened.", 0.0)
        hall.watch(
            hall.claims("card"),
            starting,
            *film(ALICE, 1.0, 0.5),
        )
        assert hall.verdicts == [("alice", "card", Decision.ACCEPT)]

    def test_whoever_asked_hears_that_the_camera_failed(self, hall: Hall) -> None:
        errand = Verification("alice", ROOT)
        hall.enrol("alice", ALICE)
        hall.watch(lambda: hall.vigil.ask(errand), *film(ALICE, 0.0, 0.1), UNPLUGGED)
        told = last(errand)
        assert isinstance(told, Failure)
        assert (told.error.message, told.error.exit_code) == (UNPLUGGED.sentence, 4)

    def test_a_stage_that_raises_locks_and_is_survived(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        broken = toy_perception(hall.clock, embedder=_Sometimes(breaks=1))
        claim = hall.claims("card")

        hall.watch(claim, *film(ALICE, 0.0, 0.2), claim, *film(ALICE, 5.0, 0.5), perception=broken)
        assert hall.records == [("attempt_failed", "alice"), ("access_granted", "alice")]
        assert hall.openings == 1

    def test_what_breaks_again_and_again_ends_the_service_with_the_door_locked(
        self, hall: Hall
    ) -> None:
        hall.enrol("alice", ALICE)
        broken = toy_perception(hall.clock, embedder=_Sometimes(breaks=1000))
        claim = hall.claims("card")

        steps: list[Step] = []
        for number in range(MOST_BUGS):
            steps += [claim, *film(ALICE, 5.0 * number, 0.2)]
        with pytest.raises(ZeroDivisionError):
            hall.watch(*steps, *film(ALICE, 100.0, 1.0), perception=broken)
        assert hall.openings == 0
        assert [event for event, _ in hall.records] == ["attempt_failed"] * MOST_BUGS

    def test_a_key_that_is_gone_ends_a_claim_at_once_and_leaves_a_trace(
        self, hall: Hall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hall.enrol("alice", ALICE)

        def gone(_name: str) -> None:
            raise StoreError("The key file is missing.", hint="Put it back.", code="missing_key")

        monkeypatch.setattr(hall.store.people, "get", gone)
        errand = Verification("alice", ROOT)
        hall.watch(
            hall.claims("card"), *film(ALICE, 0.0, 0.2),
            lambda: hall.vigil.ask(errand), *film(ALICE, 1.0, 0.2),
        )  # fmt: skip
        told = last(errand)
        assert isinstance(told, Failure)
        assert told.error.code == "missing_key"
        assert hall.broken == ["card"]
        assert hall.records == [("attempt_failed", "alice")]
        assert not hall.vigil.busy

    def test_a_sole_user_who_cannot_be_told_is_not_asked_for_at_every_frame(
        self, hall: Hall
    ) -> None:
        asked: list[float] = []

        def nobody() -> None:
            asked.append(hall.clock.monotonic())

        hall.sole = nobody
        hall.watch(*film(ALICE, 0.0, 12.0))
        assert asked == [0.0, 5.0, 10.0]


class _Sometimes(ToyEmbedder):
    """A network that fails as networks do: with an error nobody foresaw."""

    def __init__(self, breaks: int) -> None:
        self._left = breaks

    def embed(self, crop: FaceCrop) -> Embedding:
        if self._left:
            self._left -= 1
            return Embedding(vector_of(1 // 0), FINGERPRINT)
        return super().embed(crop)


class TestErrands:
    def test_a_verification_only_tells(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        errand = Verification("alice", ROOT)
        hall.watch(lambda: hall.vigil.ask(errand), *film(ALICE, 0.0, 0.6))
        told = last(errand)
        assert isinstance(told, Result)
        assert (told.data["name"], told.data["decision"]) == ("alice", "accept")
        assert {"similarity", "threshold", "target_far", "timings_ms"} <= told.data.keys()
        assert (hall.records, hall.openings, hall.verdicts) == ([], 0, [])

    def test_with_unlock_it_is_an_attempt(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        errand = Verification("alice", ROOT, unlock=True)
        hall.watch(lambda: hall.vigil.ask(errand), *film(ALICE, 0.0, 0.6))
        assert isinstance(last(errand), Result)
        (record,) = hall.store.audit.tail(10)
        assert (record.event, record.subject) == ("access_granted", "alice")
        assert record.detail["by"] == "root"
        assert hall.openings == 1

    def test_somebody_is_enrolled_with_a_record_of_who_asked(self, hall: Hall) -> None:
        errand = Enrolment("bob", ROOT)
        hall.watch(lambda: hall.vigil.ask(errand), *film(BOB, 0.0, 1.0))
        told = last(errand)
        assert isinstance(told, Result)
        assert (told.data["name"], told.data["frames_used"]) == ("bob", 5)
        (record,) = hall.store.audit.tail(10)
        assert (record.event, record.subject) == ("enrolled", "bob")
        assert (record.detail["by"], record.detail["way"]) == ("root", "camera")
        assert [it.name for it in hall.store.people.summaries()] == ["bob"]

    def test_an_enrolment_nobody_waits_for_keeps_nothing(self, hall: Hall) -> None:
        errand = Enrolment("bob", ROOT)

        def leaves() -> None:
            events = errand.events()
            errand.guide(Guide(code="straight", say="Look."))
            next(events)
            events.close()  # type: ignore[attr-defined]  # a generator

        frames = film(BOB, 0.0, 1.0)
        hall.watch(lambda: hall.vigil.ask(errand), *frames[:2], leaves, *frames[2:])
        assert hall.store.people.summaries() == []
        assert hall.records == []
        assert not hall.vigil.busy

    def test_one_errand_at_a_time(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        first, second = Verification("alice", ROOT), Verification("alice", ROOT)

        def refused() -> None:
            with pytest.raises(DeviceBusyError):
                hall.vigil.ask(second)

        hall.watch(
            lambda: hall.vigil.ask(first), refused, *film(ALICE, 0.0, 0.1), refused,
            *film(ALICE, 0.1, 0.5),
        )  # fmt: skip
        assert isinstance(last(first), Result)

    def test_whoever_only_asks_gives_way_to_somebody_at_the_door(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        errand = Verification("alice", ROOT)
        frames = film(ALICE, 0.0, 1.0)
        hall.watch(lambda: hall.vigil.ask(errand), *frames[:1], hall.claims("card"), *frames[1:])
        told = last(errand)
        assert isinstance(told, Failure)
        assert told.error.message == "Somebody at the door needs the camera."
        assert hall.verdicts == [("alice", "card", Decision.ACCEPT)]

    def test_whoever_waits_for_a_turn_when_the_service_stops_hears_of_it_too(
        self, hall: Hall
    ) -> None:
        hall.enrol("alice", ALICE)
        waiting, late = Verification("alice", ROOT), Verification("alice", ROOT)

        def ends() -> None:
            hall.vigil.ask(waiting)
            hall.vigil.stop()

        hall.watch(*empty(0.0, 0.2), ends, *empty(0.2, 0.2))
        told = last(waiting)
        assert isinstance(told, Failure)
        assert told.error.code == "stopped"
        with pytest.raises(DeviceBusyError):
            hall.vigil.ask(late)
        assert not hall.vigil.claim(Claim("alice", "card"))

    def test_nobody_is_promised_a_look_while_somebody_is_enrolled(self, hall: Hall) -> None:
        errand = Enrolment("bob", ROOT)
        heard: list[bool] = []

        def claims() -> None:
            heard.append(hall.vigil.claim(Claim("alice", "card")))

        frames = film(BOB, 0.0, 1.0)
        hall.watch(lambda: hall.vigil.ask(errand), *frames[:2], claims, *frames[2:])
        assert heard == [False]

    def test_whoever_waits_when_the_service_stops_hears_of_it(self, hall: Hall) -> None:
        hall.enrol("alice", ALICE)
        errand = Verification("alice", ROOT)
        frames = film(ALICE, 0.0, 0.5)

        def stop() -> None:
            hall.vigil.stop()

        hall.watch(lambda: hall.vigil.ask(errand), frames[0], stop, *frames[1:])
        told = last(errand)
        assert isinstance(told, Failure)
        assert told.error.code == "stopped"
