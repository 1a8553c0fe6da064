"""What is built from the config, runs, and can be built anew: lock, door, camera, pipeline, claims.

Opened from the lock upwards, so that *locked* is commanded before anything else is; closed the
other way round, except that the door is locked first of all.

The tasks: `door` turns the door's table and reads its inputs, and never waits for a disk; `records`
writes what happened there; `vision` looks; each keypad and card reader has its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from threading import Event as Flag

from appliance import assemble
from appliance.claims import keeper
from appliance.claims.desk import Answer
from appliance.claims.reading import Reading
from appliance.config import Config
from appliance.daemon import vigil
from appliance.daemon.beats import Beats
from appliance.daemon.tasks import Task
from appliance.daemon.vigil import Tools, Vigil
from appliance.door_controller import POLL_S, DoorController
from appliance.door_values import DoorChange, DoorWord, Happening
from appliance.errors import HardwareError, LockError, StoreError
from appliance.feedback import Cue, Feedback, Judged, Readiness
from appliance.journal import fields
from appliance.perception import Perception
from appliance.ports import Clock, SecondSight, Watch
from appliance.store.store import Store
from appliance.types import Ask, Claim, TroubleKind, Verdict

log = logging.getLogger(__name__)

DOOR = "door"
RECORDS = "records"
# Seconds between two looks at the door: while nothing is connected that could change by itself and
# no pulse runs, far fewer are enough.
RESTING_S = 0.25
RECORDS_EVERY_S = 0.5
# Seconds within which a task must be heard. A picture may take long on a small board that is hot,
# and a disk may be busy.
DOOR_WITHIN_S = 5.0
RECORDS_WITHIN_S = 60.0
VISION_WITHIN_S = 30.0
READER_WITHIN_S = 30.0

# A camera that is out of order. A hand over the lens is none: it must not make a PIN enough.
_BLIND = frozenset({TroubleKind.LOST, TroubleKind.FROZEN})
# Seconds for which it must have been so: a cable that is pulled for a moment must not do it either.
BLIND_FOR_S = 10.0

Failed = Callable[[str, BaseException], None]


class House:
    """One life of the parts that the config describes. A context manager.

    told: hears every verdict at the door. changed: hears what happens at the door itself. call:
    hears of a duress PIN, by its owner's name and the way. failed: hears of a task that died.
    loaded: hears of each part that is there, for one of them may take long.
    Entering raises what building raises: ConfigError, ModelError, LockError, StoreError.
    """

    def __init__(  # noqa: PLR0913 - all of it belongs to the service, which lives longer
        self,
        config: Config,
        store: Store,
        clock: Clock,
        beats: Beats,
        *,
        told: Callable[[Claim, Verdict], None],
        changed: Callable[[DoorChange], None],
        call: Callable[[str, str], None],
        failed: Failed,
        loaded: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config
        self._store = store
        self._clock = clock
        self._beats = beats
        self._told = told
        self._changed = changed
        self._call = call
        self._failed = failed
        self._loaded = loaded
        self._stack = ExitStack()
        self._stopping = Flag()
        self._stirred = Flag()
        self._tasks: list[Task] = []
        self._feedback: Feedback | None = None
        self._camera: Watch | None = None
        self._sight: SecondSight | None = None
        self._connected = self._at_rest = False
        self.controller: DoorController | None = None
        self.simulated = False
        self.live = config.camera.driver != "files"
        self.vigil: Vigil | None = None
        self.perception: Perception | None = None

    def prepare(self, perception: Perception | None = None) -> House:
        """Build what needs no device: what fails here has stopped nothing yet.

        perception: of a house with the same models, which is to be used again.
        """
        if self.perception is None:
            self.perception = perception or assemble.perception(self.config, loaded=self._loaded)
        assemble.rules(self.config, unlock=True, live=True)
        assemble.enrolment_policy(self.config, guided=True)
        return self

    def open(self) -> House:
        """Build and start everything; what was built is closed again where something fails."""
        try:
            self._open_the_door_room()
            self._advanced("the door is tended")
            self.prepare()
            self._open_the_eyes()
            self._advanced("the camera is watched")
        except BaseException:
            self.close()
            raise
        return self

    def _advanced(self, part: str) -> None:
        if self._loaded is not None:
            self._loaded(part)

    @property
    def fall_back(self) -> str:
        """A sentence where the embedder does not run on what model.delegate names; else empty."""
        perception = self.perception
        found = assemble.processor(perception.stages.embedder) if perception else None
        return "" if found is None else found.warning

    def secure(self) -> None:
        """Lock, and let nobody in any more; what fails is told and leaves the rest to others."""
        self._stirred.set()
        if not self._stopping.is_set():
            self._stopping.set()
            self._rest()

    def _rest(self) -> None:
        if self.controller is not None:
            try:
                self.controller.shutdown()
            except LockError as error:
                log.critical("%s", error.message)

    def close(self) -> bool:
        """Lock, then end everything; may be called twice. False when a task has not ended.

        Raises LockError when the lock does not obey at its end.
        """
        self.secure()
        if self.vigil is not None:
            self.vigil.stop()
        if self._camera is not None:
            self._camera.close()  # wakes who waits for a picture
        # Before anything is taken away that they use: a lock that is closed does not obey.
        hanging = []
        for task in reversed(self._tasks):
            self._beats.dismiss(task.name)
            if not task.join():
                log.error("the task %s does not end", task.name)
                hanging.append(task.name)
        self._tasks.clear()
        self._stack.close()
        return not hanging

    def _open_the_door_room(self) -> None:
        config = self.config
        try:
            assemble.remember_line(config)
        except HardwareError as error:
            log.warning("%s %s", error.message, error.hint)
        if config.door.driver is None:
            log.warning("the door is not configured: nothing is driven")
            return
        lock = self._stack.enter_context(closing(assemble.lock(config)))
        self.simulated = lock.simulated
        inputs = assemble.door_inputs(config)
        if inputs is not None:
            self._stack.enter_context(closing(inputs))
        self.controller = assemble.controller(config, lock, self._store, inputs)
        self._connected = inputs is not None
        lamps = self._stack.enter_context(closing(assemble.indicators(config)))
        voice = assemble.speaker(config)
        instructor = assemble.instructor(config, voice)
        voices = dict.fromkeys(it for it in (voice, instructor) if it is not None)
        for it in voices:
            self._stack.enter_context(closing(it))
        for fault in (*lamps.faults, *(fault for it in voices for fault in it.faults)):
            log.warning("%s", fault)
        self._feedback = assemble.feedback(config, lamps, voice, instructor)
        self._feedback.tell(Readiness.STARTING)
        self.controller.listen(self._hear_the_door)
        self._feedback.tell(self.controller.status())  # as it was before anybody listened
        self._start(DOOR, self._tend_the_door, DOOR_WITHIN_S)
        self._start(RECORDS, self._write_records, RECORDS_WITHIN_S)

    def _open_the_eyes(self) -> None:
        config, store = self.config, self._store
        camera = self._camera = self._stack.enter_context(closing(assemble.watch(config)))
        perception = self.perception or assemble.perception(config)
        self._sight = assemble.second_sight(config)
        if self._sight is not None:
            self._stack.enter_context(closing(self._sight))
        assemble.look_in_infrared(perception, self._sight)
        room = None
        if self.controller is not None:
            room = assemble.attempt_room(config, self.controller, store, simulated=self.simulated)
        desk = assemble.claim_desk(
            config, store, hand=self._hear, show=self._answer, call=self._call
        )
        tools = Tools(
            config=config,
            camera=camera,
            live=self.live,
            perception=perception,
            # Also a looped recording is watched as a camera is: it never ends.
            rules=lambda unlock: assemble.rules(config, unlock=unlock, live=True),
            room=room,
            register=assemble.register(config, store),
            policy=assemble.enrolment_policy(config, guided=True),
            clock=self._clock,
            beat=self._vision_beats,
            told=self._judged,
            broke=lambda _claim: self._show(Cue.REFUSED),
            sole=self._sole if "sole_user" in config.claims.sources else None,
            read=assemble.badge_reader(config, desk),
            asked=self._ask,
        )
        self.vigil = Vigil(tools)
        self._start(vigil.TASK, self.vigil.run, VISION_WITHIN_S)
        if self.controller is not None:
            for reading in assemble.claim_readings(config, desk):
                self._start(reading.name, partial(self._read, reading), READER_WITHIN_S)

    def _ask(self, ask: Ask) -> None:
        if self._feedback is not None:
            self._feedback.tell(ask)

    def _read(self, reading: Reading) -> None:
        reading.run(self._stopping, lambda trouble: self._beats.beat(reading.name, trouble))

    def _start(self, name: str, work: Callable[[], None], within_s: float) -> None:
        task = Task(name, work, self._failed)
        self._tasks.append(task)
        self._beats.expect(name, within_s)
        task.start()

    def _tend_the_door(self) -> None:
        controller, sentence = self.controller, ""
        while controller is not None and not self._stopping.is_set():
            before = sentence
            try:
                controller.tick()
                sentence = controller.status().error
            except LockError as error:
                sentence = error.message
            if sentence and sentence != before:
                log.error("%s", sentence, extra=fields(door="fault"))
            self._beats.beat(DOOR, sentence)
            busy = self._connected or controller.pulsing
            self._stirred.wait(POLL_S if busy else RESTING_S)
            self._stirred.clear()
        if controller is not None and controller.status().released:
            self._rest()  # somebody pressed the button just now

    def _hear_the_door(self, change: DoorChange) -> None:
        if self._feedback is not None:
            self._feedback.tell(change)
        if change.what is Happening.RELEASED:
            self._stirred.set()  # the end of its pulse is to be timed
        at_rest = change.state is DoorWord.OUT_OF_SERVICE
        if not (at_rest and self._at_rest):  # commanded more than once, told once
            self._changed(change)
        self._at_rest = at_rest

    def _write_records(self) -> None:
        controller, sentence = self.controller, ""
        while controller is not None and not self._stopping.wait(RECORDS_EVERY_S):
            before = sentence
            try:
                controller.write_records()
                sentence = ""
            except StoreError as error:
                sentence = error.message
            if sentence and sentence != before:
                log.error("%s", sentence)
            self._beats.beat(RECORDS, sentence)

    def _vision_beats(self, sentence: str) -> None:
        if self._sight is not None:
            sentence = sentence or self._sight.trouble  # nobody is let in without it
        self._beats.beat(vigil.TASK, sentence)
        busy = self.vigil is not None and self.vigil.busy
        state = Readiness.DEGRADED if sentence else Readiness.LOOKING if busy else Readiness.READY
        if self._feedback is not None and self._feedback.situation.readiness is not state:
            self._feedback.tell(state)

    def _judged(self, claim: Claim, verdict: Verdict) -> None:
        if self._feedback is not None:
            self._feedback.tell(Judged(claim.name, verdict))
        self._told(claim, verdict)

    # --- claims ---------------------------------------------------------------------------

    def _hear(self, claim: Claim) -> bool:
        """Somebody has said who they are; False when too much is going on to hear it."""
        if self._keeper_may_enter(claim):
            self._let_the_keeper_in(claim)
            return True
        return self.vigil is not None and self.vigil.claim(claim)

    def _keeper_may_enter(self, claim: Claim) -> bool:
        """Whether this is a keeper with a PIN, while the camera cannot help."""
        trouble = self.vigil.trouble if self.vigil else None
        if trouble is None or self.controller is None:
            return False
        lasts = self._clock.monotonic() - trouble.since >= BLIND_FOR_S
        degraded = lasts and trouble.kind in _BLIND
        if not degraded:
            return False
        rules = assemble.access(self.config, self._store)
        is_keeper = rules.is_keeper(claim.name)
        if keeper.obstacle(claim, keeper=is_keeper, camera_degraded=degraded) is not None:
            return False
        return rules.obstacle(claim.name) is None

    def _let_the_keeper_in(self, claim: Claim) -> None:
        if self.controller is None:
            return
        detail = {"via": claim.via, "camera": "degraded"}
        pulse_s = self.config.door.pulse_s
        self.controller.release(keeper.AUDIT_EVENT, claim.name, detail, pulse_s)

    def _answer(self, answer: Answer, _sentence: str) -> None:
        self._show(Cue(answer.value))

    def _show(self, cue: Cue) -> None:
        if self._feedback is not None:
            self._feedback.tell(cue)

    def _sole(self) -> str | None:
        """Who a face claims to be by itself: the only one who is enrolled."""
        people = self._store.people.summaries()
        if len(people) == 1:
            return people[0].name
        log.warning("claims.sources: sole_user needs one person, and %d are enrolled", len(people))
        return None
