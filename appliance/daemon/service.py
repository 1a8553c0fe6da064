"""What the API asks for, done: the seam `control.service.Service` over the running parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import appliance
from appliance import assemble
from appliance.config import Config
from appliance.control.authority import Act, Caller
from appliance.control.words import (
    ALIVE_S,
    Alive,
    CameraTold,
    DoorTold,
    Event,
    Kept,
    LikenessTold,
    Part,
    Reloaded,
    Status,
    Unlocked,
)
from appliance.daemon.beats import Beats
from appliance.daemon.errands import Enrolment, Errand, Verification
from appliance.daemon.house import House
from appliance.daemon.hub import Hub
from appliance.enrolment.alike import Likeness
from appliance.enrolment.register import Register
from appliance.errors import ConfigError, DeviceBusyError, InputError, StoreError
from appliance.ports import Clock
from appliance.store.names import check_name
from appliance.store.store import Store
from appliance.types import AuditRecord, Template

Reload = Callable[[Mapping[str, object]], Reloaded]


class Keeper:
    """Answers for the daemon; called from the API's threads.

    house: the parts as they are now; None while they are built anew. reload: has the config read
    anew by the main thread, and waits for it.
    """

    def __init__(  # noqa: PLR0913 - each is a part of the service
        self,
        store: Store,
        clock: Clock,
        beats: Beats,
        hub: Hub,
        *,
        config_path: Path | None,
        house: Callable[[], House | None],
        reload: Reload,
    ) -> None:
        self._store = store
        self._clock = clock
        self._beats = beats
        self._hub = hub
        self._config_path = config_path
        self._house = house
        self._reload = reload
        self._started: datetime = clock.now()
        self._since = clock.monotonic()
        self._people: int | None = None

    def status(self) -> Status:
        """How it does."""
        house = self._house()
        parts = self.parts()
        config = house.config if house else None
        return Status(
            version=appliance.__version__,
            pid=os.getpid(),
            started=self._started,
            uptime_s=round(self._clock.monotonic() - self._since, 1),
            state="ok" if all(part.state == "ok" for part in parts) else "degraded",
            store=str(self._store.database.path),
            config=None if self._config_path is None else str(self._config_path),
            model=config.model.name if config else "",
            people=self._people,
            rss_mb=resident_mb(),
            door=_door_told(house, self._clock),
            camera=_camera_told(house),
            parts=parts,
        )

    def count_people(self) -> None:
        """Bring `people` of the status up to date; it must not wait for the store itself."""
        with suppress(StoreError):
            self._people = len(self._store.people.summaries())

    def trouble_with_the_store(self) -> str:
        """Why nobody's template can be opened; empty while all is well."""
        try:
            next(self._store.people.everybody(), None)
        except StoreError as error:
            return error.message
        return ""

    def unlock(self, reason: str, by: Caller) -> Unlocked:
        """Release the door for one pulse."""
        house = self._running()
        controller = house.controller
        if controller is None:
            raise ConfigError(
                "The door is not configured, so there is nothing to unlock.",
                hint="Set door.driver and door.pin.",
                code="door_unconfigured",
            )
        pulse_s = house.config.door.pulse_s
        detail = {"reason": reason, **by.audited}
        record = controller.release("unlock", "door", detail, pulse_s)
        return Unlocked(simulated=house.simulated, pulse_s=pulse_s, record=record.number)

    def verify(self, name: str, *, unlock: bool, by: Caller) -> Iterator[Event]:
        """Look whether the person at the camera is `name`."""
        name = check_name(name)
        if unlock and self._running().controller is None:
            raise ConfigError(
                "The door is not configured, so nothing can be unlocked.",
                hint="Set door.driver and door.pin, or leave --unlock out.",
                code="door_unconfigured",
            )
        return self._asked(Verification(name, by, unlock=unlock))

    def enrol(self, name: str, *, replace: bool, by: Caller) -> Iterator[Event]:
        """Guide the person at the camera and keep the template."""
        name = check_name(name)
        self._running()
        self._register().earlier(name, replace=replace)
        return self._asked(Enrolment(name, by, replace=replace))

    def keep_template(
        self, name: str, template: Template, *, handicap: float, replace: bool, by: Caller
    ) -> Kept:
        """Keep a template that was made from pictures."""
        name = check_name(name)
        config = self._running().config
        models = assemble.manifest(config)
        entry = models.entry(config.model.name, "embedder")
        if template.fingerprint != assemble.template_fingerprint(entry, models):
            raise InputError(
                f"The template of {name!r} was made with another model or alignment than the "
                f"service's, {entry.name}.",
                hint="Use the service's own config: `appliance config show`.",
                code="another_model",
            )
        register = self._register()
        earlier = register.earlier(name, replace=replace)
        found = register.findings(template, handicap, earlier)
        by_whom = {"way": "pictures", **by.audited}
        register.keep(name, template, found, replace=replace, by=by_whom)
        self.count_people()
        return Kept(
            name=name,
            replaces=found.replaces,
            before=_likeness(found.before) if found.before else None,
            look_alikes=tuple(_likeness(item) for item in found.look_alikes),
            not_compared=found.not_compared,
        )

    def audit_tail(self, count: int) -> Sequence[AuditRecord]:
        """The last records, oldest first."""
        return self._store.audit.tail(count)

    def events(self) -> Iterator[Event]:
        """What happens from now on."""
        with self._hub.listen() as listener:
            while not listener.ended:
                yield listener.next(ALIVE_S) or Alive()

    def reload(self, by: Caller) -> Reloaded:
        """Read the config anew; the main thread records what it brought."""
        return self._reload(by.audited)

    def refused(self, act: Act, by: Caller) -> None:
        """Somebody asked for what the table does not allow."""
        with suppress(StoreError):
            self._store.audit.append("refused", act.value, by.audited)

    def _running(self) -> House:
        house = self._house()
        if house is None:
            raise DeviceBusyError(
                "The service is reading its configuration anew.", hint="Try again in a moment."
            )
        return house

    def _register(self) -> Register:
        return assemble.register(self._running().config, self._store)

    def _asked(self, errand: Errand) -> Iterator[Event]:
        watcher = self._running().vigil
        if watcher is None:
            raise DeviceBusyError("The service is just starting.", hint="Try again in a moment.")
        watcher.ask(errand)
        return errand.events()

    def parts(self) -> tuple[Part, ...]:
        """How each part does."""
        house = self._house()
        late = set(self._beats.late())
        parts = [
            Part(
                name=name,
                state="failed" if name in late else "degraded" if beat.sentence else "ok",
                sentence="it was not heard in time" if name in late else beat.sentence,
            )
            for name, beat in self._beats.all().items()
        ]
        if house is None:
            parts.append(Part(name="config", state="degraded", sentence="it is read anew"))
        elif house.fall_back:
            parts.append(Part(name="processor", state="degraded", sentence=house.fall_back))
        return tuple(parts)


