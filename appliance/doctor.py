"""Is this installation fit for a door? One check a part, each with a hint where it is not.

A check looks at the part itself: it hashes the models, takes a picture, claims the lock's line
(which commands it locked) and opens the store. It changes nothing else.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from itertools import islice

from appliance import access, assemble, auto, installed
from appliance.board.lines import keeps_levels
from appliance.config import AUTO, CPU_DELEGATE, Config
from appliance.errors import ApplianceError, DeviceBusyError, StoreError
from appliance.liveness.infrared import Placement, fits
from appliance.liveness.two_cameras import Amiss, amiss
from appliance.model_choice import Choice, figures, why_not
from appliance.phrases import ASKED, known_as
from appliance.store.store import Store
from appliance.types import Frame, TroubleKind
from appliance.vision.interpreter import runtime
from appliance.vision.scene import SceneLimits, fault_of, measure

# A board without a battery-backed clock starts in 1970 or at its image's date.
EARLIEST = datetime(2026, 1, 1, tzinfo=timezone.utc)
# The audit log stops the door when it cannot be written.
LEAST_FREE_MB = 200


class Status(str, Enum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding. hint: what to do where the status is not ok."""

    name: str
    status: Status
    detail: str
    hint: str = ""


def examine(config: Config) -> Iterator[Check]:
    """Run every check, one after the other; a check that raises is a failed one.

    config: as it is written, with `auto` where that stands for a model.
    """
    in_force = auto.settled(config)
    for name, check in _CHECKS.items():
        yield _outcome(name, check, config if check is _embedder else in_force)


def _outcome(name: str, check: Callable[[Config], Check], config: Config) -> Check:
    try:
        return check(config)
    except ApplianceError as error:
        return Check(name, Status.FAIL, error.message, error.hint)


def _runtime(_config: Config) -> Check:
    name = runtime().__name__.split(".")[0]
    text = f"Python {platform.python_version()} on {platform.machine()}, TFLite by {name}"
    return Check("runtime", Status.OK, text)


def _models(config: Config) -> Check:
    models = assemble.manifest(config)
    for entry in models.entries.values():
        models.read(entry)
    entry = models.entry(config.model.name, "embedder")
    assemble.calibration(config)
    assemble.aligner(config)
    text = f"{len(models.entries)} files unchanged, {entry.name} embeds"
    if entry.name.startswith("openface"):
        return Check(
            "models",
            Status.WARN,
            f"{text}; OpenFace rejects about half of all genuine users at a safe threshold",
            "Set model.name to a MobileFaceNet for a door.",
        )
    if not assemble.calibration(config).handicaps:
        return Check(
            "models",
            Status.WARN,
            f"{text}; nobody measured what small and blurred faces must pay",
            "Calibrate the model without --keep-handicaps, or choose a shipped one.",
        )
    if doubt := unsupported_target(config):
        return Check("models", Status.WARN, f"{text}; {doubt}", "Raise verification.target_far.")
    return Check("models", Status.OK, text)


def unsupported_target(config: Config) -> str | None:
    """A clause where the wanted rate is lower than the calibration can vouch for. ModelError."""
    wanted, lowest = config.verification.target_far, assemble.calibration(config).supported
    if wanted >= lowest:
        return None
    return f"verification.target_far is {wanted:g}, its calibration vouches for {lowest:g} at best"


def _embedder(written: Config) -> Check:
    """Which model embeds and why, what would be picked now, and who is enrolled with another."""
    choice, chosen = auto.choice(written), written.model.name == AUTO
    name = choice.name if chosen else written.model.name
    text = f"{name}, {choice.why}" if chosen else f"{name}, as the config names it{_pick(choice)}"
    found = [
        *_unsettled(choice, chosen=chosen),
        *_measured(choice, name, written.model.threads, chosen=chosen),
        *_enrolled_with_another(written, name),
    ]
    if not found:
        return Check("embedder", Status.OK, text)
    worst = max((status for status, _, _ in found), key=list(Status).index)
    hint = next(hint for status, _, hint in found if status is worst)
    return Check(
        "embedder", worst, "; ".join([text, *(told for _, told, _ in found if told)]), hint
    )


