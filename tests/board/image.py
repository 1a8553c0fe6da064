"""The ARM64 system that the board runs: Debian bookworm, built once and kept in a cache.

The kernel and its first file system are handed to QEMU directly; the root is an ext4 image that
nothing writes to: each run works on a layer of its own above it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.board.host import PROGRAMS, BoardError, register_arm64, require, require_root, run

RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
GUEST = Path(__file__).parent / "guest"
DISK_SIZE = "8G"
PACKAGES = (
    "ca-certificates",
    "dbus",
    "e2fsprogs",
    "git",
    "gpiod",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "linux-image-arm64",
    "openssh-server",
    "openssl",
    "procps",
    "python3",
    "python3-venv",
    "sqlite3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
    "v4l-utils",
)
# What would wake up in the middle of a measurement, or wait for a network that is not there.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "man-db.timer",
    "systemd-networkd-wait-online.service",
)
_HOOK = """#!/bin/sh
# The modules that the root's disk needs; all others are loaded from it.
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4 crc32c_generic
"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """What a machine boots: disk is never written to."""

    disk: Path
    disk_format: str
    kernel: Path
    initrd: Path


def cache_folder() -> Path:
    """Where images are kept: APPLIANCE_BOARD_CACHE, else beside the user's other caches."""
    own = os.environ.get("APPLIANCE_BOARD_CACHE")
    if own:
        return Path(own)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "face-access-appliance" / "board"


def base(cache: Path, say: Say, *, fresh: bool = False) -> Image:
    """Debian with a kernel and SSH, without the appliance; built when the cache lacks it.

    fresh: build it anew. Raises BoardError.
    """
    folder = cache / f"base-{_base_key()}"
    with alone(cache):
        if fresh or not (folder / "root.img").exists():
            require(list(PROGRAMS))
            require_root()
            partial = cache / f"{folder.name}.partial"
            began = time.monotonic()
            _build(partial, say)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            say(f"built in {time.monotonic() - began:.0f} s: {folder}")
    return Image(folder / "root.img", "raw", folder / "vmlinuz", folder / "initrd.img")


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Nobody else builds in this cache meanwhile; whoever comes second waits."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def layer(image: Image, disk: Path) -> Path:
    """A disk of its own above the image's, which stays as it is. Raises BoardError."""
    below = ("-b", str(image.disk.resolve()), "-F", image.disk_format)
    run(["qemu-img", "create", "-q", "-f", "qcow2", *below, str(disk)])
    return disk


def _base_key() -> str:
    digest = hashlib.sha256()
    for word in (RELEASE, DISK_SIZE, _HOOK, *PACKAGES, *_MASKED):
        digest.update(word.encode() + b"\0")
    for path in sorted((GUEST / "root").rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(GUEST)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _build(folder: Path, say: Say) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    root.mkdir(parents=True)
    log = folder / "build.log"
    register_arm64()
    say(f"Debian {RELEASE} for ARM64: fetching packages (log: {log})")
    _debootstrap(root, log, say)
    _write(folder, root, say)


def _write(folder: Path, root: Path, say: Say) -> None:
    """Make kernel, first file system and disk of a root, which is gone then."""
    log = folder / "build.log"
    finish(root)
    shutil.copyfile((root / "vmlinuz").resolve(), folder / "vmlinuz")
    shutil.copyfile((root / "initrd.img").resolve(), folder / "initrd.img")
    say("writing the disk")
    disk = folder / "root.img"
    with disk.open("wb"):
        os.truncate(disk, _bytes(DISK_SIZE))
    run(["mkfs.ext4", "-q", "-F", "-L", "board", "-d", str(root), str(disk)], log=log)
    shutil.rmtree(root)


def _debootstrap(root: Path, log: Path, say: Say) -> None:
    mirror = os.environ.get("APPLIANCE_BOARD_MIRROR") or MIRROR
    run(["debootstrap", "--arch=arm64", "--variant=minbase", RELEASE, str(root), mirror], log=log)
    say("setting the packages up, emulated; this takes minutes")
    add_packages(root, log)


def add_packages(root: Path, log: Path) -> None:
    """Install what makes a board of a bare Debian; needs the network. Raises BoardError."""
    settings = root / "etc" / "initramfs-tools"
    for name in ("conf.d", "hooks"):
        (settings / name).mkdir(parents=True, exist_ok=True)
    # Before the kernel is set up, or its first file system would hold every module there is.
    (settings / "conf.d" / "board").write_text("MODULES=list\n")
    (settings / "hooks" / "board").write_text(_HOOK)
    (settings / "hooks" / "board").chmod(0o755)
    # No package starts anything in here.
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    shutil.copyfile("/etc/resolv.conf", root / "etc" / "resolv.conf")
    with in_root(root) as chroot:
        chroot(["apt-get", "-q", "update"], log)
        chroot(["apt-get", "-q", "install", "--yes", "--no-install-recommends", *PACKAGES], log)
        chroot(["update-initramfs", "-u"], log)
        chroot(["apt-get", "clean"], log)
    policy.unlink()
    (root / "etc" / "resolv.conf").unlink()


def finish(root: Path) -> None:
    """Make a board of a Debian: its settings, and nothing that wakes up by itself."""
    shutil.copytree(GUEST / "root", root, dirs_exist_ok=True)
    for name in _MASKED:
        _link(root / "etc/systemd/system" / name, "/dev/null")
    wants = "etc/systemd/system/multi-user.target.wants"
    _link(root / wants / "systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service")
    # Made at the first boot of each layer: no two boards are one machine.
    (root / "etc" / "machine-id").write_text("uninitialized\n")


@contextmanager
def in_root(root: Path) -> Iterator[Callable[[list[str], Path], None]]:
    """What runs a command (words, log) inside an ARM64 root, with /proc, /sys and /dev there."""
    mounted: list[Path] = []
    try:
        for name in ("proc", "sys", "dev"):
            target = root / name
            target.mkdir(exist_ok=True)
            run(["mount", "--bind", f"/{name}", str(target)])
            mounted.append(target)

        def chroot(words: list[str], log: Path) -> None:
            variables = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
            variables["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            run(["chroot", str(root), *words], environment=variables, log=log)

        yield chroot
    finally:
        for target in reversed(mounted):
            # Lazily: what a package has started there may hold it for a moment.
            subprocess.run(["umount", "--lazy", str(target)], check=False)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _bytes(size: str) -> int:
    units = {"M": 1 << 20, "G": 1 << 30}
    try:
        return int(size[:-1]) * units[size[-1]]
    except (KeyError, ValueError) as error:
        raise BoardError(f"{size} is no size such as 8G.") from error
