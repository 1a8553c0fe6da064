"""Unlock: a person is enrolled and let in through /dev/video0; nobody else moves the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.board.board import Board
from tests.board.evidence import Evidence, json_of, read, transcript
from tests.board.installed import CHECKOUT, PULSE_S
from tests.board.lines import Pulse
from tests.board.machine import RELAY, Answer, Machine
from tests.board.table import Row

NAME = "unlock"
# The processor is emulated: what takes a second at a door may take half a minute here.
ATTEMPT_S = 900.0
ENROL_S = 1800.0
# After an attack was seen the door hears nobody for 10 s, and after any attempt for 2.
SILENCE_S = 12.0
# How much longer than configured the line may stay: the processor has other things to do as well.
SLACK_S = 0.5

# The profile `standard` wants to see a motion in depth, which takes ten pictures a second; this
# processor looks at one. The row of the pulse names the profile.
_PASSIVE = (
    "printf 'liveness:\\n  profile: passive\\n' >> /etc/appliance/config.yaml && "
    "systemctl reload appliance"
)
_ENROL = "appliance --json enroll --name alice"
_ENROL_BOB = "appliance --json enroll --name bob"
_CONFIG = "appliance --json config show"
_AUDIT = "appliance --json audit tail -n 100"
# Who stands before the camera, and whose name is claimed, where the line must not move.
_HALL, _PHOTOGRAPH, _STRANGER = ("hall", "alice"), ("stranger", "alice"), ("alice", "bob")


def run(board: Board) -> list[Row]:
    """Enrol, let in, refuse; then judge the logs."""
    options = board.options(NAME)
    with board.machine(options) as machine:
        board.wait_until_ready(machine)
        machine.ssh(_PASSIVE, timeout_s=ATTEMPT_S, check=True)
        machine.ssh(_CONFIG, timeout_s=ATTEMPT_S)
        _enrol(board, machine)
        _attempt(board, machine, *_HALL)
        _attempt(board, machine, *_PHOTOGRAPH)
        _attempt(board, machine, "alice", "alice")
        # Its pulse ends before the next attempt begins.
        _wait(machine, 2 * PULSE_S)
        _attempt(board, machine, *_STRANGER)
        _wait(machine, 2 * PULSE_S)
        machine.ssh(_AUDIT, timeout_s=ATTEMPT_S)
    rows = judge(options.folder)
    evidence = read(options.folder)
    pulses = evidence.trace.pulses(RELAY)
    if pulses and pulses[0].end is not None:
        text = transcript(evidence, RELAY, until=pulses[0].end + 1)
        (options.folder / "transcript.txt").write_text(text)
    return rows


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs in a folder."""
    evidence = read(folder)
    return [
        _enrolled(evidence),
        _let_in(evidence),
        _nobody(evidence),
        _photograph(evidence),
        _stranger(evidence),
        _recorded(evidence),
    ]


def _enrol(board: Board, machine: Machine) -> None:
    board.before_the_camera(machine, "alice")
    machine.ssh(_ENROL, timeout_s=ENROL_S)
    pictures = f"{CHECKOUT}/appliance/demo/pictures"
    names = " ".join(f"--from {pictures}/{name}.jpg" for name in ("obama", "obama2", "obama3"))
    machine.ssh(f"{_ENROL_BOB} {names}", timeout_s=ENROL_S)


def _attempt(board: Board, machine: Machine, film: str, name: str) -> None:
    board.before_the_camera(machine, film)
    # Whoever stood there before is gone from the queues, and an attack's silence is over.
    _wait(machine, SILENCE_S)
    machine.ssh(_command(film, name), timeout_s=ATTEMPT_S)


def _wait(machine: Machine, seconds: float) -> None:
    # The guest's seconds: they are longer than the host's.
    machine.ssh(f"sleep {seconds:g}", timeout_s=ENROL_S)


def _command(film: str, name: str) -> str:
    # The film stands in the log beside the command that it was played for.
    return f": {film} before the camera; appliance --json verify --name {name} --unlock"


def _enrolled(evidence: Evidence) -> Row:
    answer = evidence.last(_ENROL)
    told = json_of(answer)
    used = told.get("frames_used", 0)
    config = _config(evidence)
    wanted = config["enrolment"]["frames"]
    return Row(
        "a person is enrolled through /dev/video0",
        f"{used} of {wanted} frames used, {len(told.get('frames_rejected', []))} left out, "
        f"{_took(evidence, answer)}"
        if answer.code == 0
        else _why(told),
        ok=answer.code == 0 and used >= wanted,
    )


