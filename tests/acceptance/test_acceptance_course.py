"""How an acceptance goes: what is asked, kept, resumed and concluded."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from appliance.acceptance import answers, plan, progress
from appliance.acceptance.answers import Prepared
from appliance.acceptance.course import Begin, Course, Go, Leave, NotReadyError, Said, Script, Skip
from appliance.acceptance.plan import BY_KEY, STEPS
from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Hand, Outcome, Service, Site, Status, Step
from appliance.errors import InputError, LockError, StoreError
from tests.acceptance.parts import BY_STEP, GOOD, NO_POWER_CUTS, WHOLE, Bench, Somebody
from tests.conftest import ROOT

NEW = Progress("run", "2026-03-01T11:00:00+00:00", "")
HAND = Hand("J. Doe", "root", "terminal")
BARE = Site(door="simulated", live=False)


def course(
    somebody: Somebody | None = None,
    bench: Bench | None = None,
    site: Site = WHOLE,
    begun: Progress = NEW,
    kept: list[Progress] | None = None,
) -> Course:
    somebody = somebody or Somebody(begins=deepcopy(NO_POWER_CUTS))
    return Course(
        site, somebody, bench or Bench(), (kept if kept is not None else []).append, begun, HAND
    )


def status(of: Course, key: str) -> Status:
    return of.progress.results[key].status


def test_two_power_cuts_and_all_is_well() -> None:
    bench, kept = Bench(), list[Progress]()
    it = course(Somebody(), bench, kept=kept)
    assert it.run(STEPS) is Outcome.UNFINISHED
    assert "boot" not in bench.asked
    for boot, outcome in (("second", Outcome.UNFINISHED), ("third", Outcome.ACCEPTED)):
        # What the disk holds is all that is left of the run before.
        left = progress.parse(kept[-1].content(), "kept")
        bench.boot = boot
        it = course(Somebody(), bench, begun=left, kept=kept)
        assert it.run(STEPS) is outcome
    assert len(bench.asked) == len(set(bench.asked))  # nothing was tried twice
    assert {mark.boot for mark in bench.marks if mark} == {"first", "second"}
    assert it.progress.marks == {}


def test_without_a_power_cut_the_start_is_not_judged() -> None:
    somebody, bench = Somebody(), Bench()
    it = course(somebody, bench)
    it.run(STEPS)
    resumed = course(somebody, bench, begun=it.progress)
    assert resumed.run(STEPS) is Outcome.UNFINISHED
    assert somebody.seen.count(("power", "boot")) == 2
    assert "boot" not in bench.asked


def test_only_what_the_door_has_is_asked_for() -> None:
    it = course(site=BARE)
    assert it.run(STEPS) is Outcome.ACCEPTED
    absent = {key for key, it in it.progress.results.items() if it.status is Status.ABSENT}
    assert absent >= {"contact", "exit_button", "tamper", "lamps", "claim_keypad", "fire_alarm"}
    assert absent >= {"kill", "watchdog", "boot", "clock", "system_service"}
    assert not absent & {"pulse", "strike", "photo", "way_out_without_power"}
    assert it.progress.results["tamper"].reason == "No tamper contact is connected."
    assert BARE.twins == ("lock", "camera")


BROKEN_BY_NOW = {"kill", "watchdog", "boot", "clock", "system_service"}


def test_what_has_come_to_the_door_meanwhile_is_asked_for() -> None:
    bare = course(Somebody({**deepcopy(NO_POWER_CUTS), "strike": [Leave()]}), site=BARE)
    bare.run(STEPS)
    assert {key for key in BROKEN_BY_NOW if status(bare, key) is Status.ABSENT} == BROKEN_BY_NOW
    # The service was installed and the lock exchanged; whoever leaves at once accepts nothing.
    left = course(Somebody({"system_service": [Leave()]}), begun=bare.progress)
    assert left.run(STEPS) is Outcome.UNFINISHED
    assert not BROKEN_BY_NOW - {key for key in BROKEN_BY_NOW if status(left, key) is Status.OPEN}
    bench = Bench()
    it = course(Somebody(), bench, begun=left.progress)
    assert it.run(STEPS) is Outcome.UNFINISHED
    assert {"system_service", "kill", "watchdog"} <= set(bench.asked)
    assert it.progress.results["kill"].earlier == ()


def test_what_failed_is_not_forgotten_when_it_does_not_apply_any_more() -> None:
    it = course(bench=Bench(raises={"kill": LockError("It stayed open.")}))
    it.run(STEPS)
    later = course(site=replace(WHOLE, installed=False), begun=it.progress)
    assert later.run(STEPS) is Outcome.FAILED
    again = course(site=replace(WHOLE, installed=False), begun=it.progress.again("kill"))
    again.run(STEPS)
    assert again.progress.results["kill"].earlier == ("It stayed open.",)


def test_a_magnet_is_let_go_by_the_fire_alarm() -> None:
    safe = replace(WHOLE, fail="safe")
    assert not BY_KEY["fire_alarm"].absent(safe)
    assert BY_KEY["shut_without_power"].absent(safe)


def words(key: str, fail: str) -> str:
    """All that is said at a step of such a door."""
    step = BY_KEY[key].at(replace(WHOLE, fail=fail))
    return " ".join((step.title, *step.do, step.ask, step.otherwise, step.consent))


def test_a_fail_safe_door_is_asked_for_what_it_does() -> None:
    # Without current it stands open, and whoever agrees to that has to be told.
    safe = replace(WHOLE, fail="safe")
    for key in ("service_stopped", "kill", "watchdog"):
        assert "the door stands open to anybody" in BY_KEY[key].at(safe).consent
    assert "nobody is let in" not in words("service_stopped", "safe")
    # In a pulse the relay falls off, and after a kill it stays so.
    assert "clicks on, and must fall off" not in words("kill", "safe")
    assert "locked" not in BY_KEY["kill"].at(safe).title
    # It is energised when the service locks.
    assert "must not click" not in words("boot", "safe")
    assert "silent" not in words("boot", "safe")
    assert "clicks on once" in words("boot", "safe")
    for step in STEPS:
        assert step.at(WHOLE) == step
        assert bool(step.at(safe).consent) == bool(step.consent), step.key


def test_course_and_report_use_the_words_of_the_door() -> None:
    told: list[str] = []

    class Reader(Somebody):
        def ready(self, step: Step) -> Begin:
            told.append(step.consent)
            return super().ready(step)

    course(Reader(deepcopy(NO_POWER_CUTS)), site=replace(WHOLE, fail="safe")).run(STEPS)
    assert any("stands open to anybody" in it for it in told)
    assert not any("nobody is let in" in it for it in told)


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (replace(WHOLE, door=None), "The door is not configured"),
        (replace(WHOLE, liveness=False), "a photograph of an enrolled person opens this door"),
    ],
)
def test_what_no_door_can_do_without_is_not_passed_over(site: Site, reason: str) -> None:
    it = course(site=site)
    assert it.run(STEPS) is Outcome.FAILED
    assert reason in it.progress.results["config"].reason


@pytest.mark.parametrize(
    ("key", "outcome"), [("strike", Outcome.INCOMPLETE), ("sound", Outcome.ACCEPTED)]
)
def test_what_counts_cannot_be_skipped_into_an_acceptance(key: str, outcome: Outcome) -> None:
    begins: dict[str, list[Begin]] = {**deepcopy(NO_POWER_CUTS), key: [Skip("not there yet")]}
    begins["boot"] = [Go()]
    bench = Bench()
    it = course(Somebody(begins=begins), bench)
    it.run(STEPS)
    bench.boot = "second"
    it = course(Somebody(begins=begins), bench, begun=it.progress)
    assert it.run(STEPS) is outcome
    skipped = it.progress.results[key]
    assert (skipped.status, skipped.reason) == (Status.SKIPPED, "not there yet")


@pytest.mark.parametrize(
    ("key", "outcome"), [("strike", Outcome.FAILED), ("lamps", Outcome.INCOMPLETE)]
)
def test_a_no_fails_the_step_and_what_counts_the_whole(key: str, outcome: Outcome) -> None:
    somebody = Somebody(deepcopy(NO_POWER_CUTS), {key: [Said(yes=False, note="too tight")]})
    it = course(somebody)
    assert it.run(STEPS) is outcome  # incomplete at best, for the power was never cut
    found = it.progress.results[key]
    assert (found.status, found.answer, found.note) == (Status.FAILED, False, "too tight")
    assert found.reason == BY_KEY[key].otherwise


def test_hardware_that_is_missing_fails_its_step_and_the_others_go_on() -> None:
    bench = Bench(raises={"camera": LockError("There is no camera.", hint="Plug it in.")})
    it = course(bench=bench)
    assert it.run(STEPS) is Outcome.FAILED
    assert it.progress.results["camera"].reason == "There is no camera. Plug it in."
    assert status(it, "pulse") is Status.PASSED


def test_what_failed_may_be_mended_and_both_are_told() -> None:
    somebody = Somebody(deepcopy(NO_POWER_CUTS), {"strike": [Said(yes=False)]}, tries=1)
    it = course(somebody)
    it.run(STEPS)
    found = it.progress.results["strike"]
    assert (found.status, found.earlier) == (Status.PASSED, (BY_KEY["strike"].otherwise,))


def test_a_step_that_is_done_again_keeps_what_it_said() -> None:
    it = course()
    it.run(STEPS)
    begun = it.progress.again("camera")
    bench = Bench()
    again = course(bench=bench, begun=begun)
    assert again.run(STEPS) is Outcome.INCOMPLETE
    assert bench.asked == ["camera"]
    assert again.progress.results["camera"].earlier == ("passed",)
    assert begun.again("camera") == begun  # it is open already


def test_a_service_that_is_in_the_way_says_nothing_of_the_door() -> None:
    bench = Bench(raises={"pulse": NotReadyError("The service is running.")})
    somebody = Somebody({**deepcopy(NO_POWER_CUTS), "pulse": [Go(), Leave()]})
    it = course(somebody, bench)
    assert it.run(STEPS) is Outcome.UNFINISHED
    assert "pulse" not in it.progress.results
    assert ("unready", "pulse") in somebody.seen


def test_nothing_moves_without_consent() -> None:
    somebody = Somebody({**deepcopy(NO_POWER_CUTS), "pulse": [Skip("no")], "kill": [Skip("no")]})
    bench = Bench()
    course(somebody, bench).run(STEPS)
    assert not {"pulse", "kill"} & set(bench.asked)
    moves = {"pulse", "held_open", "kill"}
    assert all(step.consent for step in STEPS if step.probe in moves | {"watchdog"})


def test_each_step_is_kept_before_the_next_begins() -> None:
    kept: list[Progress] = []
    somebody = Somebody(deepcopy(NO_POWER_CUTS))
    course(somebody, kept=kept).run(STEPS)
    done = [len(it.results) for it in kept]
    assert done == sorted(done)
    assert len(done) >= len(somebody.results)


def test_a_full_disk_is_told_and_nothing_is_lost() -> None:
    kept: list[Progress] = []
    full = [True, True]

    def keep(now: Progress) -> None:
        if len(now.results) > 12 and full:
            full.pop()
            raise StoreError("The disk is full.", code="disk_full")
        kept.append(now)

    somebody = Somebody(deepcopy(NO_POWER_CUTS), makes_room=lambda: True)
    assert Course(WHOLE, somebody, Bench(), keep, NEW, HAND).run(STEPS) is Outcome.INCOMPLETE
    full[:] = [True]
    nobody = Somebody(deepcopy(NO_POWER_CUTS))
    stopped = Course(WHOLE, nobody, Bench(), keep, NEW, HAND)
    with pytest.raises(StoreError):
        stopped.run(STEPS)
    rest = course(begun=kept[-1])
    assert rest.run(STEPS) is Outcome.INCOMPLETE


def test_the_kept_steps_stand_in_the_way_of_no_other_file() -> None:
    for content in (b"", b"{}", b"[1]", b'{"format": "appliance acceptance in progress v1"}'):
        with pytest.raises(InputError) as told:
            progress.parse(content, "x")
        assert told.value.code == "bad_progress"


def scripted(text: str, bench: Bench | None = None, begun: Progress = NEW) -> Course:
    bench = bench or Bench()
    prepared = answers.parse(text.encode(), "answers.yaml")
    return course(Script(prepared, Somebody()), bench, begun=begun)  # type: ignore[arg-type]


SCRIPT = """
network: yes
doctor: yes
service_stopped: {consent: yes}
pulse: {consent: yes, answer: yes}
strike: {consent: yes, answer: no, note: too tight}
exit_without_software: yes
lamps: {skip: "no lamps yet"}
sound: yes
stays_shut: yes
claim_keypad: {consent: yes}
claim_card: {consent: yes}
claim_qr: {consent: yes}
exit_button: {consent: yes}
held_open: {consent: yes}
kill: {consent: yes, answer: yes}
watchdog: {consent: yes}
boot: {skip: "on the bench"}
shut_without_power: yes
way_out_without_power: yes
clock: {skip: "on the bench"}
"""


def test_answers_can_be_replayed() -> None:
    it = scripted(SCRIPT)
    assert it.run(STEPS) is Outcome.FAILED
    assert it.progress.results["strike"].note == "too tight"
    assert status(it, "lamps") is Status.SKIPPED
    assert status(it, "forced") is Status.PASSED  # it asks nothing, so it needs no entry


def test_an_answer_that_is_missing_leaves_the_acceptance_there() -> None:
    bench = Bench()
    it = scripted(SCRIPT.replace("stays_shut: yes\n", ""), bench)
    assert it.run(STEPS) is Outcome.UNFINISHED
    assert ("stays_shut" in it.progress.results, "known_person" in bench.asked) == (False, False)
    assert scripted(SCRIPT, begun=it.progress).run(STEPS) is Outcome.FAILED


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pulze: yes", "'pulze' is not a step (did you mean pulse?)"),
        ("pulse: yes", "pulse: it needs `consent: yes`, for: The lock is released"),
        ("pulse: {consent: yes, anser: yes}", "'anser' is not a key (did you mean answer?)"),
        ("network: perhaps", "network: yes or no is expected, or a mapping, not 'perhaps'"),
        ("network: {answer: 1}", "network.answer: yes or no is expected, not 1"),
        ("network: {skip: ''}", "network.skip: a text of at most"),
        ("network: {skip: x, answer: yes}", "a step that is skipped has no answer"),
        ("- network", "steps with their answers are expected"),
        ("network: yes\nnetwork: no", "network"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(text: str, fault: str) -> None:
    with pytest.raises(InputError) as told:
        answers.parse(text.encode(), "answers.yaml")
    assert (told.value.code, told.value.exit_code) == ("bad_answers", 3)
    assert fault in told.value.message


def test_every_fault_of_the_answers_is_told_at_once() -> None:
    with pytest.raises(InputError) as told:
        answers.parse(b"pulze: yes\nstrike: yes\nkill: 3", "x")
    assert told.value.message.count(";") == 2


def test_answers_in_json_and_of_no_steps() -> None:
    assert answers.parse(b'{"network": true}', "x") == {"network": Prepared(answer=True)}
    assert answers.parse(b"", "x") == {}


def test_the_plan_is_whole() -> None:
    assert len(BY_KEY) == len(STEPS)
    assert {step.probe for step in STEPS} - {""} == set(GOOD)
    assert BY_STEP.keys() <= BY_KEY.keys()
    for step in STEPS:
        assert bool(step.ask) == bool(step.otherwise), step.key
        assert step.probe or step.ask or step.key == "config", step.key
        assert step.title
        assert not step.title.endswith(".")
        assert all(sentence.endswith(".") for sentence in step.do), step.key
    # The steps that the service would disturb come together: it is stopped once.
    needs = [step.needs for step in STEPS if step.needs is not Service.EITHER]
    assert needs == sorted(needs, key=[Service.STOPPED, Service.RUNNING].index)


def test_the_table_of_the_docs_is_this_one() -> None:
    text = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")
    assert f"-->\n{plan.table()}<!-- /steps -->" in text


def test_the_docs_say_what_is_otherwise_at_a_fail_safe_door() -> None:
    text = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")
    assert f"-->\n{plan.safe_table()}<!-- /safe -->" in text


def test_the_answers_of_the_docs_are_answers() -> None:
    text = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")
    (block,) = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert answers.parse(block.encode(), "docs")["sound"].skip
