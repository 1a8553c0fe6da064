"""The service's small parts: who is alive, who hears what, and whether somebody is there."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from appliance.control.authority import Caller, Role
from appliance.control.words import Alive, Attempted, Failure, Guide, Missed, Result
from appliance.daemon import errands, hub, idle, supervisor
from appliance.daemon.beats import Beats
from appliance.errors import CameraError
from appliance.types import Decision
from tests.conftest import ROOT as CHECKOUT
from tests.fakes import FakeClock
from tests.toys import ALICE, Toy, scene

SYSTEMD = CHECKOUT / "systemd"
ROOT = Caller(0, 1, Role.OWNER, "root")


def attempted(name: str) -> Attempted:
    at = datetime(2026, 1, 5, tzinfo=timezone.utc)
    return Attempted(at=at, name=name, via="card", decision="reject")


class TestBeats:
    def test_a_task_that_is_not_heard_in_time_is_late_until_it_is_heard_again(self) -> None:
        clock = FakeClock()
        beats = Beats(clock)
        beats.expect("door", 5)
        beats.expect("vision", 30)
        clock.advance(5)
        assert beats.late() == ()
        clock.advance(0.1)
        assert beats.late() == ("door",)
        beats.beat("door", "the line does not obey")
        assert beats.late() == ()
        assert beats.all()["door"].sentence == "the line does not obey"

    def test_a_task_that_ended_as_it_should_is_not_missed_and_cannot_come_back(self) -> None:
        clock = FakeClock()
        beats = Beats(clock)
        beats.expect("door", 5)
        beats.dismiss("door")
        beats.beat("door")
        clock.advance(60)
        assert beats.late() == ()
        assert beats.all() == {}


class TestHub:
    def test_who_listens_hears_what_happens_from_then_on_and_no_more_after_leaving(self) -> None:
        centre = hub.Hub()
        centre.publish(attempted("early"))
        with centre.listen() as one, centre.listen() as other:
            centre.publish(attempted("alice"))
            assert one.next(0) == other.next(0) == attempted("alice")
            assert one.next(0) is None
        centre.publish(attempted("late"))
        assert one.next(0) is None

    def test_a_slow_listener_loses_the_oldest_and_hears_how_many(self) -> None:
        centre = hub.Hub()
        with centre.listen() as slow:
            for number in range(hub.MOST_WAITING + 3):
                centre.publish(attempted(str(number)))
            assert slow.next(0) == Missed(count=3)
            assert slow.next(0) == attempted("3")

    def test_the_end_is_heard_after_what_came_before_it(self) -> None:
        centre = hub.Hub()
        with centre.listen() as listener:
            centre.publish(attempted("last"))
            centre.end()
            assert listener.next(10) == attempted("last")
            assert listener.next(10) is None
            assert listener.ended


class TestErrands:
    def test_sentences_then_the_result_and_then_nothing(self) -> None:
        errand = errands.Verification("alice", ROOT)
        errand.guide(Guide(code="hold", say="Hold still."))
        errand.guide(Guide(code="hold", say="Hold still."))  # said already
        events = errand.events()
        assert next(events) == Guide(code="hold", say="Hold still.")
        errand.succeed({"decision": "accept"})
        errand.fail(CameraError("too late"))
        rest = [event for event in events if not isinstance(event, Alive)]
        assert rest == [Result(data={"decision": "accept"})]

    def test_an_error_ends_it_with_the_exit_code_of_the_command(self) -> None:
        errand = errands.Enrolment("alice", ROOT)
        errand.fail(CameraError("The camera was unplugged.", hint="Plug it in."))
        (event,) = errand.events()
        assert isinstance(event, Failure)
        assert (event.error.code, event.error.exit_code) == ("camera", 4)

    def test_a_reader_that_goes_away_cancels_it(self) -> None:
        errand = errands.Enrolment("alice", ROOT)
        errand.guide(Guide(code="hold", say="Hold still."))
        events = errand.events()
        next(events)
        assert not errand.cancelled
        events.close()  # type: ignore[attr-defined]  # a generator
        assert errand.cancelled

    def test_nobody_who_reads_slowly_holds_up_the_camera(self) -> None:
        errand = errands.Enrolment("alice", ROOT)
        for taken in range(1000):
            errand.guide(Guide(code="straight", say="Look.", taken=taken))
        errand.succeed({})
        assert list(errand.events())[-1] == Result(data={})


class TestLookout:
    def looks(self, moments: list[float], *, moving: bool, glanced: int = 0) -> list[str]:
        """Which looks are taken at an empty or a lively hall at these moments."""
        taken: list[str] = []

        def glance(_: object) -> int:
            taken.append("glance")
            return glanced

        def search(_: object) -> int:
            taken.append("search")
            return 0

        lookout = idle.Lookout(glance, search)
        for number, at in enumerate(moments):
            toy = Toy(ALICE, x=60 + 90 * (number % 3)) if moving else Toy(ALICE)
            lookout.faces(scene(at, toy, seed=0))
        return taken

    def test_where_nothing_moves_it_searches_once_in_a_long_while(self) -> None:
        moments = [number / 5 for number in range(76)]  # fifteen seconds
        assert self.looks(moments, moving=False) == ["glance", "search", "search"]

    def test_where_something_moves_it_glances_at_every_frame_and_searches_each_second(self) -> None:
        moments = [number / 5 for number in range(11)]  # two seconds
        taken = self.looks(moments, moving=True)
        assert (taken.count("glance"), taken.count("search")) == (11, 3)

    def test_whom_a_glance_finds_is_not_searched_for(self) -> None:
        assert set(self.looks([0.0, 0.2, 0.4], moving=True, glanced=1)) == {"glance"}


class TestVisit:
    def claims(self, moments: list[tuple[float, int]], visit: idle.Visit) -> list[float]:
        made = []
        for at, faces in moments:
            visit, claims = idle.look(visit, faces, at)
            if claims:
                made.append(at)
        return made

    def test_one_face_claims_and_several_do_not(self) -> None:
        assert self.claims([(0, 0), (1, 2), (2, 1)], idle.Visit()) == [2]

    def test_who_was_let_in_must_leave_before_the_next_claim(self) -> None:
        stays = [(float(at), 1) for at in range(1, 30)]
        assert self.claims(stays, idle.attempted(Decision.ACCEPT, now=0.0)) == []
        leaves = [(1.0, 1), (2.0, 0), (3.5, 0), (4.0, 1)]
        assert self.claims(leaves, idle.attempted(Decision.ACCEPT, now=0.0)) == [4.0]

    def test_a_face_out_of_sight_for_a_moment_has_not_left(self) -> None:
        blinks = [(1.0, 1), (1.5, 0), (2.0, 1)]
        assert self.claims(blinks, idle.attempted(Decision.ACCEPT, now=0.0)) == []

    def test_who_was_refused_may_try_again_after_a_while_without_leaving(self) -> None:
        stays = [(float(at), 1) for at in range(1, 8)]
        made = self.claims(stays, idle.attempted(Decision.REJECT, now=0.0))
        assert made == [5, 6, 7]  # whoever calls makes an attempt of the first

    def test_who_is_locked_out_is_not_tried_every_few_seconds(self) -> None:
        stays = [(float(at), 1) for at in range(1, 70)]
        made = self.claims(stays, idle.attempted(Decision.LOCKED_OUT, now=0.0))
        assert made[0] == idle.LOCKED_OUT_S

    @given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3)), max_size=40))
    def test_nobody_who_stays_is_let_in_twice(self, steps: list[tuple[float, int]]) -> None:
        times = itertools.accumulate(wait for wait, _ in steps)
        visit, away = idle.attempted(Decision.ACCEPT, now=0.0), 0.0
        seen = 0.0
        for at, (_, faces) in zip(times, steps, strict=True):
            visit, claims = idle.look(visit, faces, at)
            away = max(away, at - seen)
            seen = at if faces else seen
            assert not claims or away >= idle.GONE_S


class TestStarting:
    def test_a_slow_start_is_ended_by_systemd_and_by_nothing_before_it(self) -> None:
        unit = (SYSTEMD / "appliance.service").read_text()
        (given,) = re.findall(r"^TimeoutStartSec=(\d+)$", unit, re.MULTILINE)
        assert int(given) < supervisor.API_START_S
