"""What the measured facts are worth: pure functions from facts to faults, a sentence each.

Where a limit is the configuration's own it comes with the site; the others are here, with their
reasons.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.acceptance.values import Facts, Service, Site

# A pulse is timed in steps of 20 ms and on a busy machine later; people notice no less.
PULSE_TOLERANCE_S = 0.25
# Below half of what is asked for, a motion between two frames is no longer followed.
LEAST_SHARE_OF_FPS = 0.5
# Safety rule 2: a kill inside a pulse takes the current off within this.
KILLED_WITHIN_S = 1.0
# TimeoutAbortSec and RestartSec come on top of the watchdog's own time, and then the start.
RESTARTED_WITHIN_S = 30.0
# What releases a door, by the words of the audit log.
RELEASING = frozenset({"access_granted", "door_test", "keeper_unlock", "request_to_exit", "unlock"})


def service_is(wanted: Service, facts: Facts) -> Iterator[str]:
    """The service stands as the next steps need it."""
    if facts["running"] is not (wanted is Service.RUNNING):
        yield f"The service is {'running' if facts['running'] else 'not running'}."


def service_is_stopped(facts: Facts, _site: Site) -> Iterator[str]:
    """For the steps that use the devices directly."""
    yield from service_is(Service.STOPPED, facts)


def service_is_running(facts: Facts, _site: Site) -> Iterator[str]:
    """For the steps that ask the service."""
    yield from service_is(Service.RUNNING, facts)


def is_meant_for_a_door(_facts: Facts, site: Site) -> Iterator[str]:
    """The configuration has what no door can do without: else nothing of it would be tried."""
    if site.door is None:
        yield "The door is not configured (door.driver), so there is nothing to accept."
    if not site.liveness:
        yield "liveness.profile is off: a photograph of an enrolled person opens this door."


def no_check_fails(facts: Facts, _site: Site) -> Iterator[str]:
    """No check of the doctor failed; warnings stay in the report."""
    if failed := [name for name, status in facts["checks"].items() if status == "fail"]:
        yield f"`appliance doctor` fails: {', '.join(failed)}."


def service_is_kept_running(facts: Facts, site: Site) -> Iterator[str]:
    """The system starts the service, and allows what the config asks for."""
    if not facts["installed"]:
        yield "The system service is not installed: nothing starts it after a power cut."
        return
    if not site.installed:
        yield "systemd does not run this machine, or does not know the unit."
    if facts["enabled"] is not True:
        yield "The system service is not enabled: nothing starts it after a power cut."
    yield from (f"{clause}." for clause in facts["shortcomings"])


def camera_keeps_up(facts: Facts, site: Site) -> Iterator[str]:
    """Size, rate and light of the picture."""
    size = (facts["width"], facts["height"])
    if site.width and sorted(size) != sorted((site.width, site.height)):
        yield f"The camera gives {size[0]} x {size[1]}, not {site.width} x {site.height}."
    if facts["fps"] is None:
        yield "The camera gave one picture and no more."
    elif facts["fps"] < site.fps * LEAST_SHARE_OF_FPS:
        yield f"The camera gives {facts['fps']:g} pictures a second, not {site.fps:g}."
    if facts["scene"]:
        yield f"Its picture is {facts['scene']}."


def person_is_seen_well(facts: Facts, site: Site) -> Iterator[str]:
    """Size, sharpness and light of a face at the mark."""
    if not facts["frames"]:
        yield "No face was seen."
        return
    if facts["eye_distance"] < site.eye_distance:
        yield (
            f"The eyes are {facts['eye_distance']:g} pixels apart, and {site.eye_distance:g} are "
            "needed: the mark is too far away, or the lens too wide."
        )
    if facts["sharpness"] < site.sharpness:
        yield f"The face is not sharp ({facts['sharpness']:g}, {site.sharpness:g} is needed)."
    least, most = site.brightness
    if not least <= facts["brightness"] <= most:
        yield f"The face's brightness is {facts['brightness']:g}, not {least:g} to {most:g}."
    if facts["clipped"] > site.clipped:
        yield f"Too much of the face is burnt out ({100 * facts['clipped']:.0f} %)."


def pulse_is_right(facts: Facts, site: Site) -> Iterator[str]:
    """Length of a pulse, and whether the line was read back as driven."""
    measured = facts["measured_s"]
    if measured is None:
        yield "The lock was not released."
    # Who goes through ends the pulse by closing the door.
    elif measured > site.pulse_s + PULSE_TOLERANCE_S or (
        measured < site.pulse_s - PULSE_TOLERANCE_S and not facts["opened"]
    ):
        yield f"The pulse lasted {measured:g} s, and {site.pulse_s:g} s are set."
    if facts["read_back"] is not (site.fail == "secure"):
        current = "current" if facts["read_back"] else "no current"
        yield f"While the lock was released its line was read with {current}."


def contact_moves(facts: Facts, _site: Site) -> Iterator[str]:
    """The contact was read closed, then open, then closed."""
    if facts["seen"] != ["closed", "open", "closed"]:
        told = ", then ".join(facts["seen"]) or "nothing"
        yield f"The contact read {told}; closed, then open, then closed is right."


def nothing_is_broken(facts: Facts, _site: Site) -> Iterator[str]:
    """Lamps, buzzer or loudspeaker did not complain."""
    yield from facts["faults"]


def is_let_in(facts: Facts, _site: Site) -> Iterator[str]:
    """The verification said yes."""
    if facts["decision"] != "accept":
        yield f"The decision is {facts['decision']}."


def is_taken_for_somebody_else(facts: Facts, _site: Site) -> Iterator[str]:
    """The verification saw a face, and said that it is another."""
    if facts["decision"] == "accept":
        yield "The decision is accept: the door would have opened."
    elif facts["decision"] != "reject":
        yield f"The decision is {facts['decision']}, which does not say that it is somebody else."


def is_not_taken_for_alive(facts: Facts, _site: Site) -> Iterator[str]:
    """The verification saw a face, and did not find that it lives.

    That a picture is not like the person says nothing: a better one may be.
    """
    decision, state = facts["decision"], facts["liveness"]["state"]
    unsure = decision in {"timeout", "poor_quality"} and state == "undetermined"
    if decision == "accept":
        yield "The decision is accept: the door would have opened."
    elif state == "live":
        yield f"The decision is {decision}, but it was taken for a living person."
    elif decision != "spoof" and not unsure:
        yield f"The decision is {decision}, which says nothing of life: try a better picture."


def records_came(facts: Facts, _site: Site) -> Iterator[str]:
    """The audit log gained every record that was expected."""
    if facts["missing"]:
        yield f"The audit log has no record: {', '.join(facts['missing'])}."


def kill_locks(facts: Facts, _site: Site) -> Iterator[str]:
    """After a kill inside a pulse the current went in time, and the service came back."""
    off = facts["off_after_s"]
    if off is not None and off > KILLED_WITHIN_S:
        yield f"The line was at rest {off:g} s after the kill, not within {KILLED_WITHIN_S:g} s."
    elif off is None and not facts["helper"]:
        yield "Nothing tells that the helper has taken the current off."
    if facts["back_after_s"] is None:
        yield "The service did not come back."


def watchdog_bites(facts: Facts, _site: Site) -> Iterator[str]:
    """A service that hung was ended and started again."""
    allowed = facts["watchdog_s"]
    if not allowed:
        yield "systemd does not watch the service (WatchdogSec)."
        return
    if facts["back_after_s"] is None:
        yield "The service that hung was not started again."
    elif facts["back_after_s"] > allowed + RESTARTED_WITHIN_S:
        yield f"The service that hung was back after {facts['back_after_s']:g} s."


def boot_is_quiet(facts: Facts, _site: Site) -> Iterator[str]:
    """After a power cut the service came up by itself, locked, and released nothing."""
    if not facts["running"]:
        yield "The service did not start by itself."
    elif facts["door"] not in {"locked", "open", "held_open"}:
        yield f"After the start the door is {facts['door']}."
    if facts["released"]:
        yield f"The audit log has {len(facts['released'])} releases since the power was cut."
    if facts["chain_breaks_at"] is not None:
        yield f"The audit log does not hold together any more at record {facts['chain_breaks_at']}."


def clock_is_honest(facts: Facts, _site: Site) -> Iterator[str]:
    """Without a network the clock does not claim to be right."""
    if facts["trusted"]:
        yield "The clock says that a time server has set it, without a network."


def backup_opens(facts: Facts, _site: Site) -> Iterator[str]:
    """A backup was made, opened again, and holds everybody."""
    if facts["people"] != facts["enrolled"]:
        yield f"The backup holds {facts['people']} people of {facts['enrolled']}."
