"""The main thread: starts everything in order, feeds the watchdog, ends everything, locked first.

Signals are waited for, not handled: nothing is interrupted in the middle. SIGTERM and SIGINT end
the service, SIGHUP has the config read anew. A task that dies or is not heard in time ends the
process at once with a code that makes systemd start it again: the lock is commanded before that,
by another thread than the one that hangs, and once more by the unit's ExecStopPost.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import NoReturn, TypeAlias

from appliance import assemble, auto
from appliance import config as configuration
from appliance.board.watch import BoardWatch
from appliance.config import Config
from appliance.control.peers import rulers
from appliance.control.server import ControlServer
from appliance.control.words import Alarm, Attempted, DoorChanged, Health, Part, Reloaded
from appliance.daemon.beats import Beats
from appliance.daemon.house import House
from appliance.daemon.hub import Hub
from appliance.daemon.memory import keep_small
from appliance.daemon.service import Keeper, changed_keys
from appliance.daemon.tasks import Task
from appliance.door_values import DoorChange, DoorWord, Happening
from appliance.errors import (
    ApplianceError,
    ConfigError,
    DeviceBusyError,
    ExitCode,
    StoreError,
)
from appliance.journal import fields, set_level
from appliance.perception import Perception
from appliance.sdnotify import ServiceManager
from appliance.types import Claim, Verdict

log = logging.getLogger(__name__)

ENDS = frozenset({signal.SIGTERM, signal.SIGINT})
SIGNALS = ENDS | {signal.SIGHUP}
# Seconds between two looks at the tasks where the watchdog asks for no quicker ones.
LOOK_EVERY_S = 1.0
# What a task that hangs may cost before the process ends all the same.
LAST_LOCK_S = 1.0
# From the signal on. Longer than all that the tasks are given to end in.
STOP_WITHIN_S = 8.0
RELOAD_WITHIN_S = 30.0
UPKEEP = "upkeep"
UPKEEP_EVERY_S = 3600.0
UPKEEP_TURN_S = 5.0
UPKEEP_WITHIN_S = 600.0
BOARD = "board"
API = "api"
API_WITHIN_S = 20.0
# A slow board loads its libraries for long. Systemd ends a start that takes too long
# (TimeoutStartSec); this ends one that nobody watches.
API_START_S = 600.0
# States that are told together with the command to the lock that brought them about.
_OF_THE_LOCK = frozenset({DoorWord.LOCKED, DoorWord.UNLOCKED})
# Keys that only a restart changes: what is open cannot be moved.
FIXED = ("store.", "control.socket", "control.group")
# Keys that are read where they are used: nothing has to be built anew.
READ_WHEN_USED = ("log.", "audit.", "control.")
# Keys that the pipeline is built from; without them it is taken over as it is.
OF_THE_PIPELINE = ("model.", "detector.", "quality.", "liveness.", "camera.ir")


_Wish: TypeAlias = tuple[Future[Reloaded], Mapping[str, object]]


class Supervisor:
    """One life of the service. `run` returns when it was told to end; the exit code is 0 then."""

    def __init__(self, path: Path | None, written: Config, manager: ServiceManager) -> None:
        self._path = path
        self._config = auto.settled(written)
        self._manager = manager
        self._clock = assemble.clock()
        self._beats = Beats(self._clock)
        self._hub = Hub()
        self._dead: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reloads: queue.SimpleQueue[_Wish] = queue.SimpleQueue()
        self._unusable = ""
        self._told_parts: tuple[Part, ...] = ()
        self._house: House | None = None
        self._main = threading.main_thread().ident or 0

    def run(self) -> None:
        """Serve until a signal ends it. Raises what keeps it from starting."""
        keep_small()
        with ExitStack() as stack:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            stack.callback(signal.pthread_sigmask, signal.SIG_UNBLOCK, SIGNALS)
            for number in SIGNALS:
                stack.callback(signal.signal, number, signal.signal(number, self._hand_over))
            stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
            stack.enter_context(assemble.devices(self._config))
            store = stack.enter_context(assemble.store(self._config))
            self._store = store
            self._advanced("the store is open")
            keeper = Keeper(
                store,
                self._clock,
                self._beats,
                self._hub,
                config_path=self._path,
                house=lambda: self._house,
                reload=self._ask_for_reload,
            )
            # It loads its libraries while the models are loaded.
            server = self._serve(keeper, stack)
            stack.callback(self._close_house)
            self._house = self._new_house(self._config).open()
            keeper.count_people()
            server.wait_ready(API_START_S)
            self._advanced("the socket answers")
            self._keep_house_in_order(keeper, stack)
            log.info("ready", extra=fields(pid=os.getpid(), model=self._config.model.name))
            self._manager.ready(self._sentence())
            self._watch(keeper)
            # The kernel ends what hangs from here on, though it hangs in a library; then the unit's
            # ExecStopPost locks.
            signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN_S)
            self._house.secure()  # before anything is waited for
            self._manager.stopping("ending")
            log.info("stopping")

    def _advanced(self, step: str) -> None:
        """A step of the start is done. Once the end was asked for, that is not put off by it."""
        if not signal.sigpending() & ENDS:
            self._manager.advanced(step)

    def _hand_over(self, number: int, _frame: FrameType | None) -> None:
        """A thread of some library took the signal, for it began before they were blocked."""
        signal.pthread_kill(self._main, number)

    def _serve(self, keeper: Keeper, stack: ExitStack) -> ControlServer:
        server = ControlServer(
            self._config.control,
            keeper,
            known=lambda: rulers(self._config.control),
            beat=lambda: self._beats.beat(API),
        )
        self._beats.expect(API, API_WITHIN_S)
        stack.callback(self._beats.dismiss, API)
        server.start()
        stack.callback(server.stop)
        stack.callback(self._hub.end)
        return server

    def _watch(self, keeper: Keeper) -> None:
        every = min(self._manager.alive_every_s or LOOK_EVERY_S, LOOK_EVERY_S)
        while True:
            told = signal.sigtimedwait(SIGNALS, every)
            if told is not None and told.si_signo != signal.SIGHUP:
                return
            if told is not None:
                self._reload()
            self._look_at_the_tasks()
            self._manager.alive()
            self._tell_health(keeper.parts())

    def _tell_health(self, parts: tuple[Part, ...]) -> None:
        """Let whoever listens hear of parts that do better or worse than before.

        `systemctl status` shows the sentence too.
        """
        if parts != self._told_parts:
            self._manager.status(self._sentence())
        for part in set(parts) - set(self._told_parts):
            self._hub.publish(Health(at=self._clock.now(), part=part))
        self._told_parts = parts

    def _keep_house_in_order(self, keeper: Keeper, stack: ExitStack) -> None:
        """A thread of its own, for a large log takes its time."""
        ending = threading.Event()
        folder = self._store.database.path.parent.resolve()
        board = BoardWatch(self._clock, PurePosixPath(folder))

        def work() -> None:
            due, trouble = self._clock.monotonic(), ""
            while not ending.wait(UPKEEP_TURN_S):
                self._beats.beat(BOARD, board.look())
                keeper.count_people()
                self._beats.beat(UPKEEP, trouble or keeper.trouble_with_the_store())
                if self._clock.monotonic() >= due:
                    due = self._clock.monotonic() + UPKEEP_EVERY_S
                    trouble = self._upkeep()

        task = Task(UPKEEP, work, self._died)
        stack.callback(task.join)
        stack.callback(ending.set)
        for part in (UPKEEP, BOARD):
            self._beats.expect(part, UPKEEP_WITHIN_S)
            stack.callback(self._beats.dismiss, part)
        task.start()

    def _upkeep(self) -> str:
        """Keep the store in order; what could not be done, empty when all was."""
        try:
            kept = self._store.keep_house(assemble.house_policy(self._config))
        except Exception:
            log.exception("upkeep failed")  # the door goes on; status says so
            return "The upkeep of the store fails; the log says why."
        for trouble in kept.troubles:
            log.error("upkeep: %s %s", trouble.message, trouble.hint)
        if kept.dropped or kept.expired or kept.checkpoint:
            log.info(
                "upkeep",
                extra=fields(
                    dropped=kept.dropped,
                    expired=len(kept.expired),
                    checkpoint=kept.checkpoint is not None,
                ),
            )
        return kept.troubles[0].message if kept.troubles else ""

    def _died(self, name: str, _error: BaseException) -> None:
        self._dead.put(name)

    def _look_at_the_tasks(self) -> None:
        late = self._beats.late()
        if not self._dead.empty():
            self._abort(f"the task {self._dead.get()} died")
        elif late:
            self._abort(f"nothing was heard of {', '.join(late)}")

    def _abort(self, why: str) -> NoReturn:
        """Lock, say so, and go without waiting for what hangs."""
        log.critical("the service ends: %s", why)
        self._manager.status(why)
        locking = threading.Thread(target=self._lock_now, args=(why,), daemon=True)
        locking.start()
        locking.join(LAST_LOCK_S)
        logging.shutdown()
        os._exit(int(ExitCode.BUG))

    def _lock_now(self, why: str) -> None:
        house = self._house
        if house is not None and house.controller is not None:
            house.controller.shutdown(why)  # at rest, whatever runs, and nothing after it

    # --- reload ---------------------------------------------------------------------------

    def _ask_for_reload(self, by: Mapping[str, object]) -> Reloaded:
        """From another thread: have the main thread do it, and wait."""
        wish: Future[Reloaded] = Future()
        self._reloads.put((wish, by))
        signal.pthread_kill(self._main, signal.SIGHUP)
        try:
            return wish.result(RELOAD_WITHIN_S)
        except NotInTimeError:
            raise DeviceBusyError(
                "The configuration was not read anew in time.",
                hint="The service's log says what keeps it.",
            ) from None

    def _reload(self) -> None:
        self._manager.reloading("reading the configuration anew")
        waiting = []
        while not self._reloads.empty():
            waiting.append(self._reloads.get())
        by = waiting[0][1] if waiting else {"by": "a signal"}
        try:
            done = self._reloaded()
        except ApplianceError as error:
            log.error("the old configuration stays: %s %s", error.message, error.hint)  # noqa: TRY400 - foreseen
            for wish, _ in waiting:
                wish.set_exception(error)
        else:
            log.info("configuration read anew: %s", ", ".join(done.changed) or "nothing changed")
            self._record_reload(done, by)
            for wish, _ in waiting:
                wish.set_result(done)
        self._manager.ready(self._sentence())

    def _record_reload(self, done: Reloaded, by: Mapping[str, object]) -> None:
        if done.changed:
            with suppress(StoreError):  # it is in the log already
                detail = {"changed": list(done.changed), **by}
                self._store.audit.append("config_changed", "service", detail)

    def _reloaded(self) -> Reloaded:
        written = Config() if self._path is None else configuration.load(self._path)
        wanted = auto.settled(written)
        changed = changed_keys(self._config, wanted)
        restart = tuple(key for key in changed if key.startswith(FIXED))
        fresh = _with_fixed(wanted, self._config)
        taken = tuple(key for key in changed if key not in restart)
        if any(not key.startswith(READ_WHEN_USED) for key in taken):
            self._move_into(fresh, taken)
        self._config = fresh
        set_level(fresh.log.level)
        return Reloaded(changed=taken, restart=restart)

    def _move_into(self, fresh: Config, changed: Sequence[str]) -> None:
        """Build the parts anew; the old config's where the new one's cannot be built.

        There is never no house afterwards: where not even the old parts can be had again, the
        process ends, and systemd begins anew.
        """
        old = self._config
        before = self._house.perception if self._house else None
        same = not any(key.startswith(OF_THE_PIPELINE) for key in changed)
        # To load and compare what runs on a GPU takes seconds; each slow step has its own time.
        self._manager.alive()
        house = self._new_house(fresh).prepare(before if same else None)
        self._manager.alive()
        try:
            if not self._close_house():
                self._abort("a task did not end for the new configuration")
            self._manager.alive()
            self._house = self._opened(house, old, before)
        except ApplianceError as error:
            self._abort(f"there is no door after a reload: {error.message}")
        if self._house is not house:
            raise ConfigError(
                f"The new configuration cannot be used: {self._unusable}",
                hint="The old one is in force again.",
            )

    def _opened(self, house: House, old: Config, before: Perception | None) -> House:
        """The house, or else one of the old config. ApplianceError when neither can be opened."""
        try:
            return house.open()
        except ApplianceError as error:
            self._unusable = error.message
            self._manager.alive()
            return self._new_house(old).prepare(before).open()

    def _new_house(self, config: Config) -> House:
        return House(
            config,
            self._store,
            self._clock,
            self._beats,
            told=self._told,
            changed=self._changed,
            call=self._called_for_help,
            failed=self._died,
            loaded=self._advanced,
        )

    def _close_house(self) -> bool:
        """False when a task of it has not ended. Raises LockError when its lock does not obey."""
        house, self._house = self._house, None
        return house is None or house.close()

    # --- what happens ---------------------------------------------------------------------

    def _told(self, claim: Claim, verdict: Verdict) -> None:
        log.info(
            "%s: %s",
            claim.name,
            verdict.decision.value,
            extra=fields(via=claim.via, decision=verdict.decision.value),
        )
        self._hub.publish(
            Attempted(
                at=self._clock.now(),
                name=claim.name,
                via=claim.via,
                decision=verdict.decision.value,
            )
        )

    def _changed(self, change: DoorChange) -> None:
        """Called on the door's own thread: nothing in here waits."""
        at, alarm = self._clock.now(), change.alarm
        if alarm is not None and change.what in (Happening.ALARM, Happening.ALARM_OVER):
            active = change.what is Happening.ALARM
            log.log(
                logging.WARNING if active else logging.INFO,
                "alarm %s %s",
                alarm.value,
                change.detail if active else "is over",
                extra=fields(alarm=alarm.value, active=active),
            )
            self._hub.publish(Alarm(at=at, alarm=alarm.value, active=active))
        elif change.what is not Happening.STATE or change.state not in _OF_THE_LOCK:
            log.info(
                "door %s: %s",
                change.state.value,
                change.detail or change.what.value,
                extra=fields(door=change.state.value),
            )
            self._hub.publish(DoorChanged(at=at, state=change.state.value, cause=change.detail))

    def _called_for_help(self, name: str, via: str) -> None:
        """A duress PIN: heard by whoever listens on the socket, and by nobody at the door."""
        log.critical("help is asked for", extra=fields(name=name, via=via))
        self._hub.publish(Alarm(at=self._clock.now(), alarm="duress", active=True))

    def _sentence(self) -> str:
        troubles = [beat.sentence for beat in self._beats.all().values() if beat.sentence]
        return "; ".join(troubles) or "serving"


def _with_fixed(wanted: Config, running: Config) -> Config:
    fixed = {"socket": running.control.socket, "group": running.control.group}
    control = wanted.control.model_copy(update=fixed)
    return wanted.model_copy(update={"store": running.store, "control": control})
