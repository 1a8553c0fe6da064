"""What is built from the config, runs, and can be built anew: lock, door, camera, pipeline, claims.

Opened from the lock upwards, so that *locked* is commanded before anything else is; closed the
other way round, except that the door is locked first of all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Event as Flag

from appliance import assemble
from appliance.config import Config
from appliance.daemon import vigil
from appliance.daemon.beats import Beats
from appliance.daemon.tasks import Task
from appliance.daemon.vigil import Tools, Vigil
from appliance.door_controller import DoorController
from appliance.errors import LockError
from appliance.journal import fields
from appliance.ports import Clock
from appliance.store.store import Store
from appliance.types import Claim, Verdict

log = logging.getLogger(__name__)

DOOR = "door"
# Seconds between two looks at the door's table and its inputs.
DOOR_TICK_S = 0.02
# Seconds within which a task must be heard. A picture may take long on a small board that is hot.
DOOR_WITHIN_S = 5.0
VISION_WITHIN_S = 30.0

Failed = Callable[[str, BaseException], None]


class House:
    """One life of the parts that the config describes. A context manager.

    told: hears every verdict at the door. failed: hears of a task that died.
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
        failed: Failed,
    ) -> None:
        self.config = config
        self._store = store
        self._clock = clock
        self._beats = beats
        self._told = told
        self._failed = failed
        self._stack = ExitStack()
        self._stopping = Flag()
        self._tasks: list[Task] = []
        self.controller: DoorController | None = None
        self.simulated = False
        self.live = config.camera.driver != "files"
        self.vigil: Vigil | None = None

    def open(self) -> House:
        """Build and start everything; what was built is closed again where something fails."""
        try:
            self._open_the_door_room()
            self._open_the_eyes()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Lock, then end everything; may be called twice."""
        self._stopping.set()
        if self.controller is not None:
            try:
                self.controller.shutdown()
            except LockError as error:
                log.critical("%s", error.message)
        if self.vigil is not None:
            self.vigil.stop()
        self._stack.close()
        for task in reversed(self._tasks):
            self._beats.dismiss(task.name)
            if not task.join():
                log.error("the task %s does not end", task.name)
        self._tasks.clear()

    def _open_the_door_room(self) -> None:
        config = self.config
        if config.door.driver is None:
            log.warning("the door is not configured: nothing is driven")
            return
        lock = self._stack.enter_context(closing(assemble.lock(config)))
        self.simulated = lock.simulated
        inputs = assemble.door_inputs(config)
        if inputs is not None:
            self._stack.enter_context(closing(inputs))
        self.controller = assemble.controller(config, lock, self._store, inputs)
        self._start(DOOR, self._tend_the_door, DOOR_WITHIN_S)

    def _open_the_eyes(self) -> None:
        config, store = self.config, self._store
        camera = self._stack.enter_context(closing(assemble.watch(config)))
        room = None
        if self.controller is not None:
            room = assemble.attempt_room(config, self.controller, store, simulated=self.simulated)
        tools = Tools(
            config=config,
            camera=camera,
            live=self.live,
            perception=assemble.perception(config),
            # Also a looped recording is watched as a camera is: it never ends.
            rules=lambda unlock: assemble.rules(config, unlock=unlock, live=True),
            room=room,
            register=assemble.register(config, store),
            policy=assemble.enrolment_policy(config, guided=True),
            clock=self._clock,
            beat=lambda sentence: self._beats.beat(vigil.TASK, sentence),
            told=self._told,
            sole=self._sole if "sole_user" in config.claims.sources else None,
        )
        self.vigil = Vigil(tools)
        self._start(vigil.TASK, self.vigil.run, VISION_WITHIN_S)

    def _start(self, name: str, work: Callable[[], None], within_s: float) -> None:
        task = Task(name, work, self._failed)
        self._tasks.append(task)
        self._beats.expect(name, within_s)
        task.start()

    def _tend_the_door(self) -> None:
        controller = self.controller
        sentence = ""
        while controller is not None and not self._stopping.wait(DOOR_TICK_S):
            before = sentence
            try:
                controller.tick()
                sentence = ""
            except LockError as error:
                sentence = error.message
            if sentence and sentence != before:
                log.error("%s", sentence, extra=fields(door="fault"))
            self._beats.beat(DOOR, sentence)

    def _sole(self) -> str | None:
        """Who a face claims to be by itself: the only one who is enrolled."""
        people = self._store.people.summaries()
        if len(people) == 1:
            return people[0].name
        log.warning("claims.sources: sole_user needs one person, and %d are enrolled", len(people))
        return None
