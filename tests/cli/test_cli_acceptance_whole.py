"""A whole acceptance of a simulated door with the real service: somebody does what is asked."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from appliance import assemble
from appliance.acceptance.course import Begin, Script
from appliance.acceptance.plan import STEPS
from appliance.acceptance.values import Result, Step
from appliance.cli import acceptance_probes
from appliance.cli.main import run
from appliance.config import Config
from appliance.demo import paper
from appliance.demo.cameras import PrintCamera
from appliance.hardware.clock import SystemClock
from appliance.inspection.systemd import Systemd
from appliance.types import Pixels
from tests.cli.runs import PICTURES
from tests.faults.rig import Rig

pytestmark = pytest.mark.slow

RECORDING = PICTURES / "single_face.mp4"
# As large as the recording: a camera whose picture changes its size is a fault.
WALL = np.full((360, 640, 3), 128, np.uint8)
WATCHDOG_S = 4.0
PATIENCE_S = 60.0
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "door": {
        "pulse_s": 1.5,
        "contact_pin": 4,
        "request_to_exit_pin": 5,
        "tamper_pin": 6,
        "held_open_s": 1.0,
    },
    "feedback": {"ready_led_pin": 7},
    "claims": {"sources": ["keypad"], "keypad": "simulated"},
    "liveness": {"profile": "standard"},
    # A busy machine sees few frames a second.
    "verification": {"cool_down_s": 0, "frame_interval_s": 0, "timeout_s": 25},
}
# Who is before the camera from which step on, and how long a round of a recording takes.
BEFORE_THE_CAMERA = {
    "stranger": "stranger.avi",
    "photo": "print.avi",
    "claim_keypad": "alice.avi",
}
A_ROUND_S = 6.0
MOST_TRIES = 6
YES = {"consent": True, "answer": True}
ANSWERS: Mapping[str, object] = {
    **dict.fromkeys(("network", "doctor", "exit_without_software", "lamps", "stays_shut"), True),
    **{step: {"consent": True} for step in ("service_stopped", "claim_keypad", "exit_button")},
    **{step: {"consent": True} for step in ("held_open", "watchdog")},
    **dict.fromkeys(("pulse", "strike", "kill"), YES),
    **dict.fromkeys(("boot", "shut_without_power", "way_out_without_power"), True),
}


class Stood(Systemd):
    """Stands for systemd: starts the program again, and runs the helper after each of its ends.

    One thread listens to what the program tells, as long as it is to run.
    """

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._rig = rig
        self._wanted = threading.Event()
        self._done = threading.Event()
        self._helper: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    @property
    def there(self) -> bool:
        return True

    def is_enabled(self) -> bool | None:
        return True

    def watchdog_s(self) -> float | None:
        return WATCHDOG_S

    def helper_said(self, since_s: float) -> tuple[float, str] | None:
        return next((it for it in self._helper if it[0] >= since_s), None)

    def start(self) -> bool:
        self._wanted.set()
        return True

    def stop(self) -> bool:
        self._wanted.clear()
        while self._rig.runs:
            time.sleep(0.02)
        return True

    def end(self) -> None:
        self._done.set()
        self._wanted.clear()
        self._thread.join(PATIENCE_S)

    def _keep(self) -> None:
        while not self._done.is_set():
            if self._wanted.wait(0.05):
                self._rig.up(WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
                self._listen()
                said = self._rig.lockdown().stderr
                self._helper.append((time.monotonic(), said))

    def _listen(self) -> None:
        heard = time.monotonic()
        while self._rig.runs:
            if "WATCHDOG=1" in self._rig.heard():
                heard = time.monotonic()
            if not self._wanted.is_set():
                self._rig.stop()
            elif time.monotonic() - heard > WATCHDOG_S:
                self._rig.kill()
            time.sleep(0.02)


class Hands:
    """Does at the door what each step asks for: watches which step is being told of."""

    def __init__(self, rig: Rig, code: str) -> None:
        self._rig = rig
        self._code = code
        self._done = threading.Event()
        self._deeds: Mapping[str, Callable[[], None]] = {
            "contact": self._through,
            "claim_keypad": self._types,
            "exit_button": self._presses,
            "forced": self._through,
            "held_open": self._holds,
            "tamper": self._opens_the_case,
        }
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._done.set()
        self._thread.join(PATIENCE_S)

    def position(self, **readings: object) -> None:
        new = self._rig.state / "new"
        new.write_text(json.dumps(readings), encoding="utf-8")
        new.replace(self._rig.state / "simulated-inputs.json")

    def _work(self) -> None:
        before = ""
        while not self._done.wait(0.05):
            step = self._step()
            if step != before:
                before = step
                self._deeds.get(step, lambda: None)()

    def _step(self) -> str:
        """The first step of the plan that is not decided."""
        try:
            text = (self._rig.state / "acceptance.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        done = json.loads(text)["results"]
        return next((step.key for step in STEPS if step.key not in done), "")

    def prepare(self, step: Step) -> None:
        """Have the right one stand before the camera before a step begins."""
        recording = BEFORE_THE_CAMERA.get(step.key)
        if recording is not None:
            self._plays(recording)
            time.sleep(A_ROUND_S)

    def _plays(self, recording: str) -> None:
        """Something else is before the camera, from the next round of the recording on."""
        new = self._rig.folder / "new.avi"
        shutil.copy(self._rig.folder / recording, new)
        new.replace(self._rig.folder / "door.avi")

    def _through(self) -> None:
        time.sleep(1.0)
        self.position(contact="open")
        time.sleep(1.0)
        self.position(contact="closed")

    def _types(self) -> None:
        time.sleep(A_ROUND_S + 3.0)  # whose code it is must be there first
        with (self._rig.state / "simulated-keys").open("w", encoding="ascii") as keys:
            keys.write(f"{self._code}\n")

    def _presses(self) -> None:
        time.sleep(2.5)
        self.position(request_to_exit=True)
        time.sleep(0.3)
        self.position(request_to_exit=False)
        time.sleep(2.5)  # what was released is over before the door is forced

    def _holds(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while self._rig.commands()[-1].state != "unlocked" and time.monotonic() < end:
            time.sleep(0.05)
        self.position(contact="open")
        time.sleep(4.0)
        self.position(contact="closed")

    def _opens_the_case(self) -> None:
        time.sleep(1.0)
        self.position(tamper=True)
        time.sleep(1.0)
        self.position(tamper=False)


@pytest.fixture
def whole(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Rig, Path]]:
    """A door with everything, alice who is enrolled with a code, and somebody at the door."""
    rig = Rig(tmp_path, SETTINGS)
    base = ["--config", str(rig.config)]
    assert run([*base, "enroll", "--name", "alice", "--from", str(RECORDING)]) == 0
    shutil.copy(RECORDING, tmp_path / "alice.avi")
    shutil.copy(RECORDING, tmp_path / "door.avi")
    turning = data / "clips" / "head-pose-face-detection-female.gif"
    write_video_of(tmp_path / "stranger.avi", [_as_large(it) for it in pictures_of(turning)])
    held_up(tmp_path / "print.avi")
    code = "4711"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{code}\n".encode())))
    assert run([*base, "people", "code", "alice", "--stdin"]) == 0
    boot = tmp_path / "boot_id"
    boot.write_text("first")
    # No time server has ever answered here.
    clock = partial(SystemClock, boot_id=boot, synchronized=tmp_path / "no", in_step=lambda: False)
    monkeypatch.setattr(assemble, "clock", clock)
    systemd = Stood(rig)
    monkeypatch.setattr(acceptance_probes, "Systemd", lambda: systemd)
    hands = Hands(rig, code)
    ready = Script.ready

    def takes_their_time(script: Script, step: Step) -> Begin:
        hands.prepare(step)
        return ready(script, step)

    monkeypatch.setattr(Script, "ready", takes_their_time)
    # A looped recording is at times found out, and somebody real would try again as well.
    tries = Counter[str]()

    def tries_again(_script: Script, step: Step, _result: Result) -> bool:
        tries[step.key] += 1
        return step.key in {"known_person", "stranger"} and tries[step.key] < MOST_TRIES

    monkeypatch.setattr(Script, "again", tries_again)
    yield rig, boot
    hands.end()
    systemd.end()
    rig.close()


def held_up(path: Path) -> None:
    """Alice on paper, in a moving hand."""
    with closing(assemble.file_camera([RECORDING])) as files:
        frame = next(iter(files.frames()))
    (face, *_) = assemble.perception(Config(), liveness=False).search(frame)
    with closing(PrintCamera(frame.bgr, face.box, WALL, "print")) as camera:
        write_video_of(path, [it.bgr for it in camera.frames()])


def pictures_of(recording: Path) -> list[Pixels]:
    with closing(assemble.file_camera([recording])) as files:
        return [frame.bgr for frame in islice(files.frames(), 60)]


def _as_large(picture: Pixels) -> Pixels:
    return np.asarray(cv2.resize(picture, WALL.shape[1::-1]), np.uint8)


def write_video_of(path: Path, pictures: list[Pixels]) -> None:
    height, width = pictures[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, paper.FPS, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()


def carried_out(rig: Rig, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    file = rig.folder / "answers.yaml"
    file.write_text(json.dumps({**ANSWERS}), encoding="utf-8")
    capsys.readouterr()
    given = ["--answers", str(file), "--name", "alice", "--out", str(rig.folder / "report")]
    code = run(
        ["--config", str(rig.config), "--json", "acceptance", *given, "--wait", "30", *words]
    )
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_everything_is_tried_and_accepted(
    whole: tuple[Rig, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rig, boot = whole
    code, data, said = carried_out(rig, capsys)
    assert (code, data["outcome"], data["open"][0]) == (1, "unfinished", "boot"), said
    for start in ("second", "third"):
        boot.write_text(start)
        code, data, said = carried_out(rig, capsys, "--resume")
    assert {it["key"]: it["reason"] for it in data["steps"] if it["status"] == "failed"} == {}
    assert (code, data["outcome"]) == (0, "accepted"), said
    steps = facts_of(Path(data["report"]))
    assert 1.25 <= steps["pulse"]["measured_s"] <= 1.75
    assert steps["contact"]["seen"] == ["closed", "open", "closed"]
    assert steps["known_person"]["decision"] == "accept"
    assert steps["stranger"]["decision"] == "reject"
    assert steps["photo"]["decision"] in {"spoof", "timeout", "poor_quality"}
    assert steps["photo"]["liveness"]["state"] != "live"
    assert steps["kill"]["off_after_s"] <= 1.0
    assert steps["kill"]["helper"] is True
    assert steps["watchdog"]["back_after_s"] >= WATCHDOG_S / 2
    assert steps["boot"]["released"] == []
    assert "alice" not in Path(data["report"]).read_text(encoding="utf-8")
    keep = os.environ.get("KEEP_ACCEPTANCE")
    if keep:  # for the example of docs/acceptance.md
        for name in ("report", "page"):
            Path(keep, Path(data[name]).name).write_bytes(Path(data[name]).read_bytes())


def facts_of(file: Path) -> dict[str, dict[str, Any]]:
    steps = json.loads(file.read_text(encoding="utf-8"))["report"]["steps"]
    assert {it["status"] for it in steps} == {"passed", "not_applicable"}
    return {it["key"]: it["facts"] for it in steps}
