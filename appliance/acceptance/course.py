"""How an acceptance goes: step after step, each kept before the next begins.

Whoever answers, a person or a file, whatever measures and whatever keeps come as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.acceptance.answers import Prepared
from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Facts, Hand, Mark, Outcome, Result, Site, Status, Step
from appliance.errors import ApplianceError, HardwareError, StoreError


@dataclass(frozen=True)
class Go:
    """The step begins."""


@dataclass(frozen=True)
class Skip:
    """The step is left out. why: in the person's words."""

    why: str


@dataclass(frozen=True)
class Leave:
    """The acceptance is left here, to be resumed."""


@dataclass(frozen=True)
class Said:
    """An answer to a question. note: what the person adds."""

    yes: bool
    note: str = ""


Begin = Go | Skip | Leave


class NotReadyError(HardwareError):
    """The service does not stand as a step needs it: that says nothing of the door."""

    default_code = "service_state"


class Dialog(Protocol):
    """Whoever carries the acceptance out."""

    def opens(self, step: Step, number: int, of: int) -> None:
        """Say what comes."""
        ...

    def ready(self, step: Step) -> Begin:
        """Wait until the step may begin; going on is the consent to what `step.consent` says."""
        ...

    def unready(self, step: Step, error: NotReadyError) -> Begin:
        """Have the service started or stopped. Go: try again."""
        ...

    def measured(self, step: Step, facts: Facts) -> None:
        """Show what was measured."""
        ...

    def answer(self, step: Step) -> Said | Leave:
        """Put the step's question."""
        ...

    def closes(self, step: Step, result: Result) -> None:
        """Say what became of it."""
        ...

    def again(self, step: Step, result: Result) -> bool:
        """Whether a step that failed is tried once more, now."""
        ...

    def power(self, step: Step) -> Begin:
        """Have the machine restarted: does not return where that is done. Go: judge it later."""
        ...

    def unsaved(self, error: StoreError) -> bool:
        """Whether to try again to keep what was done."""
        ...


class Probes(Protocol):
    """What measures."""

    def mark(self) -> Mark:
        """Where machine and log stand now."""
        ...

    def facts(self, step: Step, mark: Mark | None) -> Facts:
        """Measure for a step. mark: as it was kept before a restart.

        Raises NotReadyError where the service is in the way, ApplianceError where the step failed.
        """
        ...

    def now(self) -> str:
        """ISO 8601, UTC."""
        ...


class Course:
    """One call of the command, from the first step that is open to the end or to a restart.

    hand: who carries this call out.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each comes from elsewhere
        self,
        site: Site,
        dialog: Dialog,
        probes: Probes,
        keep: Callable[[Progress], None],
        progress: Progress,
        hand: Hand,
    ) -> None:
        self._site = site
        self._dialog = dialog
        self._probes = probes
        self._keep = keep
        self.progress = progress
        self._hand = hand

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Go through the steps; what became of the whole. Raises StoreError, when not kept."""
        steps = [step.at(self._site) for step in steps]
        apply = [step for step in steps if not step.absent(self._site)]
        self._settle_what_applies(steps)
        for number, step in enumerate(apply, 1):
            if self._is_done(step):
                continue
            self._dialog.opens(step, number, len(apply))
            if not self._step(step):
                break
        return outcome(steps, self.progress.results)

    def _settle_what_applies(self, steps: Sequence[Step]) -> None:
        """Anew at each call: what the door did not have it may have got since, and the reverse."""
        for step in steps:
            before, reason = self.progress.results.get(step.key), step.absent(self._site)
            if before is not None and before.status not in {Status.OPEN, Status.ABSENT}:
                continue  # it was tried
            if reason:
                found = replace(self._blank(step), status=Status.ABSENT, reason=reason)
                self.progress = self.progress.with_result(found)
            elif before is not None and before.status is Status.ABSENT:
                self.progress = self.progress.with_result(replace(self._blank(step), at=""))
        self._save()

    def _is_done(self, step: Step) -> bool:
        done = self.progress.results.get(step.key)
        return done is not None and done.status is not Status.OPEN

    def _step(self, step: Step) -> bool:
        """Try a step until it is decided; False when the acceptance is left."""
        while True:
            result = self._tried(step)
            if result is None:
                return False
            result = replace(result, hand=self._hand)
            self.progress = self.progress.with_result(result)
            self._save()
            self._dialog.closes(step, result)
            if result.status is not Status.FAILED or not self._dialog.again(step, result):
                return True
            self.progress = self.progress.again(step.key)
            self._save()  # or a try that is broken off would leave the one before it decided

    def _tried(self, step: Step) -> Result | None:
        """One try; None when the acceptance is left."""
        mark = self.progress.marks.get(step.key) if step.reboot else None
        begin: Begin | Result = Go()
        if step.reboot and (mark is None or mark.boot == self._probes.mark().boot):
            begin = self._restart(step)
            if isinstance(begin, Go):
                return None
        elif not step.reboot:
            begin = self._dialog.ready(step)
        blank = self._blank(step)
        while isinstance(begin, Go):
            begin = self._ready_and_judged(step, blank, mark)
        if isinstance(begin, Result):
            return begin
        if isinstance(begin, Leave):
            return None
        return replace(blank, status=Status.SKIPPED, reason=begin.why)

    def _ready_and_judged(self, step: Step, blank: Result, mark: Mark | None) -> Begin | Result:
        """The step's result, or what is to be done where the service was in the way."""
        try:
            return self._judged(step, blank, mark)
        except NotReadyError as error:
            return self._dialog.unready(step, error)

    def _restart(self, step: Step) -> Begin:
        self.progress = self.progress.with_mark(step.key, self._probes.mark())
        self._save()
        return self._dialog.power(step)

    def _blank(self, step: Step) -> Result:
        before = self.progress.results.get(step.key)
        earlier = () if before is None else before.earlier
        return Result(step.key, Status.OPEN, at=self._probes.now(), earlier=earlier)

    def _judged(self, step: Step, blank: Result, mark: Mark | None) -> Result | Leave:
        facts: Facts = {}
        if step.probe:
            try:
                facts = self._probes.facts(step, mark)
            except NotReadyError:
                raise
            except ApplianceError as error:
                reason = f"{error.message} {error.hint}".strip()
                return replace(blank, status=Status.FAILED, reason=reason)
            self._dialog.measured(step, facts)
        faults = list(step.judge(facts, self._site))
        done = replace(blank, facts=facts)
        if step.ask and step.asks_when(facts):
            said = self._dialog.answer(step)
            if isinstance(said, Leave):
                return said
            done = replace(done, answer=said.yes, note=said.note)
            faults += [] if said.yes else [step.otherwise]
        status = Status.FAILED if faults else Status.PASSED
        return replace(done, status=status, reason=" ".join(faults))

    def _save(self) -> None:
        kept = False
        while not kept:  # whoever carries it out may make room meanwhile
            kept = self._kept()

    def _kept(self) -> bool:
        """Whether it could be kept. Raises StoreError when nobody wants it tried again."""
        try:
            self._keep(self.progress)
        except StoreError as error:
            if not self._dialog.unsaved(error):
                raise
            return False
        return True