def _pick(choice: Choice) -> str:
    """What `auto` would use by the measurements, where there are some."""
    best = choice.record.measured(choice.record.best) if choice.record else None
    return f"; `auto` would pick {best.name} ({figures(best)})" if best else ""


_Findings = Iterator[tuple[Status, str, str]]


def _unsettled(choice: Choice, *, chosen: bool) -> _Findings:
    if chosen and not choice.recorded:
        hint = "`appliance bench --models` measures the embedders and picks one."
        yield Status.WARN, "not picked by measurement", hint


def _measured(choice: Choice, name: str, threads: int, *, chosen: bool) -> _Findings:
    """What the measurements on this machine say against the model in use."""
    record = choice.record
    if record is None:
        return
    row, best = record.measured(name), record.measured(record.best)
    if row is not None and row.family and (reason := why_not(row)):
        hint = "Do not use it at a door: `appliance bench --models --repick`, then enrol again."
        yield Status.FAIL, reason, hint
    if chosen and record.threads != threads:
        hint = "`appliance bench --models` measures again."
        yield Status.WARN, f"measured with threads: {record.threads}, not {threads}", hint
    if chosen and best is not None and best.name != name:
        told = f"{best.name} would be picked now ({figures(best)})"
        hint = "`appliance bench --models --repick` changes it; everybody must enrol again then."
        yield Status.WARN, told, hint


def _enrolled_with_another(config: Config, name: str) -> _Findings:
    models = assemble.manifest(config)
    wanted = assemble.template_fingerprint(models.entry(name, "embedder"), models)
    try:
        people = auto.enrolled(config)
    except StoreError:
        return  # the check of the store tells
    if others := [it.name for it in people if it.fingerprint != wanted]:
        told = f"enrolled with another model or alignment: {', '.join(others)}"
        yield Status.WARN, told, "Enrol them anew with --replace, or name the former model."


def _processor(config: Config) -> Check:
    """What runs the embedder: loaded, and compared with the CPU, as a door does it."""
    if config.model.delegate == CPU_DELEGATE:
        return Check("processor", Status.OK, "the CPU runs every network")
    found = assemble.processor(assemble.embedder(config))
    if found is None or found.warning:
        told = "nobody knows what runs the embedder" if found is None else found.warning
        hint = "`appliance models prepare`, as the user who runs the door; docs/jetson.md."
        return Check("processor", Status.WARN, told.rstrip("."), hint)
    return Check("processor", Status.OK, f"{found.device} runs the embedder; {found.parity}")


def _liveness(config: Config) -> Check:
    if config.liveness.model is not None:
        assemble.liveness(config)  # a network of the user's own that does not fit is told here
    profile = config.liveness.profile
    if profile == "off":
        return Check(
            "liveness",
            Status.WARN,
            "off: a photograph of an enrolled person opens the door",
            "Set liveness.profile: standard.",
        )
    if profile == "passive":
        return Check(
            "liveness",
            Status.WARN,
            "passive: frames are judged by what they look like, and nobody has to move",
            "Set liveness.profile: standard; docs/liveness.md says what each profile promises.",
        )
    asked = config.liveness.challenges
    text = "motion in depth is asked for" + (
        "" if asked == "off" else f", and a challenge ({asked})"
    )
    return Check("liveness", Status.OK, f"{profile}: {text}; docs/liveness.md says what may pass")


def _camera(config: Config) -> Check:
    if config.camera.driver == "files":
        return Check(
            "camera",
            Status.WARN,
            f"frames are replayed from {config.camera.source}",
            "Set camera.driver to a real camera for a door.",
        )
    try:
        with assemble.devices(config), closing(assemble.camera(config)) as camera:
            frame = next(camera.frames())
    except DeviceBusyError as error:
        return Check("camera", Status.OK, error.message)
    size = f"{frame.width} x {frame.height}{_unlike(config, frame)}"
    text = f"{assemble.camera_name(config)} delivers {size}"
    if why := assemble.untested_camera(config):
        text = f"{text}; untested driver: {why}"
    status, told, hint = _seen(config, frame)
    return Check("camera", status, f"{text}; {told}" if told else text, hint)


