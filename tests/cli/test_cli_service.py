"""Commands that ask the running service, and what they do where there is none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from appliance.config import ControlConfig
from appliance.control.limits import Limits
from appliance.control.server import ControlServer
from appliance.control.words import CameraTold, DoorTold, Part
from appliance.errors import CameraError, InputError
from tests.cli.runs import OBAMA, OBAMA2, OBAMA3, PROGRAM, Appliance, environment
from tests.control.fake_service import STATUS, FakeService, Switch
from tests.patience import patient


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Switch, Path]]:
    path, switch = tmp_path_factory.mktemp("service") / "control.sock", Switch()
    limits = Limits(per_second=1e6)
    server = ControlServer(ControlConfig(socket=path, group="no such group"), switch, limits=limits)
    server.start()
    server.wait_ready(patient(10))
    yield switch, path
    server.stop()


@pytest.fixture
def running(appliance: Appliance, served: tuple[Switch, Path]) -> FakeService:
    """A service for this installation's store."""
    switch, path = served
    switch.current = service = FakeService(appliance.state / "appliance.db")
    appliance.configure(control={"socket": str(path)})
    return service


@pytest.fixture
def alone(appliance: Appliance) -> Appliance:
    """An installation without a service."""
    appliance.configure(control={"socket": str(appliance.folder / "control.sock")})
    return appliance


# --- status -------------------------------------------------------------------------------


def test_the_status(appliance: Appliance, running: FakeService) -> None:
    told = appliance.json("status")
    assert (told.code, told.err) == (0, "")
    assert told.data == json.loads(running.answer.model_dump_json())
    assert told.data["pid"] == os.getpid()


def test_the_status_for_people(appliance: Appliance, running: FakeService) -> None:
    told = appliance("status")
    assert told.code == 0
    assert told.out.splitlines() == [
        f"ok  appliance 1.2.3, process {os.getpid()}, 1 min 1 s",
        "  door: locked, simulated",
        "  camera: v4l2, 15 frames per second",
        "  people: 2 enrolled, model mobilefacenet",
    ]


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("degraded", 0), ("failed", 1)])
def test_only_what_has_failed_is_a_no(
    appliance: Appliance, running: FakeService, state: str, code: int
) -> None:
    running.answer = running.answer.model_copy(update={"state": state})
    assert appliance.json("status").code == code


def test_what_is_wrong_is_told(appliance: Appliance, running: FakeService) -> None:
    changed = {
        "state": "degraded",
        "uptime_s": 93_784.0,
        "people": None,
        "door": DoorTold(configured=True, state="open", contact="open", alarms=("forced",)),
        "camera": CameraTold(driver="v4l2", trouble="The camera was \x1b[31munplugged."),
        "parts": (Part(name="door"), Part(name="audit", state="degraded", sentence="Full [disk].")),
    }
    running.answer = running.answer.model_copy(update=changed)
    told = appliance("status")
    assert told.code == 0
    assert told.out.splitlines() == [
        f"degraded  appliance 1.2.3, process {os.getpid()}, 1 d 2 h",
        "  door: open, contact open; ALARM: forced",
        "  camera: v4l2; The camera was \\x1b[31munplugged.",
        "  people: unknown, model mobilefacenet",
        "  audit: degraded. Full [disk].",
    ]


@pytest.mark.parametrize("words", [("status",), ("unlock", "--reason", "parcel")])
def test_without_a_service_the_daemon_is_unreachable(
    alone: Appliance, words: tuple[str, ...]
) -> None:
    told = alone.json(*words)
    assert (told.code, told.error["code"]) == (5, "daemon_unreachable")
    assert told.error["message"] == f"No service answers on {alone.folder / 'control.sock'}."
    assert "systemctl start appliance" in told.error["hint"]


def test_a_socket_that_nobody_serves_any_more_is_none(alone: Appliance) -> None:
    path = alone.folder / "control.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert alone.json("status").error["code"] == "daemon_unreachable"


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"],
)
def test_something_else_on_the_socket_is_told(alone: Appliance, answer: bytes) -> None:
    with answering(alone.folder / "control.sock", answer):
        told = alone.json("status")
    assert told.code == 5
    assert told.error["code"] in {"strange_answer", "connection_lost"}


