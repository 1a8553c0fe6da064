"""Code and PIN at the door of a running service: the keeper's, and the one that calls for help."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance import assemble
from appliance.access import Permission
from appliance.claims import pin
from appliance.config import load
from appliance.daemon.beats import Beats
from appliance.daemon.house import House
from appliance.hardware.clock import SystemClock
from appliance.matching import make_template
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Embedding, PinCost, PinSalt, Trouble, TroubleKind
from tests.cli.runs import write_config
from tests.daemon.test_run import STRETCHED, Running, service
from tests.patience import patient
from tests.toys import ALICE, FINGERPRINT, MODEL, toy_perception, vector_of

# Seconds. A busy machine is given time; nothing here says how long it takes.
PATIENCE = patient(20.0)
CHEAP = PinCost(memory_kib=64, passes=1, lanes=1)
PIN, DURESS, WRONG = "928374", "827364", "111199"
CODES = {"alice": "4711", "bob": "4722", "carol": "4733"}
# Bob is no keeper, and Carol was one.
PERMISSIONS = {
    "alice": Permission(keeper=True),
    "bob": Permission(),
    "carol": Permission(keeper=True, expires=datetime(2025, 1, 1)),  # noqa: DTZ001 - the door's own
}


class Wall:
    """What somebody at the door can do, hear and see, and what the lock was told."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state"

    def types(self, name: str, typed: str) -> None:
        """Code and PIN, with Enter after each."""
        pipe = self._state / "simulated-keys"
        until(pipe.is_fifo)
        pipe.write_text(f"{CODES[name]}\n{typed}\n", encoding="utf-8")

    @property
    def shown(self) -> list[tuple[str, Any]]:
        """What lamps and buzzer were to do, in order."""
        notes = _lines(self._state / "simulated-indicators.jsonl")
        return [(note["what"], note["patterns"]) for note in notes]

    @property
    def refusals(self) -> int:
        return sum(what == "play" and "denied_led" in patterns for what, patterns in self.shown)

    @property
    def openings(self) -> list[dict[str, Any]]:
        return [it for it in self._lock if it["state"] == "unlocked"]

    def opened(self, times: int) -> bool:
        """So often, and locked again."""
        return len(self.openings) == times and self._lock[-1]["state"] == "locked"

    def refused(self, times: int) -> bool:
        """So often."""
        return self.refusals == times

    @property
    def _lock(self) -> list[dict[str, Any]]:
        return _lines(self._state / "simulated-lock.jsonl")


def _sorted(shown: list[tuple[str, Any]]) -> list[str]:
    """Whatever the order in which two threads told of it."""
    return sorted(map(json.dumps, shown))


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def at_rest(wall: Wall) -> list[tuple[str, Any]]:
    """What was shown until nothing more came for a while."""
    seen, since = wall.shown, time.monotonic()
    while time.monotonic() - since < 0.3:
        time.sleep(0.02)
        if wall.shown != seen:
            seen, since = wall.shown, time.monotonic()
    return seen


def furnish(folder: Path) -> None:
    """A door with a keypad and three people, and a camera that does not exist."""
    write_config(
        folder / "config.yaml",
        folder / "state",
        camera={"driver": "v4l2", "source": str(folder / "video9")},
        control={"socket": "control.sock"},
        claims={"sources": ["keypad"], "keypad": "simulated"},
    )
    state = folder / "state"
    place = StoreLocation(state / "appliance.db", state / "template.key")
    vectors = [Embedding(vector_of(ALICE, seed), FINGERPRINT) for seed in range(5)]
    with Store.open(place, SystemClock()) as store:
        for number, (name, code) in enumerate(CODES.items()):
            salt = PinSalt(bytes([number]) * 16, CHEAP)
            store.people.add(name, make_template(vectors, MODEL))
            store.permissions.put(name, PERMISSIONS[name])
            store.credentials.add(name, "code", code)
            store.credentials.keep_pin(name, salt, pin.digest(PIN, salt))
            store.credentials.keep_duress_pin(name, pin.digest(DURESS, salt))


# --- the whole service --------------------------------------------------------------------


@contextmanager
def events(running: Running) -> Iterator[list[dict[str, Any]]]:
    """What the service tells those who listen, from now until it is ended behind the block."""
    heard: list[dict[str, Any]] = []
    transport = httpx.HTTPTransport(uds=str(running.folder / "control.sock"))
    with (
        httpx.Client(transport=transport, base_url="http://appliance", timeout=PATIENCE) as client,
        client.stream("GET", "/v1/events") as stream,
    ):
        told = map(json.loads, stream.iter_lines())
        listener = threading.Thread(target=heard.extend, args=(told,))
        listener.start()
        try:
            yield heard
        finally:  # the end of the service is the end of the stream
            running.process.send_signal(signal.SIGTERM)
            listener.join(PATIENCE)