def _unlike(config: Config, frame: Frame) -> str:
    """Where the camera gives another size than it was asked for; a network camera is not asked."""
    asked = (config.camera.width, config.camera.height)
    if config.camera.driver == "rtsp" or sorted(asked) == sorted((frame.width, frame.height)):
        return ""
    return f", not the {asked[0]} x {asked[1]} that was asked for"


def _seen(config: Config, frame: Frame) -> tuple[Status, str, str]:
    """What the first picture says of the camera's place: (status, clause, hint)."""
    limits = SceneLimits()
    fault = fault_of(measure(frame.bgr, limits.burnt), limits)
    if fault is not None:
        told = f"its picture is {_SCENES[fault]}"
        return Status.WARN, told, "Look at the lens and at the light in front of the door."
    if config.camera.driver == "rtsp":
        told = "nothing proves that the pictures are the camera's"
        return Status.WARN, told, "Give it a network of its own (docs/cameras.md)."
    return Status.OK, "", ""


_SCENES = {
    TroubleKind.DARK: "all dark",
    TroubleKind.OVEREXPOSED: "burnt out",
    TroubleKind.COVERED: "plain, as if something covered the lens",
}


def _infrared(config: Config) -> Check:
    if config.camera.ir is None:
        return Check("infrared", Status.OK, "none configured")
    try:
        with (
            assemble.devices(config),
            closing(assemble.camera(config)) as camera,
            closing(assemble.infrared_camera(config)) as second,
        ):
            frame = next(camera.frames())
            # Some lamps light every second picture only.
            infrared = max(islice(second.frames(), 4), key=lambda it: float(it.bgr.mean()))
    except DeviceBusyError as error:
        return Check("infrared", Status.OK, error.message)
    text = f"{config.camera.infrared.shown_source} delivers {infrared.width} x {infrared.height}"
    status, told, hint = _in_infrared(config, frame, infrared)
    if status is Status.OK and config.camera.driver == "files":
        status, hint = Status.WARN, "Set camera.driver to a real camera for a door."
        told = f"{told}; it is replayed from a file"
    return Check("infrared", status, f"{text}; {told}", hint)


def _in_infrared(config: Config, frame: Frame, infrared: Frame) -> tuple[Status, str, str]:
    """What a picture of each camera says of the second one: (status, clause, hint)."""
    found = amiss(frame, infrared)
    if found is not None:
        return _AMISS[found]
    finder = assemble.acquisition(config)
    here, there = finder.faces(frame.bgr), finder.faces(infrared.bgr)
    if not here and not there:
        told = "with one person before it, doctor tells whether it looks to one place"
        return Status.OK, told, ""
    if (len(here), len(there)) != (1, 1):
        told = f"it shows {len(there)} where the camera shows {len(here)} of those before them"
        return Status.WARN, told, "Let one person stand half a metre before both, and run it again."
    box, wanted = there[0].box, Placement(*config.camera.ir_shift, config.camera.ir_scale)
    now = Placement.measured(here[0].box, frame, box, infrared)
    told = f"the face there is {now.right:.2f} right, {now.down:.2f} down, {now.scale:.2f} as large"
    if fits(box, wanted.expected(here[0].box, frame, infrared), infrared.width):
        return Status.OK, f"{told}, which fits", ""
    hint = f"camera.ir_shift: [{now.right:.2f}, {now.down:.2f}], camera.ir_scale: {now.scale:.2f}"
    return Status.FAIL, f"{told}, where nobody is looked for", f"Set {hint}; docs/cameras.md."


_AMISS = {
    Amiss.DARK: (
        Status.FAIL,
        "its picture shows nothing",
        "Look whether its lamp is alight and its lens free; without it nobody is let in.",
    ),
    Amiss.SAME: (
        Status.FAIL,
        "it shows the same picture as the camera",
        "Set camera.ir to another device; `v4l2-ctl --list-devices` shows which is which.",
    ),
    Amiss.COLOURED: (
        Status.FAIL,
        "its picture has colours, so it sees visible light, and a screen is bright to it",
        "Take a camera whose filter lets nothing but infrared pass (docs/cameras.md).",
    ),
}