@pytest.mark.parametrize("words", [("status",), ("enroll", "--name", "bob"), ("audit", "tail")])
def test_a_service_that_hangs_is_told_and_not_passed_by(
    alone: Appliance, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.control.client.STATUS_S", 0.2)
    with answering(alone.folder / "control.sock", None):
        told = alone.json(*words)
    assert (told.code, told.error["code"]) == (5, "no_answer")


def answering(path: Path, answer: bytes | None) -> ExitStack:
    """One connection is answered so, or never."""
    stack = ExitStack()
    listener = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection = stack.enter_context(closing(listener.accept()[0]))
        if answer is not None:
            connection.recv(65_536)
            connection.sendall(answer)
            with suppress(OSError):  # whoever asked has seen enough and the test is over
                connection.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    return stack


def test_the_status_loads_little(appliance: Appliance, running: FakeService) -> None:
    """A program that only asks starts quickly: it loads neither the vision nor the server."""
    code = (
        "import sys; from appliance.cli.main import run; "
        f"code = run(['--config', {str(appliance.config)!r}, 'status', '--json']); "
        "heavy = {'cv2', 'dlib', 'numpy', 'fastapi', 'starlette', 'uvicorn', 'httpx', 'anyio', "
        "'ai_edge_litert', 'cryptography', 'sqlite3'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=patient(60), check=False, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "[]\n")


# --- unlock -------------------------------------------------------------------------------


def test_unlocking(appliance: Appliance, running: FakeService) -> None:
    told = appliance.json("unlock", "--reason", " parcel ")
    assert told.data == {"done": True, "simulated": True, "pulse_s": 3.0, "record": 7}
    assert running.asked == [("unlock", "parcel")]
    said = appliance("unlock", "--reason", "parcel").out
    assert said == "The simulated door is released for 3 s (audit record 7).\n"


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "x" * 201])
def test_a_reason_that_says_nothing_is_wrong_usage(
    appliance: Appliance, running: FakeService, reason: str
) -> None:
    told = appliance.json("unlock", "--reason", reason)
    assert (told.code, told.error["code"]) == (2, "usage")
    assert running.asked == []


def test_unlocking_needs_a_reason(appliance: Appliance, running: FakeService) -> None:
    assert appliance.json("unlock").code == 2


def test_the_services_own_error_and_exit_code(appliance: Appliance, running: FakeService) -> None:
    running.raises = CameraError("The camera is gone.", hint="Plug it in.")
    told = appliance.json("unlock", "--reason", "parcel")
    assert told.code == 4
    assert told.error == {
        "code": "camera", "message": "The camera is gone.", "hint": "Plug it in.",
    }  # fmt: skip


# --- verify -------------------------------------------------------------------------------

VERDICT: dict[str, object] = {
    "name": "alice",
    "decision": "accept",
    "reason": "Welcome.",
    "similarity": 0.71234,
    "threshold": 0.4,
    "handicap": 0.0,
    "far": 1e-6,
    "far_is_bound": True,
    "target_far": 1e-5,
    "frames_used": 3,
    "liveness": {"state": "live", "score": 0.91, "basis": "appearance of 3 frames"},
    "faults": {},
    "timings_ms": {"total": 412.3},
}


@pytest.mark.parametrize("unlock", [False, True])
def test_verifying_at_the_services_camera(
    appliance: Appliance, running: FakeService, *, unlock: bool
) -> None:
    running.result = VERDICT
    told = appliance.json("verify", "--name", "alice", *(["--unlock"] if unlock else []))
    assert told.code == 0
    assert told.data == VERDICT
    assert told.err == "Come closer. (0 of 3 frames)\n"
    assert running.asked == [("status",), ("verify", "alice", unlock)]


def test_a_no_of_the_service(appliance: Appliance, running: FakeService) -> None:
    running.result = {**VERDICT, "decision": "reject", "reason": "The face was not recognised."}
    told = appliance("verify", "--name", "alice")
    assert told.code == 1
    assert told.out == (
        "reject  alice: The face was not recognised.\n"
        "  similarity 0.712, threshold 0.400 for a false-accept rate of 0.001 %; 0.0001 % or fewer "
        "of strangers come this close\n"
        "  3 frames used, liveness live 0.91 (appearance of 3 frames)\n"
        "  412 ms in all\n"
    )


def test_pictures_are_verified_without_the_service(
    enrolled: Appliance, running: FakeService
) -> None:
    assert enrolled.json("verify", "--name", "alice", "--from", OBAMA3).code == 0
    assert running.asked == []


def test_a_service_that_dies_in_the_middle_is_told(
    appliance: Appliance, running: FakeService
) -> None:
    running.raises_later = CameraError("It was unplugged.")
    told = appliance.json("verify", "--name", "alice")
    assert (told.code, told.error["message"]) == (4, "It was unplugged.")