def outcome(steps: Sequence[Step], results: Mapping[str, Result]) -> Outcome:
    """What became of the whole, from what became of the steps."""
    if any(step.key not in results for step in steps):
        return Outcome.UNFINISHED
    statuses = [(results[step.key].status, step.required) for step in steps]
    if any(status is Status.OPEN for status, _ in statuses):
        return Outcome.UNFINISHED
    required = {status for status, counts in statuses if counts}
    if Status.FAILED in required:
        return Outcome.FAILED
    return Outcome.INCOMPLETE if Status.SKIPPED in required else Outcome.ACCEPTED


class Script:
    """A dialog that says what was written down; see `appliance.acceptance.answers`."""

    def __init__(self, answers: Mapping[str, Prepared], shown: Dialog) -> None:
        self._answers = answers
        self._shown = shown

    def opens(self, step: Step, number: int, of: int) -> None:
        """Shown as to a person."""
        self._shown.opens(step, number, of)

    def ready(self, step: Step) -> Begin:
        """Go where the answers give consent or none is asked for; leave where they say nothing."""
        prepared = self._answers.get(step.key)
        if prepared is not None and prepared.skip:
            return Skip(prepared.skip)
        if prepared is not None:
            return Go() if prepared.consent or not step.consent else Leave()
        return Leave() if step.consent or (step.ask and not step.probe) else Go()

    def unready(self, step: Step, error: NotReadyError) -> Begin:
        """Leave it: whoever replays it starts or stops the service."""
        self._shown.unready(step, error)
        return Leave()

    def measured(self, step: Step, facts: Facts) -> None:
        """Shown as to a person."""
        self._shown.measured(step, facts)

    def answer(self, step: Step) -> Said | Leave:
        """As written down."""
        prepared = self._answers.get(step.key)
        if prepared is None or prepared.answer is None:
            return Leave()
        return Said(prepared.answer, prepared.note)

    def closes(self, step: Step, result: Result) -> None:
        """Shown as to a person."""
        self._shown.closes(step, result)

    def again(self, _step: Step, _result: Result) -> bool:
        """A file has nothing else to say the second time."""
        return False

    def power(self, step: Step) -> Begin:
        """Skip what is to be skipped; else whoever replays it restarts the machine."""
        prepared = self._answers.get(step.key)
        return Skip(prepared.skip) if prepared is not None and prepared.skip else Leave()

    def unsaved(self, _error: StoreError) -> bool:
        """Nobody is there to make room."""
        return False
