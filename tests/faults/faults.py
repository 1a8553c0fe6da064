"""The faults, each on a service that runs: what is broken, what must still hold, and mending it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from appliance.control.words import Result
from appliance.errors import ApplianceError
from tests import patience
from tests.emulation import forgets_threads
from tests.faults import breakers, invariants
from tests.faults.breakers import Switches
from tests.faults.outcome import Outcome
from tests.faults.rig import END_S, POLL_S, Rig, copied

YEAR_S = 365.25 * 86_400
# Nobody stands at the door by himself: what is released was asked for.
QUIET: Mapping[str, Mapping[str, object]] = {"claims": {"sources": []}}
# A service may forget so much while it is misused, in MB: caches fill once.
GROWTH_MB = 12.0


class NotSurvivedError(AssertionError):
    """What did not hold."""


def check(holds: object, sentence: str) -> None:
    """NotSurvivedError with the sentence unless it holds."""
    if not holds:
        raise NotSurvivedError(sentence)


class Patient:
    """A service with breakers in it, and the questions that every fault ends with."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.switches = Switches(folder)
        self.rig = Rig(folder, QUIET, breakable=True)
        self.environment = {
            "FAULTS": str(folder),
            "FAULTS_VISION_WITHIN_S": f"{patience.patient(3.0):g}",
            "FAULTS_FIRST_WAIT_S": "0.05",
            **environment,
        }

    def up(self) -> int:
        """Start it and wait until it serves."""
        return self.rig.up(**self.environment)

    def released(self) -> int:
        """How often the door was released so far."""
        return sum(it.state == invariants.UNLOCKED for it in self.rig.commands())

    def refusal(self) -> str:
        """The code with which an unlock is refused; empty when the door was released."""
        try:
            self.rig.client.unlock("a fault is tried")
        except ApplianceError as error:
            return error.code
        return ""

    def decision(self) -> str:
        """What an attempt at the door comes to: a decision, or an error's code."""
        end = time.monotonic() + END_S
        while True:
            try:
                events = list(self.rig.client.verify("alice", unlock=True))
            except ApplianceError as error:
                # The one before has been told its result, and its pulse still runs.
                if error.code == "device_busy" and time.monotonic() < end:
                    time.sleep(POLL_S)
                    continue
                return error.code
            (result,) = [event for event in events if isinstance(event, Result)]
            return str(result.data["decision"])

    def attempt(self) -> socket.socket:
        """Have an attempt begin, without waiting for anything of it."""
        body = b'{"name": "alice"}'
        head = f"POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(str(self.rig.client.path))
        client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        return client

    def rest(self) -> None:
        """Until no pulse runs."""
        self.rig.wait_for(lambda: self.rig.client.status().door.state == "locked", "rest")

    def serves(self) -> None:
        """It lives, releases the door when it may, and a face is let in."""
        check(self.rig.runs, "the service ended")
        self.rig.wait_for(lambda: self.refusal() == "", "a release", within_s=15)
        self.rest()
        self.rig.wait_for(lambda: self.decision() == "accept", "an accepted face", within_s=30)
        self.rest()

    def ends_well(self) -> None:
        """SIGTERM ends it in good order, and what it leaves is whole."""
        runs = self.rig.runs
        code = self.rig.stop()
        check(runs, f"it had ended with {code}: {self._last_words()}")
        check(code == 0, f"SIGTERM ended it with {code}: {self._last_words()}")
        wrong = invariants.complaints(self.rig)
        check(not wrong, "; ".join(wrong))

    def _last_words(self) -> str:
        return " / ".join(self.rig.log().splitlines()[-3:])


@contextmanager
def patient(furnished: Path, folder: Path, name: str, **environment: str) -> Iterator[Patient]:
    """A running one, which must end in good order with a store that is whole."""
    one = Patient(copied(furnished, folder / name), **environment)
    with closing(one.rig):
        one.up()
        yield one
        one.ends_well()


def clock_jumps(one: Patient, trials: int) -> str:
    """An hour and ten years, forth and back, and 1970."""
    since_1970 = time.time()
    jumps = (3600.0, -3600.0, 10 * YEAR_S, -10 * YEAR_S, -since_1970, 0.0)
    for number in range(trials):
        one.switches.set(breakers.CLOCK, str(jumps[number % len(jumps)]))
        check(one.refusal() == "", "no release after the clock jumped")
        one.rest()
        decision = one.decision()
        check(decision == "accept", f"an attempt after the clock jumped came to {decision}")
        one.rest()
    one.switches.mend(breakers.CLOCK)
    return "releases and attempts as before; pulses end on the clock that cannot jump"