def _door(config: Config) -> Check:
    door = config.door
    if door.driver is None:
        return Check(
            "door",
            Status.WARN,
            "unconfigured: no lock is driven",
            "Set door.driver and door.pin once the relay is wired (docs/hardware.md).",
        )
    if door.driver == "simulated":
        return Check(
            "door",
            Status.WARN,
            "simulated: nothing moves",
            "Set door.driver: gpiozero for a real lock.",
        )
    try:
        with assemble.devices(config), closing(assemble.lock(config)) as lock:
            state = lock.state.value
    except DeviceBusyError as error:
        return Check("door", Status.OK, error.message)
    text = f"chip {door.chip}, line {door.pin}: claimed, {state}"
    if keeps_levels():
        return Check(
            "door",
            Status.WARN,
            f"{text}; the kernel keeps the line's level when its process dies",
            "Add dtparam=strict_gpiod to config.txt, and use a timer relay (docs/hardware.md).",
        )
    return Check("door", Status.OK, text)


def _contacts(config: Config) -> Check:
    try:
        with assemble.devices(config), ExitStack() as stack:
            inputs = assemble.door_inputs(config)
            if inputs is None:
                return Check("contacts", Status.OK, "none connected")
            readings = stack.enter_context(closing(inputs)).read()
    except DeviceBusyError as error:
        return Check("contacts", Status.OK, error.message)
    told = (
        ("door open", "door closed", readings.open),
        ("button pressed", "button not pressed", readings.exit_pressed),
        ("tamper contact open", "tamper contact quiet", readings.tampered),
    )
    text = ", ".join(yes if it else no for yes, no, it in told if it is not None)
    if readings.exit_pressed or readings.tampered:
        hint = "If that is not so, turn its level round in the config, or mend its wire."
        return Check("contacts", Status.WARN, text, f"{hint} docs/hardware.md has the wires.")
    return Check("contacts", Status.OK, text)


def _store(config: Config) -> Check:
    place = assemble.location(config)
    with assemble.store(config, create=False) as store:
        counts = _frames_of_people(config, store)
        bad = store.audit.first_bad()
    if bad is not None:
        return Check(
            "store",
            Status.FAIL,
            f"the audit chain of {place.database} breaks at record {bad}",
            "Somebody changed the log, or the disk is failing: keep a copy and look into it.",
        )
    if not counts:
        text = f"{place.database}: nobody is enrolled"
        return Check("store", Status.WARN, text, "Begin with `appliance enroll --name NAME`.")
    few = [name for name, count in counts.items() if count < config.enrolment.min_frames_for_door]
    if few:
        return Check(
            "store",
            Status.WARN,
            f"{len(counts)} enrolled, too few frames for a door: {', '.join(few)}",
            "Enrol them anew from five pictures or more, with --replace.",
        )
    return Check("store", Status.OK, f"{len(counts)} enrolled, audit chain whole")


def _frames_of_people(config: Config, store: Store) -> dict[str, int]:
    """How many frames each template has, all of them opened where the key is at hand."""
    try:
        return {it.name: it.template.count for it in store.people.everybody()}
    except StoreError as error:
        # The service has it, and ends where it does not fit; nothing is amiss with this store.
        if error.code != "missing_key" or _key_of_the_service(config) is None:
            raise
        return {it.name: it.count for it in store.people.summaries()}


def _key_of_the_service(config: Config) -> str | None:
    """How a command gets the key that is handed to the service alone; None where it has it."""
    found = installed.look()
    if found is None or config.store.key is not None or assemble.location(config).key.is_file():
        return None
    return installed.key_for_one_command(found)


def _clock(_config: Config) -> Check:
    clock = assemble.clock()
    now = clock.now()
    if now < EARLIEST:
        return Check(
            "clock",
            Status.FAIL,
            f"it says {now:%Y-%m-%d}, which cannot be",
            "Give the board a network time source or a battery-backed clock.",
        )
    if not clock.trusted():
        return Check(
            "clock",
            Status.WARN,
            f"{now:%Y-%m-%d %H:%M} UTC; nothing shows that it is synchronised",
            "Enable systemd-timesyncd or another time service.",
        )
    return Check("clock", Status.OK, f"{now:%Y-%m-%d %H:%M} UTC, synchronised")