def test_a_keeper_enters_by_pin_while_the_camera_is_gone_and_a_duress_pin_calls_for_help(
    tmp_path: Path,
) -> None:
    furnish(tmp_path)
    script = tmp_path / "soon.py"
    # The very program; how long a camera must have been gone is tried below.
    script.write_text(
        "import sys\n"
        f"{STRETCHED}"
        "from appliance.daemon import house\n"
        "house.BLIND_FOR_S = 0\n"
        "from appliance.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    wall = Wall(tmp_path)
    with service(tmp_path, script) as running:
        running.hears("READY=1")
        until(lambda: "video9" in (running.status()["camera"]["trouble"] or ""))
        with events(running) as heard:
            before = len(at_rest(wall))
            wall.types("alice", PIN)
            until(lambda: wall.opened(1))
            usual = at_rest(wall)[before:]
            wall.types("alice", DURESS)
            until(lambda: wall.opened(2))
            forced = at_rest(wall)[before + len(usual) :]
            refused = [("bob", PIN), ("carol", PIN), ("alice", WRONG)]
            for number, (name, typed) in enumerate(refused, 1):
                wall.types(name, typed)
                until(partial(wall.refused, number))
            records = running.ask("GET", "/v1/audit").json()["records"]
        code, log = running.ends()
    assert (code, "Traceback" in log) == (0, False)
    assert wall.opened(2)
    # The record stands before the pulse.
    unlocks = [it for it in records if it["event"] == "keeper_unlock"]
    assert [it["subject"] for it in unlocks] == ["alice", "alice"]
    causes = [f"keeper_unlock #{it['number']}" for it in unlocks]
    assert [it["cause"] for it in wall.openings] == causes
    # A duress PIN looks and sounds like the other, and is heard elsewhere.
    assert _sorted(usual) == _sorted(forced)
    assert any("granted_led" in patterns for _, patterns in usual)
    assert [it["subject"] for it in records if it["event"] == "duress"] == ["alice"]
    assert [it["alarm"] for it in heard if it["kind"] == "alarm"] == ["duress"]


# --- what a camera may have --------------------------------------------------------------


class Troubled:
    """A camera with a trouble that it has had for so many seconds."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self.trouble = Trouble(TroubleKind.STARTING, "It is being opened.", 0.0)

    def has(self, kind: TroubleKind, seconds: float) -> Trouble:
        self.trouble = Trouble(kind, "It is not well.", SystemClock().monotonic() - seconds)
        return self.trouble

    def pace(self, fps: float | None) -> None:
        """It has none."""

    def sights(self) -> Iterator[Trouble]:
        while not self._closed.wait(0.01):
            yield self.trouble

    def close(self) -> None:
        self._closed.set()


def test_only_a_camera_that_is_out_of_order_for_a_while_makes_a_keepers_pin_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path)
    config, clock, camera = load(tmp_path / "config.yaml"), SystemClock(), Troubled()
    monkeypatch.setattr(assemble, "watch", lambda _: camera)
    wall = Wall(tmp_path)
    with ExitStack() as stack:
        store = stack.enter_context(assemble.store(config))
        house = House(
            config,
            store,
            clock,
            Beats(clock),
            told=lambda *_: None,
            changed=lambda _: None,
            call=lambda *_: None,
            failed=lambda *_: None,
        )
        stack.callback(house.close)
        vigil = house.prepare(toy_perception(clock)).open().vigil
        assert vigil is not None

        def outcome(kind: TroubleKind, seconds: float) -> str:
            """What becomes of Alice's PIN while the camera has been like this for so long."""
            until(lambda: not vigil.busy)
            trouble = camera.has(kind, seconds)
            until(lambda: vigil.trouble == trouble)
            openings, refusals = len(wall.openings), wall.refusals
            wall.types("alice", PIN)
            until(lambda: len(wall.openings) > openings or wall.refusals > refusals)
            return "opens" if len(wall.openings) > openings else "refused"

        kinds = [*TroubleKind]
        assert {kind: outcome(kind, 60) for kind in kinds if kind is not TroubleKind.STARTING} == {
            TroubleKind.LOST: "opens",
            TroubleKind.FROZEN: "opens",
            TroubleKind.DARK: "refused",  # a hand over the lens
            TroubleKind.COVERED: "refused",
            TroubleKind.OVEREXPOSED: "refused",
            TroubleKind.WRONG_SIZE: "refused",
        }
        # Somebody pulls the cable, and types.
        assert outcome(TroubleKind.LOST, 1) == "refused"
        events = [record.event for record in store.audit.tail(20)]
    assert events.count("keeper_unlock") == len(wall.openings) == 2
