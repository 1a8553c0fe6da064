"""What the tests of the acceptance share: a door, somebody at it, and what measures there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.acceptance.course import Begin, Go, Leave, NotReadyError, Said, Skip
from appliance.acceptance.values import Facts, Mark, Result, Service, Site, Step
from appliance.errors import StoreError

# A door that has everything that can be had at once.
WHOLE = Site(
    door="gpiozero",
    pulse_s=3.0,
    contact=True,
    exit_button=True,
    tamper=True,
    lamps=("ready_led", "buzzer"),
    sound=True,
    claims=("keypad", "card", "qr"),
    width=1280,
    height=720,
    fps=15.0,
    eye_distance=32.0,
    sharpness=0.07,
    brightness=(25.0, 225.0),
    clipped=0.2,
    installed=True,
)

# What a door gives at which nothing is amiss.
GOOD: Mapping[str, Mapping[str, Any]] = {
    "identity": {"kernel": "6.1"},
    "system_service": {"installed": True, "enabled": True, "shortcomings": []},
    "network": {"exposed": ["tcp 0.0.0.0:22"]},
    "backup": {"people": 2, "enrolled": 2},
    "stop_service": {"running": False},
    "doctor": {"checks": {"camera": "ok", "clock": "warn"}},
    "camera": {"width": 1280, "height": 720, "fps": 14.9, "scene": ""},
    "person": {
        "frames": 15,
        "eye_distance": 60.0,
        "sharpness": 0.3,
        "brightness": 120.0,
        "clipped": 0.0,
    },
    "pulse": {"record": 3, "measured_s": 3.01, "read_back": True, "opened": False},
    "contact": {"seen": ["closed", "open", "closed"]},
    "service_state": {"running": True},
    "lamps": {"order": ["ready_led", "buzzer"], "faults": []},
    "sound": {"faults": []},
    "start_service": {"running": True},
    "verify": {"decision": "accept"},
    "log": {"records": [], "missing": []},
    "held_open": {"records": [], "missing": []},
    "kill": {"off_after_s": 0.15, "helper": True, "back_after_s": 5.0},
    "watchdog": {"watchdog_s": 20.0, "back_after_s": 30.0},
    "boot": {"running": True, "door": "locked", "released": [], "chain_breaks_at": None},
    "clock": {"trusted": False},
}
# Where the same probe has to say something else.
BY_STEP: Mapping[str, Mapping[str, Any]] = {
    "exit_without_software": {"running": False},
    "stranger": {"decision": "reject"},
    "photo": {"decision": "spoof", "liveness": {"state": "spoof"}},
    "screen": {"decision": "timeout", "liveness": {"state": "undetermined"}},
}


@dataclass
class Bench:
    """Measures what it is told to. boot: this start of the machine."""

    facts_of: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    raises: dict[str, Exception] = field(default_factory=dict)
    boot: str = "first"
    asked: list[str] = field(default_factory=list)
    marks: list[Mark | None] = field(default_factory=list)

    def mark(self) -> Mark:
        return Mark(self.boot, 7)

    def now(self) -> str:
        return "2026-03-01T12:00:00+00:00"

    def facts(self, step: Step, mark: Mark | None) -> Facts:
        self.asked.append(step.key)
        self.marks.append(mark)
        if error := self.raises.get(step.key):
            raise error
        given = self.facts_of.get(step.key) or BY_STEP.get(step.key)
        return given if given is not None else GOOD[step.probe]


@dataclass
class Somebody:
    """Says yes to everything, but for what a test has them say.

    begins: by step, what `ready` and `power` answer, one after the other. says: by step, what a
    question is answered. seen: (what, step) in order.
    """

    begins: dict[str, list[Begin]] = field(default_factory=dict)
    says: dict[str, list[Said | Leave]] = field(default_factory=dict)
    tries: int = 0
    makes_room: Callable[[], bool] = lambda: False
    seen: list[tuple[str, str]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def opens(self, step: Step, number: int, of: int) -> None:
        assert 1 <= number <= of
        self.seen.append(("opens", step.key))

    def ready(self, step: Step) -> Begin:
        self.seen.append(("ready", step.key))
        return self._next(step)

    def unready(self, step: Step, error: NotReadyError) -> Begin:
        self.seen.append(("unready", step.key))
        return self._next(step)

    def _next(self, step: Step) -> Begin:
        left = self.begins.get(step.key)
        return left.pop(0) if left else Go()

    def measured(self, step: Step, facts: Facts) -> None:
        self.seen.append(("measured", step.key))

    def answer(self, step: Step) -> Said | Leave:
        left = self.says.get(step.key)
        return left.pop(0) if left else Said(yes=True)

    def closes(self, step: Step, result: Result) -> None:
        self.results.append(result)

    def again(self, step: Step, result: Result) -> bool:
        self.tries -= 1
        return self.tries >= 0

    def power(self, step: Step) -> Begin:
        self.seen.append(("power", step.key))
        return self._next(step) if step.key in self.begins else Leave()

    def unsaved(self, error: StoreError) -> bool:
        return self.makes_room()


# Without power cuts: what a test that is about something else leaves out.
NO_POWER_CUTS: dict[str, list[Begin]] = {
    "boot": [Skip("on the bench")],
    "clock": [Skip("on the bench")],
}
STOPPED, RUNNING = Service.STOPPED, Service.RUNNING