def test_an_interrupted_command_gives_up_its_job(
    appliance: Appliance, running: FakeService
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hook() -> None:
        if running.asked[-1][0] == "verify":
            begun.set()
            assert go_on.wait(patient(20))

    running.hook = hook
    command = appliance.start("verify", "--name", "alice")
    try:
        assert begun.wait(patient(20))
        command.terminate()
        command.communicate(timeout=patient(20))
        assert command.returncode == 143
    finally:
        command.kill()
        go_on.set()
    assert running.given_up.wait(patient(5))
    assert running.running == 0


# --- enroll -------------------------------------------------------------------------------

ACCOUNT: dict[str, object] = {
    "name": "bob",
    "frames_used": 5,
    "frames_rejected": [{"source": "/dev/video0", "reason": "blurred"}],
    "template": {"model": "mobilefacenet", "fingerprint": "ab", "count": 5},
    "poses": {"straight": 3, "left": 1, "right": 1, "up": 0, "down": 0},
    "expected_frr": None,
    "looks_like": [],
    "before": None,
    "warnings": ["a warning."],
}


def test_enrolling_at_the_services_camera(appliance: Appliance, running: FakeService) -> None:
    running.result = ACCOUNT
    told = appliance.json("enroll", "--name", "bob", "--replace")
    assert (told.code, told.data) == (0, ACCOUNT)
    assert told.err == "Come closer. (0 of 3 frames)\nWarning: a warning.\n"
    assert running.asked == [("status",), ("enrol", "bob", True)]
    people = appliance("enroll", "--name", "bob").out.splitlines()
    assert people[0] == "Enrolled 'bob' from 5 frames with mobilefacenet."
    assert people[-2:] == ["Not used:", "  /dev/video0: blurred"]


def test_pictures_are_kept_by_the_service(appliance: Appliance, running: FakeService) -> None:
    likeness = {
        "name": "carol", "similarity": 0.8, "far": 1e-7, "accepted": True, "far_is_bound": True,
    }  # fmt: skip
    running.kept = {"look_alikes": [likeness]}
    told = appliance.json("enroll", "--name", "alice", "--from", OBAMA, "--from", OBAMA2)
    assert told.code == 0
    assert told.data["frames_used"] == 2
    assert [item["name"] for item in told.data["looks_like"]] == ["carol"]
    assert "this looks like 'carol', already enrolled" in told.err
    (status, (what, name, count, handicap, replace)) = running.asked
    assert (status, what, name, count, replace) == (("status",), "keep", "alice", 2, False)
    assert isinstance(handicap, float)
    # Nothing was written beside the service.
    assert not (appliance.state / "appliance.db").exists()


def test_the_service_may_refuse_what_pictures_made(
    appliance: Appliance, running: FakeService
) -> None:
    running.hook = lambda: setattr(running, "raises", None)
    refused = InputError("'alice' is enrolled already.", code="already_enrolled")

    def hook() -> None:
        running.raises = refused if running.asked[-1][0] == "keep" else None

    running.hook = hook
    told = appliance.json("enroll", "--name", "alice", "--from", OBAMA)
    assert (told.code, told.error["code"]) == (3, "already_enrolled")


def test_a_service_of_another_store_is_passed_by(enrolled: Appliance, running: FakeService) -> None:
    running.answer = STATUS  # another database
    assert enrolled.json("enroll", "--name", "bob", "--from", OBAMA3).code == 0
    assert {item["name"] for item in enrolled.json("people", "list").data["people"]} == {
        "alice", "bob",
    }  # fmt: skip
    assert {call[0] for call in running.asked} == {"status"}


def test_the_same_store_by_another_path_is_the_same(
    enrolled: Appliance, running: FakeService, tmp_path: Path
) -> None:
    (link := tmp_path / "link").symlink_to(enrolled.state)
    running.answer = STATUS.model_copy(update={"store": str(link / "appliance.db")})
    running.result = ACCOUNT
    assert enrolled.json("enroll", "--name", "bob").data == ACCOUNT


# --- audit --------------------------------------------------------------------------------


def test_the_audit_log_of_the_service(appliance: Appliance, running: FakeService) -> None:
    told = appliance.json("audit", "tail", "-n", "3")
    (record,) = told.data["records"]
    assert (record["number"], record["at"]) == (1, "2026-03-01T12:00:00+00:00")
    assert running.asked == [("status",), ("audit", 3)]


def test_the_audit_log_without_the_service(enrolled: Appliance) -> None:
    enrolled.configure(control={"socket": str(enrolled.folder / "control.sock")})
    assert enrolled.json("audit", "tail").data["records"][-1]["event"] == "enrolled"


def test_the_program_as_a_whole(appliance: Appliance, running: FakeService) -> None:
    done = subprocess.run(
        [*PROGRAM, "--config", str(appliance.config), "status", "--json"],
        capture_output=True, text=True, timeout=patient(60), check=False, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["state"] == "ok"