def resident_mb() -> float | None:
    """The memory that this process has in use, in megabytes; None where the system says nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGESIZE") / 1e6, 1)


def _door_told(house: House | None, clock: Clock) -> DoorTold:
    if house is None or house.controller is None:
        return DoorTold(configured=house is not None and house.config.door.driver is not None)
    now = house.controller.status()
    return DoorTold(
        configured=True,
        simulated=house.simulated,
        state=now.state.value,
        contact=now.contact,
        alarms=tuple(alarm.value for alarm in now.alarms),
        since=clock.now() - timedelta(seconds=now.at - now.since),
    )


def _camera_told(house: House | None) -> CameraTold:
    if house is None:
        return CameraTold(driver="", trouble="the config is read anew")
    trouble = house.vigil.trouble if house.vigil else None
    return CameraTold(
        driver=house.config.camera.driver,
        live=house.live,
        trouble=trouble.sentence if trouble else None,
        fps=house.vigil.fps if house.vigil and trouble is None else None,
    )


def _likeness(item: Likeness) -> LikenessTold:
    return LikenessTold(
        name=item.name,
        similarity=item.similarity,
        far=item.far,
        accepted=item.accepted,
        far_is_bound=item.far_is_bound,
    )


def changed_keys(old: Config, new: Config) -> tuple[str, ...]:
    """`section.key` of each value that differs."""
    return tuple(
        f"{section}.{key}"
        for section in Config.model_fields
        for key in type(getattr(old, section)).model_fields
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    )
