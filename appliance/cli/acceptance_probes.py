"""What measures for each step of an acceptance: the table from a probe's name to what it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import assemble
from appliance.acceptance.course import NotReadyError
from appliance.acceptance.judging import service_is
from appliance.acceptance.values import Expected, Facts, Mark, Service, Site, Step
from appliance.cli import service
from appliance.cli.session import Session
from appliance.control.authority import MAY_ACCEPT, Caller, Peer, Rulers
from appliance.control.client import Client
from appliance.control.peers import caller_of, rulers
from appliance.errors import NotPermittedError
from appliance.inspection import devices, failures, log, machine, rescue, seeing
from appliance.inspection.systemd import Systemd

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.store.store import Store

_REASON = "hardware acceptance"
# How the service was stopped or started.
BY_SYSTEMCTL, BY_HAND = "systemctl", "by hand"
# What a verification tells of itself that names nobody.
_VERDICT = ("decision", "similarity", "threshold", "target_far", "frames_used", "timings_ms")


@dataclass(frozen=True)
class Surroundings:
    """What a probe may ask of whoever shows it.

    busy: shows that something is measured. person: asks whom to verify. told: a sentence beside.
    wait_s: how long somebody may take to do a thing at the door.
    """

    busy: Callable[[Step], AbstractContextManager[object]]
    person: Callable[[], str]
    told: Callable[[str], None]
    wait_s: float


class CliProbes:
    """Measures at this installation; see `appliance.acceptance.course.Probes`."""

    def __init__(
        self, session: Session, store: Store, caller: Caller, around: Surroundings
    ) -> None:
        self._session = session
        self._config = session.config
        self._store = store
        self._caller = caller
        self._around = around
        self._client: Client = service.client(session)
        self._clock = assemble.clock()
        self._systemd = Systemd()
        self.stopped = False  # whether this call had systemd stop the service
        self._probes: Mapping[str, Callable[[Step, Mark], dict[str, Any]]] = {
            "backup": self._probe_backup,
            "boot": self._probe_boot,
            "camera": self._probe_camera,
            "clock": self._probe_clock,
            "contact": self._probe_contact,
            "doctor": self._probe_doctor,
            "held_open": self._probe_held_open,
            "identity": self._probe_identity,
            "kill": self._probe_kill,
            "lamps": self._probe_lamps,
            "log": self._probe_log,
            "network": self._probe_network,
            "person": self._probe_person,
            "pulse": self._probe_pulse,
            "service_state": self._probe_service_state,
            "sound": self._probe_sound,
            "start_service": self._probe_start_service,
            "stop_service": self._probe_stop_service,
            "system_service": self._probe_system_service,
            "verify": self._probe_verify,
            "watchdog": self._probe_watchdog,
        }

    def mark(self) -> Mark:
        """This start of the machine, and the newest audit record."""
        return Mark(self._clock.boot, log.newest(self._store))

    def now(self) -> str:
        """UTC."""
        return self._clock.now().isoformat(timespec="seconds")

    def facts(self, step: Step, mark: Mark | None) -> Facts:
        """Measure for a step. Raises ApplianceError."""
        self._require(step.needs)
        return self._probes[step.probe](step, mark or self.mark())

    def _shown_while(self, step: Step, work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Do it under a sign that something goes on."""
        with self._around.busy(step):
            return dict(work())

    # --- the machine ----------------------------------------------------------------------

    def _probe_identity(self, step: Step, _mark: Mark) -> dict[str, Any]:
        return self._shown_while(step, lambda: machine.identity(self._config, self._systemd))

    def _probe_system_service(self, step: Step, _mark: Mark) -> dict[str, Any]:
        return self._shown_while(step, lambda: machine.system_service(self._config, self._systemd))

    def _probe_network(self, _step: Step, _mark: Mark) -> dict[str, Any]:
        return machine.network()

    def _probe_backup(self, step: Step, _mark: Mark) -> dict[str, Any]:
        by = f"{_REASON} by {self._caller.name}"
        return self._shown_while(step, lambda: rescue.backup(self._config, self._store, by))

    def _probe_doctor(self, step: Step, _mark: Mark) -> dict[str, Any]:
        said: list[str] = []

        def examined() -> Mapping[str, Any]:
            facts, sentences = machine.doctor(self._session.written)
            said.extend(sentences)
            return facts

        facts = self._shown_while(step, examined)
        for sentence in said:
            self._around.told(sentence)
        return facts

    # --- the service ----------------------------------------------------------------------

    def _probe_service_state(self, _step: Step, _mark: Mark) -> dict[str, Any]:
        status = failures.answers(self._client)
        return {
            "running": status is not None,
            "door": None if status is None else status.door.state,
        }

    def _probe_stop_service(self, step: Step, _mark: Mark) -> dict[str, Any]:
        if failures.answers(self._client) is None:
            return {"running": False, "how": "it did not run"}
        self.stopped = self._by_systemd(self._systemd.stop)
        how = BY_SYSTEMCTL if self.stopped else BY_HAND
        return self._settled(step, how, running=False)

    def _probe_start_service(self, step: Step, _mark: Mark) -> dict[str, Any]:
        if failures.answers(self._client) is not None:
            self._require(Service.RUNNING)
            return {"running": True, "how": "it ran already"}
        how = BY_SYSTEMCTL if self.started() else BY_HAND
        return self._settled(step, how, running=True)

    def started(self) -> bool:
        """Have systemd start the service; False where it cannot or does not."""
        started = self._by_systemd(self._systemd.start)
        self.stopped = self.stopped and not started
        return started

    def runs(self) -> bool:
        """Whether the service answers."""
        return failures.answers(self._client) is not None

    def _by_systemd(self, act: Callable[[], bool]) -> bool:
        return self._systemd.there and act()

    def _settled(self, step: Step, how: str, *, running: bool) -> dict[str, Any]:
        def awaited() -> Mapping[str, Any]:
            status = failures.awaited(self._client, self._around.wait_s, running=running)
            return {"running": status is not None, "how": how}

        facts = self._shown_while(step, awaited)
        self._require(Service.RUNNING if running else Service.STOPPED)
        return facts

    def _require(self, wanted: Service) -> None:
        """NotReadyError where the service does not stand as the step needs it."""
        if wanted is Service.EITHER:
            return
        status = failures.answers(self._client)
        running = status is not None
        for sentence in service_is(wanted, {"running": running}):
            verb = "start" if wanted is Service.RUNNING else "stop"
            raise NotReadyError(sentence, hint=f"`systemctl {verb} appliance`, then go on.")
        ours, theirs = self._session.config_path, status.config if status else None
        if status is not None and not _same_file(ours, theirs):
            raise NotReadyError(
                f"The service that runs uses {theirs or 'no configuration file'}, and this "
                f"acceptance {ours or 'none'}.",
                hint="Have both use the same: what is tried must be what is signed for.",
            )

    # --- the devices ----------------------------------------------------------------------

    def _probe_camera(self, step: Step, _mark: Mark) -> dict[str, Any]:
        wait_s = self._around.wait_s
        return self._shown_while(step, lambda: seeing.camera(self._config, wait_s))

    def _probe_person(self, step: Step, _mark: Mark) -> dict[str, Any]:
        wait_s = self._around.wait_s
        return self._shown_while(step, lambda: seeing.person(self._config, wait_s))

    def _probe_pulse(self, step: Step, _mark: Mark) -> dict[str, Any]:
        detail = self._audited(step)
        return self._shown_while(step, lambda: devices.pulse(self._config, self._store, detail))

    def _probe_contact(self, step: Step, _mark: Mark) -> dict[str, Any]:
        wait_s = self._around.wait_s
        return self._shown_while(step, lambda: devices.contact(self._config, wait_s))

    def _probe_lamps(self, step: Step, _mark: Mark) -> dict[str, Any]:
        return self._shown_while(step, lambda: devices.lamps(self._config, self._around.told))

    def _probe_sound(self, step: Step, _mark: Mark) -> dict[str, Any]:
        return self._shown_while(step, lambda: devices.sound(self._config))

    # --- people and alarms ----------------------------------------------------------------

    def _probe_verify(self, _step: Step, _mark: Mark) -> dict[str, Any]:
        name = self._around.person()
        data = service.guided(self._session, self._client.verify(name, unlock=False))
        live = data.get("liveness") or {}
        told = {key: data.get(key) for key in _VERDICT}
        return told | {"liveness": {key: live.get(key) for key in ("state", "score", "basis")}}

    def _probe_log(self, step: Step, _mark: Mark) -> dict[str, Any]:
        return self._awaited(step, self._around.wait_s)

    def _probe_held_open(self, step: Step, _mark: Mark) -> dict[str, Any]:
        began = log.newest(self._store)
        self._release(step)
        return self._awaited(step, self._around.wait_s + self._config.door.held_open_s, began)

    def _awaited(self, step: Step, wait_s: float, began: int | None = None) -> dict[str, Any]:
        def told(expected: Expected) -> None:
            self._around.told(f"Recorded: {expected}.")

        def work() -> Mapping[str, Any]:
            return log.awaited(self._store, step.expects, wait_s, began=began, told=told)

        return self._shown_while(step, work)

    # --- failures -------------------------------------------------------------------------

    def _probe_kill(self, step: Step, _mark: Mark) -> dict[str, Any]:
        config, client = self._config, self._client

        def killed() -> Mapping[str, Any]:
            return failures.kill(config, client, self._systemd, lambda: self._release(step))

        return self._shown_while(step, killed)

    def _probe_watchdog(self, step: Step, _mark: Mark) -> dict[str, Any]:
        return self._shown_while(step, lambda: failures.watchdog(self._client, self._systemd))

    def _probe_boot(self, step: Step, mark: Mark) -> dict[str, Any]:
        def booted() -> Mapping[str, Any]:
            return failures.boot(self._client, self._systemd, self._store, mark)

        return self._shown_while(step, booted)

    def _probe_clock(self, _step: Step, mark: Mark) -> dict[str, Any]:
        return failures.wall_clock(mark)

    def _release(self, step: Step) -> None:
        """Have the service release the lock: our record first, then its own, then the pulse."""
        self._store.audit.append("door_test", "installer", self._audited(step))
        service.unlocked(self._session, f"{_REASON}: {step.key}")

    def _audited(self, step: Step) -> dict[str, object]:
        return {**self._caller.audited, "for": _REASON, "step": step.key}