def unplugged(one: Patient, trials: int) -> str:
    """The camera goes and comes back."""
    rig = one.rig
    before = rig.descriptors()
    for _ in range(trials):
        one.switches.set(breakers.UNPLUGGED)
        rig.wait_for(lambda: rig.client.status().camera.trouble, "trouble", within_s=15)
        one.switches.mend(breakers.UNPLUGGED)
        rig.wait_for(lambda: not rig.client.status().camera.trouble, "a picture", within_s=15)
    check(rig.descriptors() <= before + 5, f"{before} open files became {rig.descriptors()}")
    check(one.decision() == "accept", "nobody was let in after the camera was back")
    one.rest()
    return "told each time, and seen again each time; no file left open"


def unplugged_in_an_attempt(one: Patient, _trials: int) -> str:
    """Nobody is let in without a camera, and a command still opens."""
    one.switches.set(breakers.UNPLUGGED)
    one.rig.wait_for(lambda: one.rig.client.status().camera.trouble, "trouble", within_s=15)
    released = one.released()
    check(one.decision() != "accept", "somebody was let in without a camera")
    check(one.released() == released, "the door was released without a camera")
    check(one.refusal() == "", "no release by command without a camera")
    one.rest()
    one.switches.mend(breakers.UNPLUGGED)
    return "no attempt succeeds; a command with a reason still opens"


def wrong_size(one: Patient, _trials: int) -> str:
    """Every frame has another size."""
    one.switches.set(breakers.SIZES)
    decisions = {one.decision() for _ in range(2)}
    one.rest()
    one.switches.mend(breakers.SIZES)
    check("accept" not in decisions, "somebody was let in by frames of changing sizes")
    return f"attempts end in {', '.join(sorted(decisions))}"


def stage_raises(one: Patient, trials: int) -> str:
    """The embedder raises; fewer times in a row than end the service."""
    for _ in range(trials):
        one.switches.set(breakers.RAISES)
        released = one.released()
        decisions = {one.decision() for _ in range(3)}
        one.switches.mend(breakers.RAISES)
        check("accept" not in decisions, "somebody was let in by a stage that raised")
        check(one.released() == released, "the door was released by a stage that raised")
        check(one.rig.commands()[-1].state == "locked", "the door is not locked")
        check(one.decision() == "accept", "nobody was let in after the stage was mended")
        one.rest()
    check("a stage raises" in one.rig.log(), "the log says nothing of it")
    return "three attempts in a row end locked and are logged; the fourth lets in"


