"""The installation in real Debian systems: slow, and only where they can be made (rooms.py)."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.installed import Installed, key_for_one_command
from tests.install.rooms import Room, room, wheels

pytestmark = pytest.mark.slow
OFFLINE = ("--offline", "/wheels")
LOCK = "var/lib/appliance/devices.lock"
DATABASE = "var/lib/appliance/appliance.db"


def install(here: Room, *words: str, source: str = "/src") -> str:
    """Installs, and returns what was told."""
    done = here.call(f"{source}/install.sh", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def refused(here: Room, *words: str, source: str = "/src") -> str:
    """Installs where that must not work, and returns the one sentence why."""
    done = here.call(f"{source}/install.sh", *words)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def release(here: Room) -> str:
    return (here.folder / "opt/appliance").readlink().name


def break_it(checkout: Path) -> None:
    """A version that changes the tables and whose models are not whole."""
    schema = checkout / "appliance/store/schema.py"
    more = '\nMIGRATIONS = (*MIGRATIONS, ("CREATE TABLE worse (x TEXT) STRICT",))\n'
    schema.write_text(schema.read_text() + more)
    model = next((checkout / "models").glob("*.tflite"))
    model.write_bytes(model.read_bytes()[:-1] + b"!")


# Three steps of five seconds each, where the unit allows ten for the whole start.
SLOW = """
import os, sys, time
from appliance import assemble, sdnotify
sdnotify.STEP_S = 8.0
manager = sdnotify.ServiceManager.of(os.environ, assemble.clock(), pid=os.getpid())
for step in sys.argv[1:]:
    manager.advanced(step)
    time.sleep(5)
if len(sys.argv) > 3:
    manager.ready("serves")
