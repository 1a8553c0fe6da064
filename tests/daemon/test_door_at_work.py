"""The service at a door with contact, button and tamper switch: what it does, tells and writes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.daemon.test_run import PATIENCE, Running, configure, service

DOOR = {
    "driver": "simulated",
    "pulse_s": 20,
    "contact_pin": 4,
    "request_to_exit_pin": 5,
    "tamper_pin": 6,
}


def stand(running: Running, **readings: object) -> None:
    """Bring the contacts into this position, all at once."""
    new = running.folder / "state" / "new"
    new.write_text(json.dumps(readings), encoding="utf-8")
    new.replace(running.folder / "state" / "simulated-inputs.json")


def until(running: Running, state: str, *alarms: str) -> None:
    """Wait until the door stands like this."""
    deadline, seen = time.monotonic() + PATIENCE, {}
    while time.monotonic() < deadline:
        seen = running.status()["door"]
        if (seen["state"], sorted(seen["alarms"])) == (state, sorted(alarms)):
            return
        time.sleep(0.02)
    raise AssertionError(f"the door is not {state} {alarms}: {seen}")


def audit(running: Running) -> list[tuple[str, object]]:
    records = running.ask("GET", "/v1/audit").json()["records"]
    return [
        (it["event"], it["detail"].get("kind")) for it in records if it["event"] != "checkpoint"
    ]


def test_a_day_at_the_door(tmp_path: Path) -> None:
    configure(tmp_path, door=DOOR)
    with service(tmp_path) as running:
        running.hears("READY=1")
        until(running, "locked")
        assert running.status()["door"]["contact"] == "closed"
        # Somebody leaves by the button, and the door locks behind them.
        stand(running, request_to_exit=True)
        until(running, "unlocked")
        stand(running, contact="open")
        until(running, "open")
        stand(running)
        until(running, "locked")
        # Somebody breaks in, later than an opening is believed to be the first one's.
        time.sleep(0.7)
        stand(running, contact="open", tamper=True)
        until(running, "forced", "forced", "tamper")
        stand(running)
        until(running, "locked")
        # A keeper lets somebody in.
        number = running.ask("POST", "/v1/unlock", reason="parcel").json()["record"]
        until(running, "unlocked")
        stand(running, contact="open")
        until(running, "open")
        stand(running)
        until(running, "locked")
        deadline = time.monotonic() + PATIENCE
        while len(audit(running)) < 6 and time.monotonic() < deadline:
            time.sleep(0.05)  # written by a thread that may wait
        written = audit(running)
        running.process.send_signal(signal.SIGTERM)
        assert running.ends()[0] == 0
        assert running.lock_history == [
            ("locked", "start"),
            ("locked", "door start"),
            ("unlocked", "request_to_exit"),
            ("locked", "door closed"),
            ("unlocked", f"unlock #{number}"),
            ("locked", "door closed"),
            ("locked", "shutdown"),
            ("locked", "close"),
        ]
        assert sorted(written, key=str) == [
            ("alarm", "forced"),
            ("alarm", "tamper"),
            ("alarm_over", "forced"),
            ("alarm_over", "tamper"),
            ("request_to_exit", None),
            ("unlock", None),
        ]
