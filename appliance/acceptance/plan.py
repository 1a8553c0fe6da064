"""The table of the acceptance: every step in its order, and why a door may not have it.

The order spares trips: first what needs neither devices nor service, then what uses the devices
directly while the service stands still, then what the running service does, last what needs the
power cut.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.acceptance import judging
from appliance.acceptance.values import Expected, Obstacle, Service, Site, Step

MACHINE, CAMERA, LOCK, PEOPLE, DOOR, FAILURES, POWER = (
    *("The machine", "The camera", "The lock", "People"),
    *("Door and contacts", "Failures", "Power"),
)
_RUNS, _STANDS = Service.RUNNING, Service.STOPPED


def _without(has: Callable[[Site], object], why: str) -> Obstacle:
    return lambda site: "" if has(site) else why


_no_lock = _without(lambda site: site.door is not None, "The door is not configured.")
_no_contact = _without(lambda site: site.contact, "No door contact is connected.")
_no_unit = _without(
    lambda site: site.installed,
    "No system service is installed here, so nothing would take the place of the one that ends.",
)


def _both(*obstacles: Obstacle) -> Obstacle:
    return lambda site: next(filter(None, (obstacle(site) for obstacle in obstacles)), "")


def _alarm(kind: str) -> tuple[Expected, ...]:
    return Expected("alarm", {"kind": kind}), Expected("alarm_over", {"kind": kind})


def _claim(way: str, do: str) -> Step:
    title = {"sole_user": "The face alone", "qr": "The badge"}.get(way, f"The {way}")
    return Step(
        f"claim_{way}",
        PEOPLE,
        f"{title} lets an enrolled person in",
        (do, "Look into the camera until the door is released."),
        probe="log",
        judge=judging.records_came,
        absent=_both(
            _no_lock, _without(lambda site: way in site.claims, f"claims.sources lacks {way}.")
        ),
        consent="An accepted attempt releases the door for a pulse.",
        needs=_RUNS,
        expects=(Expected("access_granted", {"via": way}),),
    )


def _attack(key: str, title: str, do: str) -> Step:
    return Step(
        key,
        PEOPLE,
        title,
        (do, "Hold it before the camera as a face would be, still and then moved about."),
        probe="verify",
        judge=judging.is_not_taken_for_alive,
        absent=_without(lambda site: site.liveness, "liveness.profile is off: nothing looks."),
        needs=_RUNS,
        person=True,
        guides=True,
    )


STEPS: tuple[Step, ...] = (
    Step(
        "identity",
        MACHINE,
        "What this board is and what runs on it",
        probe="identity",
    ),
    Step(
        "config",
        MACHINE,
        "The configuration is one for a door",
        judge=judging.is_meant_for_a_door,
    ),
    Step(
        "system_service",
        MACHINE,
        "The system keeps the service running",
        probe="system_service",
        judge=judging.service_is_kept_running,
        absent=_without(
            lambda site: site.door == "gpiozero", "No real lock is driven, so nothing has to be."
        ),
    ),
    Step(
        "network",
        MACHINE,
        "What can be reached over the network",
        probe="network",
        ask="Is every one of these meant to be reachable?",
        otherwise="Something can be reached over the network that is not meant to be.",
        asks_when=lambda facts: bool(facts["exposed"]),
    ),
    Step(
        "backup",
        MACHINE,
        "A backup is made and opens again",
        ("A backup is made, opened, compared and deleted. Keep one of your own elsewhere.",),
        probe="backup",
        judge=judging.backup_opens,
        required=False,
    ),
    Step(
        "service_stopped",
        MACHINE,
        "The service is stopped, for what follows uses the devices directly",
        ("`systemctl stop appliance`, or end `appliance run`, where it is not done for you.",),
        probe="stop_service",
        judge=judging.service_is_stopped,
        consent="The service is stopped: until it is started again nobody is let in.",
        safe={
            "do": (
                "`systemctl stop appliance`, or end `appliance run`, where it is not done for you.",
                "Have somebody guard the door.",
            ),
            "consent": "The service is stopped: until it is started again the door stands open to "
            "anybody.",
        },
    ),
    Step(
        "doctor",
        MACHINE,
        "The doctor finds nothing that fails",
        probe="doctor",
        judge=judging.no_check_fails,
        ask="Are all of these warnings understood, and will they be left so?",
        otherwise="The doctor warns of something that is not to be left so.",
        asks_when=lambda facts: "warn" in facts["checks"].values(),
        needs=_STANDS,
    ),
    Step(
        "camera",
        CAMERA,
        "Size, rate and light of the picture",
        ("Let nobody stand before the camera.",),
        probe="camera",
        judge=judging.camera_keeps_up,
        needs=_STANDS,
    ),
    Step(
        "person",
        CAMERA,
        "A person at the mark is seen well",
        ("Let a person of middle height stand at the mark and look into the camera.",),
        probe="person",
        judge=judging.person_is_seen_well,
        needs=_STANDS,
    ),
    Step(
        "pulse",
        LOCK,
        "The relay closes for one pulse",
        ("Leave the door shut and listen to the relay.",),
        probe="pulse",
        judge=judging.pulse_is_right,
        ask="Did the relay click when the pulse began and again when it ended?",
        otherwise="The relay was not heard to click on and off.",
        absent=_no_lock,
        consent="The lock is released for one pulse.",
        needs=_STANDS,
        safe={
            "title": "The relay opens for one pulse",
            "do": (
                "Shut the door, leave it so, and listen to the relay.",
                "It clicks on and the door is locked; off for the pulse, and on again.",
                "It clicks off when the step ends.",
            ),
            "ask": "Did the relay click off when the pulse began and on again when it ended?",
            "otherwise": "The relay was not heard to click off and on.",
            "consent": "The door is locked, then released for one pulse; after the step it stands "
            "open as before.",
        },
    ),
    Step(
        "strike",
        LOCK,
        "The door can be opened while the lock is released",
        ("Pull or push the door from outside as soon as the relay clicks.",),
        probe="pulse",
        judge=judging.pulse_is_right,
        ask="Could the door be opened from outside in the pulse?",
        otherwise="The lock did not let go of the door.",
        absent=_no_lock,
        consent="The lock is released for one pulse, and somebody opens the door.",
        needs=_STANDS,
        safe={
            "do": (
                "Shut the door. After the first click pull or push it from outside: it holds.",
                "Go on pulling or pushing until it opens, as soon as the relay clicks off.",
            ),
            "ask": "Did the door hold after the first click, and open from outside in the pulse?",
            "otherwise": "The lock did not hold the door, or did not let go of it.",
            "consent": "The door is locked, then released for one pulse, and somebody opens it; "
            "after the step it stands open as before.",
        },
    ),
    Step(
        "contact",
        DOOR,
        "The contact reads the door rightly",
        ("Begin with the door closed.", "Open it by the handle inside, and close it again."),
        probe="contact",
        judge=judging.contact_moves,
        absent=_both(_no_lock, _no_contact),
        needs=_STANDS,
        safe={"do": ("Begin with the door closed.", "Open it, and close it again.")},
    ),
    Step(
        "exit_without_software",
        DOOR,
        "The button inside opens the door while the software stands still",
        ("Press the button to leave, and open the door.",),
        probe="service_state",
        judge=judging.service_is_stopped,
        ask="Did the button let you out?",
        otherwise="Without the software the button does not open the door.",
        absent=_both(
            _no_lock,
            _without(lambda site: site.exit_button, "No button to leave is connected."),
            _without(
                lambda site: site.fail == "secure",
                "door.fail is safe: while the software stands still the lock is released anyway.",
            ),
        ),
        needs=_STANDS,
    ),
    Step(
        "lamps",
        DOOR,
        "Lamps and buzzer",
        ("Watch and listen: each is named, and is then on for two seconds.",),
        probe="lamps",
        judge=judging.nothing_is_broken,
        ask="Did each of them come on when it was named?",
        otherwise="A lamp or the buzzer did not do what it should.",
        absent=_both(_no_lock, _without(lambda site: site.lamps, "None is connected.")),
        needs=_STANDS,
        required=False,
    ),
    Step(
        "sound",
        DOOR,
        "The loudspeaker",
        ("Listen where people stand.",),
        probe="sound",
        judge=judging.nothing_is_broken,
        ask="Was it heard and understood?",
        otherwise="The loudspeaker was not heard well.",
        absent=_without(lambda site: site.sound, "Nobody is greeted or told anything."),
        needs=_STANDS,
        required=False,
    ),
    Step(
        "service_running",
        MACHINE,
        "The service runs again",
        ("`systemctl start appliance`, or `appliance run`, where it is not done for you.",),
        probe="start_service",
        judge=judging.service_is_running,
        safe={
            "do": (
                "`systemctl start appliance`, or `appliance run`, where it is not done for you.",
                "The relay clicks on then, and the door is locked: see that nobody needs it.",
            ),
        },
    ),
    Step(
        "stays_shut",
        LOCK,
        "The door stays shut while nobody is let in",
        ("Pull and push the door from outside, as hard as somebody would who wants in.",),
        probe="service_state",
        judge=judging.service_is_running,
        ask="Did the door stay shut?",
        otherwise="The door could be opened although the lock was not released.",
        absent=_no_lock,
        needs=_RUNS,
    ),
    Step(
        "fire_alarm",
        DOOR,
        "The fire alarm takes the current off the magnet",
        ("Have the fire alarm's contact opened, by whoever may do so.", "Push the door."),
        probe="service_state",
        judge=judging.service_is_running,
        ask="Did the door open at once, without anybody doing anything else?",
        otherwise="The fire alarm does not open the door.",
        absent=_both(
            _no_lock,
            _without(
                lambda site: site.fail == "safe",
                "door.fail is secure: the handle opens the door whether there is a fire or not.",
            ),
        ),
        needs=_RUNS,
    ),
    Step(
        "known_person",
        PEOPLE,
        "An enrolled person is recognised, alive",
        ("Let the enrolled person stand at the mark and look into the camera.",),
        probe="verify",
        judge=judging.is_let_in,
        needs=_RUNS,
        person=True,
        guides=True,
    ),
    Step(
        "stranger",
        PEOPLE,
        "Somebody else is not taken for that person",
        ("Let somebody who is not enrolled stand at the mark and look into the camera.",),
        probe="verify",
        judge=judging.is_taken_for_somebody_else,
        needs=_RUNS,
        person=True,
        guides=True,
    ),
    _attack("photo", "A printed photograph is refused", "Take a print of the enrolled person."),
    _attack(
        "screen", "A telephone's screen is refused", "Show the enrolled person on a bright screen."
    ),
    *(
        _claim("sole_user", "Stand at the mark."),
        _claim("keypad", "Type the enrolled person's code."),
        _claim("card", "Hold the enrolled person's card to the reader."),
        _claim("qr", "Show the enrolled person's badge to the camera."),
    ),
    Step(
        "exit_button",
        DOOR,
        "The button inside releases the door and is recorded",
        ("Press the button to leave.",),
        probe="log",
        judge=judging.records_came,
        absent=_both(
            _no_lock,
            _without(lambda site: site.exit_button, "No button to leave is connected."),
        ),
        consent="The button releases the door for a pulse.",
        needs=_RUNS,
        expects=(Expected("request_to_exit", {"released": True}),),
    ),
    Step(
        "forced",
        DOOR,
        "A door that is opened without a release raises an alarm",
        ("Open the door without button, face or code: by the key, or the handle.", "Close it."),
        probe="log",
        judge=judging.records_came,
        absent=_both(_no_lock, _no_contact),
        needs=_RUNS,
        expects=_alarm("forced"),
        safe={
            "do": (
                "Open the door without button, face or code: by the green release, or the key.",
                "Close it, and put the release back.",
            ),
        },
    ),
    Step(
        "held_open",
        DOOR,
        "A door that is held open raises an alarm",
        ("Open the door in the pulse and hold it open until the alarm is told.", "Close it."),
        probe="held_open",
        judge=judging.records_came,
        absent=_both(_no_lock, _no_contact),
        consent="The service releases the lock for one pulse.",
        needs=_RUNS,
        expects=_alarm("held_open"),
    ),
    Step(
        "tamper",
        DOOR,
        "An opened case raises an alarm",
        ("Take the lid off the case, and put it on again.",),
        probe="log",
        judge=judging.records_came,
        absent=_both(
            _no_lock, _without(lambda site: site.tamper, "No tamper contact is connected.")
        ),
        needs=_RUNS,
        expects=_alarm("tamper"),
    ),
    Step(
        "kill",
        FAILURES,
        "A service that is killed in a pulse leaves the door locked",
        ("Listen: the relay clicks on, and must fall off at once, long before a pulse is over.",),
        probe="kill",
        judge=judging.kill_locks,
        ask="Did the relay fall off within a second?",
        otherwise="The relay stayed on after the service was killed.",
        absent=_both(_no_lock, _no_unit),
        consent="The service releases the lock and is killed in the pulse (SIGKILL).",
        needs=_RUNS,
        safe={
            "title": "A service that is killed in a pulse leaves the lock without current",
            "do": (
                "Listen: the relay clicks off, and must stay off although the pulse would be over.",
                "It clicks on when the service is back.",
            ),
            "ask": "Did the relay stay off until the service was back, and click on then?",
            "otherwise": "The relay did not stay off until the service was back, or did not click "
            "on then.",
            "consent": "The service releases the lock and is killed in the pulse (SIGKILL): the "
            "door stands open to anybody until the service is back.",
        },
    ),
    Step(
        "watchdog",
        FAILURES,
        "A service that hangs is ended and started again",
        ("Wait; this takes up to a minute.",),
        probe="watchdog",
        judge=judging.watchdog_bites,
        absent=_no_unit,
        consent="The service is stopped in its tracks (SIGSTOP) until systemd notices.",
        needs=_RUNS,
        safe={
            "consent": "The service is stopped in its tracks (SIGSTOP) until systemd notices; then "
            "the door stands open to anybody until the service is back.",
        },
    ),
    Step(
        "boot",
        POWER,
        "Nothing moves while the board starts",
        (
            "Take the power off the board and off the lock, both.",
            "Try the door from outside and the handle inside; what you find is asked for later.",
            "Give the power back and listen: the relay must not click.",
            "Then run `appliance acceptance --resume`.",
        ),
        probe="boot",
        judge=judging.boot_is_quiet,
        ask="Was the relay silent, from the power's return until now?",
        otherwise="The relay moved while the board started.",
        absent=_both(_no_lock, _no_unit),
        reboot=True,
        safe={
            "title": "Nothing but the service moves the lock while the board starts",
            "do": (
                "Take the power off the board and off the lock, both: the door stands open.",
                "Open it from inside, as somebody who flees; what you find is asked for later.",
                "Shut the door, give the power back and listen.",
                "The relay clicks on once, when the service locks, and not before.",
                "Then run `appliance acceptance --resume`.",
            ),
            "ask": "Did the relay click once and no more, from the power's return until now?",
            "otherwise": "The relay did not click just once while the board started.",
        },
    ),
    Step(
        "shut_without_power",
        POWER,
        "Without power a fail-secure door stays shut",
        ask="While there was no power: did the door stay shut from outside?",
        otherwise="Without power the door can be opened from outside.",
        absent=_both(
            _no_lock,
            _without(lambda site: site.fail == "secure", "door.fail is safe: no power means open."),
        ),
    ),
    Step(
        "way_out_without_power",
        POWER,
        "Without power there is a way out",
        ask="While there was no power: did the door open from inside, by nothing but the handle?",
        otherwise="Without power nobody gets out.",
        absent=_no_lock,
        safe={
            "ask": "While there was no power: did the door open from inside, by nothing but a push "
            "or the handle?",
        },
    ),
    Step(
        "clock",
        POWER,
        "After a start without a network the clock does not pretend",
        (
            "Take the network away: cable or access point.",
            "Take the board's power off, wait a minute, and give it back.",
            "Run `appliance acceptance --resume`, and give the network back afterwards.",
        ),
        probe="clock",
        judge=judging.clock_is_honest,
        absent=_no_unit,
        required=False,
        reboot=True,
    ),
)
BY_KEY = {step.key: step for step in STEPS}


def table() -> str:
    """The steps as a table in Markdown, for docs/acceptance.md."""
    head = "| step | what is shown | measured | asked | service | counts |\n|" + "---|" * 6 + "\n"
    return head + "".join(
        f"| {step.key} | {step.title} | {_yes(step.probe)} | {_yes(step.ask)} | "
        f"{'' if step.needs is Service.EITHER else step.needs.value} | {_yes(step.required)} |\n"
        for step in STEPS
    )


def safe_table() -> str:
    """What is said otherwise at a fail-safe door, in Markdown, for docs/acceptance.md."""
    head = "| step | what is shown | asked | agreed to |\n|" + "---|" * 4 + "\n"
    return head + "".join(
        f"| {step.key} | {step.safe.get('title', '')} | {step.safe.get('ask', '')} | "
        f"{step.safe.get('consent', '')} |\n"
        for step in STEPS
        if step.safe.keys() & {"title", "ask", "consent"}
    )


def _yes(it: object) -> str:
    return "yes" if it else ""