def _schedules(config: Config) -> Check:
    """Who may enter only at times, and whether the door knows what time it is."""
    clock, policy = assemble.clock(), assemble.access_policy(config)
    with assemble.store(config, create=False) as store:
        people = store.permissions.everybody()
    bound = [name for name, permission in people.items() if permission.restricted]
    if not bound:
        return Check("schedules", Status.OK, "everybody enrolled may enter at any time")
    text = f"{len(bound)} of {len(people)} may enter at times only"
    if not clock.trusted():
        fate = "all of them are refused" if policy.untrusted_clock == "deny" else "windows are open"
        told = f"{text}; the clock is not known to be right, so {fate} until it is"
        return Check("schedules", Status.WARN, told, "Enable a time service (docs/access.md).")
    if len(bound) == len(people) and policy.untrusted_clock == "deny":
        told = f"{text}; without network after a power cut nobody can enter"
        hint = "Leave one person without a schedule: `appliance people access NAME --always`."
        return Check("schedules", Status.WARN, told, hint)
    now = clock.now()
    over = [it for it in bound if access.has_expired(people[it], now, policy)]
    if over:
        told = f"{text}; the last day has passed of: {', '.join(over)}"
        return Check("schedules", Status.WARN, told, "`appliance people remove NAME` erases them.")
    return Check("schedules", Status.OK, text)


def _lamps(config: Config) -> Check:
    lines, driver = assemble.indicator_lines(config), config.door.driver
    told = ", ".join(output.value for output in lines)
    if not lines:
        return Check("lamps", Status.OK, "none connected")
    if driver is None:
        hint = "Set door.driver once the wires are there (docs/feedback.md)."
        return Check("lamps", Status.WARN, f"{told}: nothing is driven without a door", hint)
    if driver == "simulated":
        return Check("lamps", Status.OK, f"{told}, simulated as the door is")
    try:
        with assemble.devices(config), closing(assemble.indicators(config)) as lamps:
            faults = lamps.faults
    except DeviceBusyError as error:
        return Check("lamps", Status.OK, error.message)
    if faults:
        hint = "The door works all the same; docs/feedback.md shows the wires."
        return Check("lamps", Status.WARN, " ".join(faults), hint)
    return Check("lamps", Status.OK, f"{told}: claimed, dark")


def _greeting(config: Config) -> Check:
    speaker = assemble.speaker(config)
    if speaker is None:
        return Check("greeting", Status.OK, "off")
    with closing(speaker):
        faults = speaker.examine()
    if faults:
        hint = "The door works all the same; docs/feedback.md says what is needed."
        return Check("greeting", Status.WARN, " ".join(faults), hint)
    what = f"espeak-ng in {config.feedback.language}"
    return Check("greeting", Status.OK, what if config.feedback.greeting == "speech" else "a sound")


def _instructions(config: Config) -> Check:
    """Whether people can know what a challenge asks of them."""
    wanted = config.feedback
    voice = assemble.instructor(config, None)
    if voice is None:
        if config.liveness.challenges == "off":
            return Check("instructions", Status.OK, "off")
        detail = (
            "A challenge is set, and nobody hears what is asked; lamps and buzzer cannot tell it."
        )
        hint = "Set feedback.speak: true; docs/feedback.md says what is needed."
        return Check("instructions", Status.WARN, detail, hint)
    with closing(voice):
        faults = voice.examine()
    if known_as(wanted.language) not in ASKED:
        faults = (f"Nothing can be asked for in {wanted.language} (feedback.language).", *faults)
    if faults:
        hint = f"Without it nobody is told what to do. Languages: {', '.join(ASKED)}."
        return Check("instructions", Status.WARN, " ".join(faults), hint)
    return Check("instructions", Status.OK, f"espeak-ng in {wanted.language}")