def _same_file(ours: Path | None, theirs: str | None) -> bool:
    """Whether two paths of a configuration mean one file. theirs: as the service was given it."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if not Path(theirs).is_absolute():
        return Path(theirs).name == ours.name  # its working folder is not told
    return os.path.realpath(ours) == os.path.realpath(theirs)


def site(config: Config) -> Site:
    """What is at this door, by its configuration and its system."""
    door, camera, quality = config.door, config.camera, config.quality
    asked = camera.driver not in {"files", "rtsp"}
    return Site(
        door=door.driver,
        fail=door.fail,
        pulse_s=door.pulse_s,
        held_open_s=door.held_open_s,
        contact=door.contact_pin is not None,
        exit_button=door.request_to_exit_pin is not None,
        tamper=door.tamper_pin is not None,
        lamps=tuple(output.value for output in assemble.indicator_lines(config)),
        sound=config.feedback.greeting != "off" or config.feedback.speak,
        claims=tuple(config.claims.sources),
        liveness=config.liveness.profile != "off",
        live=camera.driver != "files",
        width=camera.width if asked else 0,
        height=camera.height if asked else 0,
        fps=camera.fps if asked else 0.0,
        eye_distance=quality.min_eye_distance,
        sharpness=quality.min_sharpness,
        brightness=(quality.min_brightness, quality.max_brightness),
        clipped=quality.max_clipped,
        installed=Systemd().there,
    )


def permitted(session: Session) -> Caller:
    """Who carries the acceptance out. NotPermittedError by the table of roles."""
    config = session.written
    folder = assemble.location(config).folder
    try:
        owner = folder.stat().st_uid
    except OSError:
        owner = os.geteuid()  # there is none yet, and who makes it owns it

    def known() -> Rulers:
        given = rulers(config.control)
        return Rulers(owner, given.keepers, given.installers, given.group)

    groups = frozenset({os.getegid(), *os.getgroups()})
    caller = caller_of(Peer(os.getpid(), os.geteuid(), groups), known)
    if caller.role not in MAY_ACCEPT:
        raise NotPermittedError(
            f"An acceptance drives the lock, and {caller.name} is {caller.role.value} here.",
            hint="Use sudo, or have this user named in control.installers (docs/control.md).",
        )
    return caller
