"""kill -9 at random moments under load, and what is left each time."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.errors import ApplianceError
from tests.faults import invariants
from tests.faults.rig import Command, Rig

# Where the service stood when it was killed, by what its lock had been told.
STARTING = "starting, before its first command"
LOCKED = "locked"
RECORDED = "record written, not yet released"
IN_A_PULSE = "inside a pulse"
ENDING = "ending after SIGTERM"
RELOADING = "reading the config anew"
STATES = (STARTING, LOCKED, RECORDED, IN_A_PULSE, ENDING, RELOADING)

# How kills are spread over a service's life.
_BEFORE_READY, _AFTER_SIGTERM, _AFTER_SIGHUP = 0.25, 0.05, 0.05
_LONGEST_START_S, _LONGEST_LIFE_S, _LONGEST_END_S = 0.8, 1.0, 0.4
_ALARMING = ("Traceback", "lock_failed", "died")
# The whole chain and file are looked at after each of so many kills, and at the end.
_FULL_CHECK_EVERY = 20


@dataclass
class Tally:
    """What came of it. left_energised_s: how long a relay stayed so after a kill, at most."""

    kills: Counter[str] = field(default_factory=Counter)
    releases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    left_energised_s: list[float] = field(default_factory=list)
    helper_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take another rig's tally in."""
        self.kills += other.kills
        self.releases += other.releases
        self.answers += other.answers
        self.left_energised_s += other.left_energised_s
        self.helper_s += other.helper_s
        self.complaints += other.complaints


def to_json(tally: Tally) -> str:
    """For another process."""
    return json.dumps(
        {key: dict(it) if isinstance(it, Counter) else it for key, it in vars(tally).items()}
    )


def from_json(text: str) -> Tally:
    """What `to_json` wrote."""
    tally = Tally(**json.loads(text))
    tally.kills, tally.answers = Counter(tally.kills), Counter(tally.answers)
    return tally


def campaign(rig: Rig, kills: int, seed: int, told: Callable[[int], None]) -> Tally:
    """Start, load and kill the service so many times. told: hears after how many it stands."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - moments, no secrets
    for number in range(1, kills + 1):
        _one(rig, chance, tally)
        if number % _FULL_CHECK_EVERY == 0 or number == kills:
            tally.complaints += invariants.complaints(rig)
        told(number)
        if tally.complaints:
            break
    # It still serves: a start, a release, an orderly end.
    rig.up()
    rig.client.unlock("after the campaign")
    if (code := rig.stop()) != 0:
        tally.complaints.append(f"an orderly end gave the code {code}")
    tally.complaints += invariants.complaints(rig)
    # What was killed has not failed: nobody is to be alarmed.
    tally.complaints += [f"the log tells of {it}" for it in _ALARMING if it in rig.log()]
    tally.releases = sum(it.state == invariants.UNLOCKED for it in rig.commands())
    return tally


def _one(rig: Rig, chance: random.Random, tally: Tally) -> None:
    before = len(rig.commands())
    pid, doing = rig.start(), ""
    with load(rig, chance.random(), tally):
        doing = _live(rig, chance)
        killed = rig.kill()
    commands = rig.commands()[before:]
    tally.kills[doing or _stood(rig, commands, pid)] += 1
    tally.complaints += invariants.unfinished(rig.commands())
    if commands and commands[-1].state == invariants.UNLOCKED and chance.random() < 0.5:
        _after(rig, killed, tally)


def _live(rig: Rig, chance: random.Random) -> str:
    """Let the service live for a random time; what it was doing, where the journal cannot tell."""
    if chance.random() < _BEFORE_READY:
        time.sleep(chance.uniform(0, _LONGEST_START_S))
        return ""
    rig.wait_until_ready()
    time.sleep(chance.uniform(0, _LONGEST_LIFE_S))
    fate = chance.random()
    if fate > _AFTER_SIGTERM + _AFTER_SIGHUP:
        return ""
    ending = fate < _AFTER_SIGTERM
    rig.signal(signal.SIGTERM if ending else signal.SIGHUP)
    time.sleep(chance.uniform(0, _LONGEST_END_S))
    return ENDING if ending else RELOADING


def _stood(rig: Rig, commands: list[Command], pid: int) -> str:
    own = [command for command in commands if command.pid == pid]
    if not own:
        return STARTING
    if own[-1].state == invariants.UNLOCKED:
        return IN_A_PULSE
    with rig.store() as store:
        records = store.audit.tail(1)
    released = {command.cause for command in own}
    for record in records:
        # The next start would have found it, had it been released before the kill.
        fresh = record.at > own[-1].wall and f"{record.event} #{record.number}" not in released
        if fresh and record.event in {"unlock", "access_granted"}:
            return RECORDED
    return LOCKED


def _after(rig: Rig, killed: float, tally: Tally) -> None:
    """As under systemd: the helper runs at once. Otherwise the next start has to lock."""
    began = time.monotonic()
    done = rig.lockdown()
    tally.helper_s.append(time.monotonic() - began)
    if done.returncode != 0:
        tally.complaints.append(f"the helper ended with {done.returncode}: {done.stderr}")
    locked = [it.at for it in rig.commands() if it.at > killed and it.state == "locked"]
    if locked:
        tally.left_energised_s.append(locked[0] - killed)
    else:
        tally.complaints.append("the helper did not lock")


@contextmanager
def load(rig: Rig, seed: float, tally: Tally) -> Iterator[None]:
    """People and programs that want something of the service all the time."""
    ending = threading.Event()
    asks: list[Callable[[], object]] = [
        lambda: rig.client.unlock("load"),
        rig.client.status,
        lambda: rig.client.audit(20),
        lambda: [None for _ in rig.client.verify("alice", unlock=True)],
        lambda: [None for _ in rig.client.verify("nobody", unlock=False)],
    ]

    def work(number: int) -> None:
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - likewise
        while not ending.wait(chance.uniform(0, 0.1)):
            ask = chance.choice(asks) if number else asks[0]
            answer = "answered"
            try:
                ask()
            except ApplianceError as error:
                answer = error.code
            tally.answers[answer] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join()