def _readers(config: Config) -> Check:
    """Keypad and card reader: whether they can be had."""
    asked = {"keypad": assemble.keypad, "card": assemble.card_reader}
    wanted = [source for source in asked if source in config.claims.sources]
    if not wanted:
        return Check("readers", Status.OK, "none configured")
    troubles = []
    try:
        with assemble.devices(config):
            for source in wanted:
                with closing(asked[source](config)) as keys:
                    troubles.append(keys.trouble)
    except DeviceBusyError as error:
        return Check("readers", Status.OK, error.message)
    if found := " ".join(filter(None, troubles)):
        hint = "`ls /dev/input/by-id` lists what is plugged in (docs/claims.md)."
        return Check("readers", Status.WARN, found, hint)
    return Check("readers", Status.OK, " and ".join(wanted))


def _claims(config: Config) -> Check:
    """Whether everybody enrolled can say who they are at this door."""
    sources = config.claims.sources
    if not sources:
        return Check("claims", Status.OK, "none configured: only commands open an attempt")
    with assemble.store(config, create=False) as store:
        people = store.credentials.everybody()
    if "sole_user" in sources and len(people) > 1:
        told = f"sole_user is for one person, and {len(people)} are enrolled"
        return Check("claims", Status.WARN, told, "Take sole_user out of claims.sources.")
    mute = [
        name
        for name, held in people.items()
        if not ("keypad" in sources and held.code)
        and not ("card" in sources and held.cards)
        and not ("qr" in sources and held.badge)
    ]
    if mute and "sole_user" not in sources:
        told = f"nothing to claim with at this door: {', '.join(mute)}"
        hint = "`appliance people code|card|badge NAME` gives it."
        return Check("claims", Status.WARN, told, hint)
    asked = [name for name, held in people.items() if held.pin]
    if asked and "keypad" not in sources and sources != ("sole_user",):
        told = f"a PIN is asked for, and there is no keypad: {', '.join(asked)}"
        hint = "Connect a keypad, or take the PIN back: `appliance people pin NAME --remove`."
        return Check("claims", Status.WARN, told, hint)
    return Check("claims", Status.OK, ", ".join(sources))


def _disk(config: Config) -> Check:
    folder = assemble.location(config).folder
    while not os.path.isdir(folder):  # noqa: PTH112 - is_dir() raises where it may not look
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 1_000_000
    if not os.access(folder, os.W_OK):
        return Check(
            "disk", Status.FAIL, f"{folder} cannot be written by this user", "Check its owner."
        )
    if free < LEAST_FREE_MB:
        return Check(
            "disk",
            Status.FAIL,
            f"{free} MB free at {folder}",
            "Free some room: the door stays shut when its audit log cannot be written.",
        )
    return Check("disk", Status.OK, f"{free} MB free at {folder}")


def _service(config: Config) -> Check:
    """What keeps the appliance running, and what it allows."""
    found = installed.look()
    if found is None:
        return Check(
            "service",
            Status.WARN,
            "the system service is not installed: nothing starts it after a power cut",
            "docs/service.md says how to install it.",
        )
    text = f"installed as {found.unit}"
    for clause, hint in installed.shortcomings(found, config):
        return Check("service", Status.WARN, f"{text}; {clause}", hint)
    how = _key_of_the_service(config)
    if how is None:
        return Check("service", Status.OK, text)
    return Check(
        "service",
        Status.OK,
        f"{text}; the key of the enrolled faces is handed to the service alone",
        f"Commands ask the service while it runs. Without it: `{how}`.",
    )


_CHECKS: Mapping[str, Callable[[Config], Check]] = {
    "runtime": _runtime,
    "models": _models,
    "embedder": _embedder,
    "processor": _processor,
    "liveness": _liveness,
    "camera": _camera,
    "infrared": _infrared,
    "door": _door,
    "contacts": _contacts,
    "store": _store,
    "clock": _clock,
    "schedules": _schedules,
    "lamps": _lamps,
    "greeting": _greeting,
    "instructions": _instructions,
    "readers": _readers,
    "claims": _claims,
    "disk": _disk,
    "service": _service,
}