def _let_in(evidence: Evidence) -> Row:
    answer = evidence.last(_command("alice", "alice"))
    told = json_of(answer)
    during = _pulses(evidence, answer)
    profile = _config(evidence)["liveness"]["profile"]
    lengths = ", ".join("no end" if it.end is None else f"{it.length_s:.3f} s" for it in during)
    return Row(
        f"who is recognised gets one pulse of {PULSE_S:g} s on the chip's line",
        f"{told.get('decision')} (profile {profile}, similarity {told.get('similarity')}, "
        f"threshold {told.get('threshold')}) within {_took(evidence, answer)}; "
        f"{len(during)} pulses: {lengths or 'none'}",
        ok=told.get("decision") == "accept"
        and len(during) == 1
        and during[0].length_s is not None
        and PULSE_S - 0.05 <= during[0].length_s <= PULSE_S + SLACK_S,
    )


def _nobody(evidence: Evidence) -> Row:
    told = json_of(evidence.last(_command(*_HALL)))
    return _refused(
        evidence,
        _HALL,
        "an empty hall, alice claimed: nobody is seen, and the line does not move",
        rightly=told.get("decision") == "no_face",
    )


def _photograph(evidence: Evidence) -> Row:
    """A refusal of somebody who was seen: a camera that shows nothing is no refusal."""
    told = json_of(evidence.last(_command(*_PHOTOGRAPH)))
    seen = told.get("liveness", {}).get("cues", {}).get("appearance") is not None
    return _refused(
        evidence,
        _PHOTOGRAPH,
        "another's photograph, alice claimed: it is seen and refused, and the line does not move",
        "a face was seen" if seen else "no face was seen",
        rightly=seen and told.get("decision") in {"reject", "spoof", "poor_quality"},
    )


def _stranger(evidence: Evidence) -> Row:
    """Live and looked at, and yet not let in: by the face alone."""
    told = json_of(evidence.last(_command(*_STRANGER)))
    alive = told.get("liveness", {}).get("state") == "live"
    similarity, threshold = told.get("similarity"), told.get("threshold")
    below = similarity is not None and threshold is not None and similarity < threshold
    return _refused(
        evidence,
        _STRANGER,
        "a living stranger, bob claimed: found live and not like bob, and the line does not move",
        f"live: {alive}, similarity {similarity}, threshold {threshold}",
        rightly=alive and below and told.get("decision") == "reject",
    )


def _refused(
    evidence: Evidence, who: tuple[str, str], promise: str, found: str = "", *, rightly: bool
) -> Row:
    answer = evidence.last(_command(*who))
    during = _pulses(evidence, answer)
    decision = json_of(answer).get("decision")
    said = f"{decision} after {_took(evidence, answer)}"
    said += f" ({found})" if found else ""
    return Row(
        promise,
        f"{said}; {len(during)} pulses",
        ok=rightly and answer.code == 1 and not during,
    )


def _recorded(evidence: Evidence) -> Row:
    records = json_of(evidence.last(_AUDIT))["records"]
    accepts = [it for it in records if it["detail"].get("decision") == "accept"]
    pulses = evidence.trace.pulses(RELAY)
    return Row(
        "every pulse has its audit record, and every accept its pulse",
        f"{len(records)} records, {len(accepts)} of them accepts; {len(pulses)} pulses since reset",
        ok=len(accepts) == len(pulses) == 1,
    )


def _pulses(evidence: Evidence, answer: Answer) -> list[Pulse]:
    """The pulses that began between an attempt and the next one."""
    later = [it.at for it in evidence.asked("before the camera") if it.at > answer.at]
    end = min(later, default=float("inf"))
    return [it for it in evidence.trace.pulses(RELAY) if answer.at <= it.start <= end]


def _took(evidence: Evidence, answer: Answer) -> str:
    return f"{evidence.trace.lasted(answer.at, answer.at + answer.took_s):.0f} s"


def _config(evidence: Evidence) -> dict[str, Any]:
    told = json_of(evidence.last(_CONFIG))
    config: dict[str, Any] = told.get("config", told)
    return config


def _why(told: dict[str, Any]) -> str:
    error = told.get("error") or told
    return str(error.get("message", error))