time.sleep(600)
"""


def times_are_as_the_unit_says(here: Room) -> None:
    """What systemd makes of the messages of a slow start, and of a helper after a hang."""
    (here.folder / "slow.py").write_text(SLOW)
    unit = ("systemd-run", "--quiet", "--property=Type=notify", "--property=TimeoutStartSec=10")
    slow = ("/opt/appliance/bin/python", "-I", "/slow.py")
    done = here.call(*unit, "--unit=slow", *slow, "models", "camera", "socket")
    assert done.returncode == 0, done.stderr
    assert here.call("systemctl", "is-active", "slow").stdout == "active\n"
    # One that hangs, and one that tells the same step again.
    for name, steps in (("hangs", ("models",)), ("circles", ("models",) * 4)):
        here.call(*unit, f"--unit={name}", *slow, *steps)
        show = here.call("systemctl", "show", name, "-p", "Result")
        assert show.stdout == "Result=timeout\n"
    # Ten seconds until the end is enforced, and as many again for what comes after it.
    deaf = "trap '' TERM; while :; do sleep 1; done"
    after = "--property=ExecStopPost=/bin/sh -c 'sleep 6; touch /run/was-after'"
    run = ("systemd-run", "--quiet", "--unit=deaf", "--property=TimeoutStopSec=10", after)
    assert here.call(*run, "/bin/sh", "-c", deaf).returncode == 0
    here.call("systemctl", "stop", "deaf", "slow")
    assert here.call("ls", "/run/was-after").returncode == 0
    (here.folder / "slow.py").unlink()


def backs_up(here: Room) -> None:
    """By the line that a command says which lacks the key."""
    (here.folder / "words").write_text("four quite random words\n")
    words = ("backup", "create", "/var/lib/appliance/door.backup", "--passphrase-file", "/words")
    told = key_for_one_command(Installed(Path("unit"), frozenset({"key-encrypted"})))
    assert told is not None
    line = told.removeprefix("sudo ").removesuffix("appliance COMMAND").replace("--pty", "--pipe")
    done = here.call(*line.split(), "--wait", "--quiet", "appliance", *words)
    assert done.returncode == 0, done.stderr
    (here.folder / "var/lib/appliance/door.backup").unlink()
    (here.folder / "words").unlink()


@pytest.fixture(params=["bookworm", "trixie"])
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def here(suite: str, tmp_path: Path) -> Iterator[Room]:
    with room(suite, tmp_path / suite) as made:
        wheels(suite, made)
        made.checkout()
        yield made


def test_an_image_is_installed_upgraded_and_purged(here: Room) -> None:
    before = here.files()
    told = install(here, *OFFLINE)
    assert "systemd does not run here" in told
    installed = here.files()
    assert "etc/appliance/template.key.sealed" not in installed

    install(here, *OFFLINE)
    assert here.files() == installed

    break_it(here.checkout("broken"))
    why = refused(here, "--upgrade", *OFFLINE, source="/broken")
    assert "its models are not whole" in why
    # Whatever uses the devices holds this; the program makes it, not the installation.
    assert {name: what for name, what in here.files().items() if name != LOCK} == installed

    former = release(here)
    (here.checkout("newer") / "appliance/newer.py").write_text('"""Newer."""\n')
    install(here, "--upgrade", *OFFLINE, source="/newer")
    assert release(here) != former
    kept = {path.name for path in (here.folder / "opt/appliance.d").iterdir()}
    assert kept == {former, release(here)}

    for name in ("src", "newer", "broken"):
        shutil.rmtree(here.folder / name)
    install(here, "--uninstall", source="/opt/appliance/installer")
    left = here.files().keys() - before.keys() - {LOCK}
    assert left == {
        *("etc/appliance", "etc/appliance/config.yaml", "var/lib/appliance"),
        *("var/lib/appliance-install", "var/lib/appliance-install/made"),
    } | {name for name in left if name.startswith("etc/") and name.endswith(("-", ".lock"))}

    here.checkout()
    install(here, "--uninstall", "--purge")
    after = here.files()
    # Beside the list of users the system keeps the one before its last change.
    backups = {f"etc/{name}" for name in ("passwd-", "group-", "shadow-", "gshadow-", ".pwd.lock")}
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= backups


@pytest.mark.parametrize("suite", ["bookworm"], indirect=True)
class TestWhatStandsInTheWay:
    def untouched(self, here: Room, before: dict[str, str]) -> None:
        after = here.files()
        assert {name for name in after.keys() - before.keys() if "applian" not in name} == set()
        assert "opt/appliance" not in after
        assert "etc/systemd/system/appliance.service" not in after

    def test_a_read_only_usr(self, here: Room) -> None:
        before = here.files()
        usr = here.folder / "usr"
        subprocess.run(["mount", "--bind", usr, usr], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", usr], check=True)
        try:
            assert "/usr/local cannot be written" in refused(here, *OFFLINE)
        finally:
            subprocess.run(["umount", usr], check=True)
        self.untouched(here, before)

    @pytest.mark.parametrize(
        ("size", "why"), [("200m", "200 MB are free"), ("905m", "disk is full")]
    )
    def test_a_full_disk(self, here: Room, size: str, why: str) -> None:
        before = here.files()
        opt = here.folder / "opt"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", opt], check=True)
        if size == "905m":
            subprocess.run(["truncate", "-s", "0", opt / "filler"], check=True)
            script = here.folder / "src/systemd/install/common.sh"
            # As if somebody else filled it while pip unpacks.
            script.write_text(script.read_text().replace("needed_mb=900", "needed_mb=300"))
            subprocess.run(["fallocate", "-l", "600M", opt / "filler"], check=True)
        try:
            assert why in refused(here, *OFFLINE)
        finally:
            subprocess.run(["umount", opt], check=True)
        self.untouched(here, before)

    def test_no_network(self, here: Room) -> None:
        before = here.files()
        command = ["unshare", "--net", "chroot", str(here.folder), "/src/install.sh"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "the network or the server cannot be reached" in done.stderr
        assert done.stderr.count("\n") == 1
        self.untouched(here, before)


@pytest.mark.parametrize("suite", ["bookworm"], indirect=True)
def test_with_systemd_as_process_1(here: Room) -> None:
    before = here.files()
    with here.booted():
        told = install(here, *OFFLINE)
        assert "ok   models" in told
        assert "- Starting the service" in told
        show = here.call("systemctl", "show", "appliance", "-p", "ActiveState,MainPID,NRestarts")
        assert "ActiveState=active" in show.stdout
        assert "NRestarts=0" in show.stdout
        status = here.call("appliance", "--json", "status")
        assert status.returncode == 0, status.stdout
        installed = here.files().keys()
        times_are_as_the_unit_says(here)

        assert "- Starting the service" not in install(here, *OFFLINE)
        assert here.files().keys() == installed
        backs_up(here)
        again = here.call("systemctl", "show", "appliance", "-p", "ActiveState,MainPID,NRestarts")
        assert again.stdout == show.stdout

        break_it(here.checkout("broken"))
        former = release(here)
        why = refused(here, "--upgrade", *OFFLINE, source="/broken")
        assert f"{former} is in place again." in why
        assert release(here) == former
        assert here.call("systemctl", "is-active", "appliance").stdout == "active\n"
        with closing(sqlite3.connect(here.folder / DATABASE)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        assert "person" in names
        assert "worse" not in names

        install(here, "--uninstall", "--purge")
        assert here.call("systemctl", "cat", "appliance").returncode != 0
        left = {name for name in here.files().keys() - before.keys() if "applian" in name}
        assert left == set()