def database_locked(one: Patient, trials: int) -> str:
    """Another process holds the database."""
    for _ in range(trials):
        released = one.released()
        with closing(sqlite3.connect(one.rig.state / "appliance.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            code = one.refusal()
            check(code == "locked", f"an unlock without a record was answered {code!r}")
            other.execute("ROLLBACK")
        check(one.released() == released, "the door was released without a record")
        check(one.refusal() == "", "no release after the database was free")
        one.rest()
    return "no release without a record; one as soon as the database is free"


def rubbish_reload(one: Patient, trials: int) -> str:
    """The config is replaced by rubbish, then read anew."""
    good = one.rig.config.read_text(encoding="utf-8")
    for number in range(trials):
        refused = _refusals(one.rig)
        one.rig.config.write_bytes(_RUBBISH[number % len(_RUBBISH)])
        one.rig.signal(signal.SIGHUP)
        one.rig.wait_for(lambda: _refusals(one.rig) > refused, "the refusal")  # noqa: B023 - waited for here
        check(one.refusal() == "", "the old configuration does not serve")
        one.rest()
    one.rig.config.write_text(good, encoding="utf-8")
    one.rig.client.reload()
    return "refused each time, the old one serves on"


def _refusals(rig: Rig) -> int:
    return rig.log().count("the old configuration stays")


_RUBBISH = (
    b"\x00\xff\xfe rubbish",
    b"door: [",
    b"door: {driver: gpiozero}",
    b"verification: {target_far: 2}",
    b"x" * 100_000,
    b"- a list",
)


def socket_clients(one: Patient, trials: int) -> str:
    """Rubbish, half a request, many requests, and clients that never read."""
    rig = one.rig
    rig.client.status()
    before = rig.rss_mb()
    path = str(rig.client.path)
    with ExitStack() as stack:
        for rubbish in (os.urandom(4096), b"GET /v1/status HT", b"\r\n" * 1000, b"A" * 100_000):
            _send(stack, path, rubbish)
        for _ in range(4):  # ask for a stream that never ends, and read nothing of it
            _send(stack, path, b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        rig.wait_for(lambda: _answers(rig), "an answer beside bad clients")
    for _ in range(trials):
        with suppress(ApplianceError):
            rig.client.status()
    check(_answers(rig), "no answer after many requests")
    grown = rig.rss_mb() - before
    check(grown <= GROWTH_MB or forgets_threads(), f"it grew by {grown:.0f} MB")
    return f"a good client is answered beside them; grown by {grown:.1f} MB"


def _send(stack: ExitStack, path: str, data: bytes) -> None:
    client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    client.settimeout(5)
    client.connect(path)
    with suppress(OSError):  # it may be refused at once
        client.sendall(data)


def _answers(rig: Rig) -> bool:
    try:
        rig.client.status()
    except ApplianceError:
        return False
    return True


# On one service, one after the other: (what, fewest trials, all trials).
SURVIVED: Mapping[str, tuple[Callable[[Patient, int], str], int, int]] = {
    "clock jumps": (clock_jumps, 6, 60),
    "camera unplugged": (unplugged, 3, 100),
    "camera unplugged in an attempt": (unplugged_in_an_attempt, 1, 1),
    "frames of the wrong size": (wrong_size, 1, 1),
    "a stage that raises": (stage_raises, 1, 10),
    "database locked by another process": (database_locked, 1, 5),
    "config replaced by rubbish at reload": (rubbish_reload, 2, 30),
    "socket clients that misbehave": (socket_clients, 300, 10_000),
}


def one_long_life(furnished: Path, folder: Path, quick: bool) -> list[Outcome]:  # noqa: FBT001 - as asked
    """All faults that a service must outlive without a restart, on the same one."""
    outcomes = []

    def life() -> str:
        with patient(furnished, folder, "long-life") as one:
            pid = one.rig.client.status().pid
            for name, (fault, few, many) in SURVIVED.items():
                trials = few if quick else many
                outcomes.append(_tried(name, trials, lambda: fault(one, trials)))  # noqa: B023 - called at once
            one.serves()
            check(one.rig.client.status().pid == pid, "it was started again meanwhile")
            return f"one process, {one.rig.rss_mb():.0f} MB at its end"

    whole = _tried("all of these on one service", len(SURVIVED), life)
    return [*outcomes, whole]


def _tried(name: str, trials: int, work: Callable[[], str]) -> Outcome:
    try:
        return Outcome(name, trials, survived=True, detail=work())
    except (AssertionError, ApplianceError) as error:
        return Outcome(name, trials, survived=False, detail=" / ".join(str(error).splitlines()))


# --- faults that end the service ----------------------------------------------------------------


def hanging_stage(furnished: Path, folder: Path, quick: bool) -> list[Outcome]:  # noqa: FBT001 - likewise
    """It locks, ends with a code that makes systemd start it again, and serves then."""
    trials = 1 if quick else 10

    def work() -> str:
        one = Patient(copied(furnished, folder / "hanging"))
        with closing(one.rig), ExitStack() as stack:
            for _ in range(trials):
                one.up()
                one.switches.set(breakers.HANGS)
                stack.enter_context(one.attempt())
                check(one.rig.wait_for_end() == 70, "it ended with another code")
                check(one.rig.commands()[-1].state == "locked", "it did not lock")
                one.switches.mend(breakers.HANGS)
            one.up()
            one.serves()
            one.ends_well()
        return "ends with 70, locked; the next one serves"

    return [_tried("a stage that hangs", trials, work)]


def hanging_everything(furnished: Path, folder: Path, quick: bool) -> list[Outcome]:  # noqa: FBT001 - likewise
    """No thread goes on: only the watchdog is left, and the helper after it."""
    trials, limit_s = (1 if quick else 10), 3.0

    def work() -> str:
        one = Patient(
            copied(furnished, folder / "everything"), WATCHDOG_USEC=str(int(limit_s * 1e6))
        )
        with closing(one.rig), ExitStack() as stack:
            for _ in range(trials):
                one.up()
                one.switches.set(breakers.HOLDS_ALL)
                check(one.refusal() == "", "no release")
                stack.enter_context(one.attempt())
                _starve(one.rig, limit_s)
                # What systemd does then: SIGABRT, and SIGKILL after TimeoutAbortSec.
                one.rig.signal(signal.SIGABRT)
                check(one.rig.wait_for_end() == -signal.SIGABRT, "it was not ended by SIGABRT")
                check(one.rig.lockdown().returncode == 0, "the helper failed")
                check(one.rig.commands()[-1].state == "locked", "the door is not locked")
                check("in broken_embed" in one.rig.log(), "the log does not say where it hung")
                one.switches.mend(breakers.HOLDS_ALL)
            one.up()
            one.serves()
            one.ends_well()
        return "not fed any more; after the abort the log names the line that hung"

    return [_tried("everything hangs (watchdog)", trials, work)]


def _starve(rig: Rig, limit_s: float) -> None:
    """Until nothing was heard for as long as the watchdog waits."""
    last = time.monotonic()

    def starved() -> bool:
        nonlocal last
        if "WATCHDOG=1" in rig.heard():
            last = time.monotonic()
        return time.monotonic() - last > limit_s

    rig.wait_for(starved, "an end of the watchdog's food")


# --- disks --------------------------------------------------------------------------------------


def disk_full(furnished: Path, folder: Path, quick: bool) -> list[Outcome]:  # noqa: FBT001 - likewise
    """No release that cannot be recorded; one as soon as there is room."""
    if os.geteuid() != 0:
        return []
    trials = 1 if quick else 10

    def work() -> str:
        place = copied(furnished, folder / "full")
        with _disk(place / "state", ["-t", "tmpfs", "-o", "size=2m", "tmpfs"]):
            one = Patient(place)
            with closing(one.rig):
                one.up()
                for _ in range(trials):
                    _fill(place / "state" / "ballast")
                    released = one.released()
                    codes = {one.refusal() for _ in range(3)}
                    check(codes <= {"disk_full", "lock"}, f"an unlock was answered {codes}")
                    check(one.released() == released, "the door was released without a record")
                    (place / "state" / "ballast").unlink()
                    one.rig.wait_for(lambda: one.refusal() == "", "a release", within_s=15)
                    one.rest()
                one.serves()
                one.ends_well()
                wrong = invariants.complaints(one.rig)
                check(not wrong, "; ".join(wrong))
        return "refused while it is full; no restart needed when there is room"

    return [_tried("disk full", trials, work)]


def read_only(furnished: Path, folder: Path, quick: bool) -> list[Outcome]:  # noqa: FBT001 - likewise
    """A card that fails: the kernel makes its file system read-only under the service."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        return []

    def work() -> str:
        place, image = copied(furnished, folder / "read-only"), folder / "card.img"
        image.write_bytes(b"")
        os.truncate(image, 16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
        with _disk(place / "state", ["-o", "loop,errors=remount-ro", str(image)]):
            one = Patient(place)
            with closing(one.rig):
                one.up()
                check(one.refusal() == "", "no release before the fault")
                one.rest()
                _fail(place / "state")
                released = one.released()
                codes = {one.refusal() for _ in range(3)}
                check("" not in codes, "the door was released without a record")
                check(one.released() == released, "the door was released without a record")
                check(one.rig.runs, "the service ended")
                check(_answers(one.rig), "no answer on the socket")
                check(one.rig.lockdown().returncode in {0, 4}, "the helper failed otherwise")
                told = ", ".join(sorted(codes))
        return f"refused ({told}); it lives on and says so"

    return [_tried("read-only remount", 1, work)]


@contextmanager
def _disk(folder: Path, words: list[str]) -> Iterator[None]:
    """Put what is in the folder onto a disk of its own."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    subprocess.run(["mount", *words, str(folder)], check=True)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        for size in (65_536, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


def _fail(folder: Path) -> None:
    """Have the kernel believe that the file system is damaged."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if line.split()[4] == str(folder):
            device = Path(line.split(" - ")[1].split()[1]).name
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("test", encoding="utf-8")


Fault = Callable[[Path, Path, bool], list[Outcome]]
ALL: Mapping[str, Fault] = {
    "a long life": one_long_life,
    "a hanging stage": hanging_stage,
    "a hanging process": hanging_everything,
    "a full disk": disk_full,
    "a failing disk": read_only,
}
