"""Real Debian systems in folders (debootstrap), entered by chroot or started by systemd-nspawn.

They need root, debootstrap and a Debian mirror. A system is made once and kept under
$XDG_CACHE_HOME/face-access-appliance/rooms; tests work on copies.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.patience import patient

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INCLUDED = "ca-certificates,dbus,kmod,procps,python3,python3-venv,systemd,systemd-sysv,udev"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# What a test or the machine underneath changes, and the installation's own log.
LEFT_OUT = (
    *("dev", "proc", "sys", "run", "tmp", "src", "broken", "newer", "wheels"),
    *("var/log/appliance-install.log", "var/log/journal", "var/log/wtmp", "etc/resolv.conf"),
)
BOOT_S = patient(120)
CALL_S = patient(1200)


def cache() -> Path:
    """Where made systems and fetched wheels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "face-access-appliance" / "rooms"


def _run(*command: str | Path, **options: object) -> None:
    subprocess.run(command, check=True, capture_output=True, **options)  # type: ignore[call-overload]


def _unmount(*places: Path) -> None:
    for place in places:
        if place.is_mount():
            _run("umount", place)


def base(suite: str) -> Path:
    """The untouched system of that name. Skips where it cannot be made."""
    folder = cache() / suite
    if folder.is_dir():
        return folder
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("making a Debian system needs root and debootstrap")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f"{suite}.new")
    shutil.rmtree(draft, ignore_errors=True)
    include = f"--include={INCLUDED}"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", include, suite, draft],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip(f"debootstrap could not make {suite}")
    draft.rename(folder)
    return folder


class Room:
    """One system in `folder`, with the project's checkout at /src."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._nspawn: subprocess.Popen[bytes] | None = None

    def checkout(self, name: str = "src") -> Path:
        """A copy of the project at /NAME."""
        target = self.folder / name
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for each in filter(None, listed.split("\0")):
            if (ROOT / each).is_file() and not each.startswith(("tests/", "docs/", ".")):
                (target / each).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / each, target / each)
        return target

    def call(self, *command: str, seconds: float = CALL_S) -> subprocess.CompletedProcess[str]:
        """Run something in it, as root."""
        certificate = {}
        if os.environ.get("PIP_CERT"):
            certificate = {"PIP_CERT": f"/{CERTIFICATES}"}
        if self._nspawn is None:
            enter = ["chroot", str(self.folder)]
        else:
            enter = ["nsenter", "--target", str(self._leader()), "--all"]
        return subprocess.run(
            [*enter, *command],
            env={"PATH": PATH, "HOME": "/root", "TERM": "dumb", **certificate},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def files(self) -> dict[str, str]:
        """Each path: its mode and owner, and a hash of what is in it or where it points."""
        found: dict[str, str] = {}
        left_out = {self.folder / name for name in LEFT_OUT}
        folders = [self.folder]
        while folders:
            for entry in os.scandir(folders.pop()):
                path = Path(entry.path)
                if path in left_out:
                    continue
                status = entry.stat(follow_symlinks=False)
                what = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
                if entry.is_symlink():
                    what += f" -> {path.readlink()}"
                elif entry.is_dir():
                    folders.append(path)
                elif entry.is_file():
                    what += f" {hashlib.sha256(path.read_bytes()).hexdigest()}"
                found[str(path.relative_to(self.folder))] = what
        return found

    @contextmanager
    def booted(self) -> Iterator[None]:
        """With systemd as process 1. Skips where this machine cannot do that."""
        if not shutil.which("systemd-nspawn"):
            pytest.skip("systemd-nspawn is not installed")
        # It brings its own.
        _unmount(self.folder / "dev", self.folder / "proc")
        log = self.folder.with_name(f"{self.folder.name}.boot").open("wb")
        self._nspawn = subprocess.Popen(
            [
                "systemd-nspawn",
                "--directory",
                self.folder,
                "--boot",
                "--register=no",
                "--keep-unit",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            until = time.monotonic() + BOOT_S
            while self.call("systemctl", "is-system-running").stdout.strip() not in {
                "running",
                "degraded",
            }:
                if self._nspawn.poll() is not None or time.monotonic() > until:
                    pytest.skip("systemd does not come up in a container here")
                time.sleep(1)
            yield
        finally:
            # SIGTERM asks the container's systemd for an orderly end.
            self._nspawn.terminate()
            try:
                self._nspawn.wait(patient(60))
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
            self._nspawn = None
            log.close()

    def _leader(self) -> int:
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        found = children.read_text().split() if children.exists() else []
        return int(found[0]) if found else self._nspawn.pid


@contextmanager
def room(suite: str, folder: Path) -> Iterator[Room]:
    """A copy of that system at `folder`, with /dev and /proc, thrown away afterwards."""
    _run("cp", "-a", "--reflink=auto", base(suite), folder)
    for name in ("etc/resolv.conf", CERTIFICATES):
        if Path(f"/{name}").is_file():
            (folder / name).unlink(missing_ok=True)
            shutil.copy(f"/{name}", folder / name)
    mounts = []
    try:
        for command in (["--bind", "/dev"], ["-t", "proc", "proc"]):
            where = folder / ("dev" if "/dev" in command else "proc")
            _run("mount", *command, where)
            mounts.append(where)
        yield Room(folder)
    finally:
        _unmount(*mounts)
        shutil.rmtree(folder, ignore_errors=True)


def wheels(suite: str, into: Room) -> None:
    """Everything that a release needs, at /wheels; fetched once for each system."""
    kept = cache() / f"{suite}-wheels"
    if not kept.is_dir():
        into.checkout("src")
        (into.folder / "wheels").mkdir()
        (into.folder / "fetch").mkdir()
        steps = (
            ["python3", "-m", "venv", "/fetch"],
            ["/fetch/bin/pip", "wheel", "--no-cache-dir", "-w", "/wheels", "/src", "hatchling"],
        )
        for step in steps:
            done = into.call(*step)
            if done.returncode:
                pytest.skip(f"the wheels could not be fetched: {done.stderr[-300:]}")
        shutil.rmtree(into.folder / "fetch")
        for path in (into.folder / "wheels").glob("face_access_appliance-*"):
            path.unlink()
        shutil.copytree(into.folder / "wheels", kept)
    else:
        shutil.copytree(kept, into.folder / "wheels")
