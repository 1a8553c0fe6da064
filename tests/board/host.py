"""The machine that the board runs on: what it must have, and how its programs are run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Each program with the Debian package that brings it.
PROGRAMS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-img": "qemu-utils",
    "qemu-aarch64-static": "qemu-user-static",
    "debootstrap": "debootstrap",
    "mkfs.ext4": "e2fsprogs",
    "chroot": "coreutils",
    "mount": "mount",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_MAGIC = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    r":/usr/bin/qemu-aarch64-static:POCF"
)


class BoardError(Exception):
    """The board cannot be built, started or asked; one sentence that says what to do."""


def require(programs: Sequence[str]) -> None:
    """Raise BoardError that names the Debian packages of the programs that are not there."""
    missing = [name for name in programs if _which(name) is None]
    if missing:
        packages = " ".join(sorted({PROGRAMS[name] for name in missing}))
        raise BoardError(
            f"This machine lacks {', '.join(missing)}; run: sudo apt install {packages}"
        )


def require_root() -> None:
    """Raise BoardError for who cannot make a chroot."""
    if os.geteuid() != 0:
        raise BoardError("The image can be built by root alone; run it with sudo.")


def register_arm64() -> None:
    """Let the kernel run ARM64 programs through qemu-aarch64. Needs root; raises BoardError."""
    try:
        if not (_BINFMT / "register").exists():
            run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)])
        if not (_BINFMT / "qemu-aarch64").exists():
            (_BINFMT / "register").write_text(_MAGIC)
    except (OSError, BoardError) as error:
        raise BoardError(
            f"The kernel does not take ARM64 programs ({error}); load binfmt_misc, and install "
            "qemu-user-static and binfmt-support."
        ) from error


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """What a program printed. BoardError with its last lines when it fails.

    log: a file that what it prints is appended to, instead.
    """
    variables = {**os.environ, **(environment or {})}
    if log is not None:
        with log.open("ab") as file:
            code = subprocess.run(
                command, cwd=cwd, env=variables, stdout=file, stderr=file, check=False
            ).returncode
        if code:
            raise BoardError(f"{command[0]} failed with {code}; {log} tells why.")
        return ""
    done = subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise BoardError(f"{' '.join(command[:3])} failed with {done.returncode}: {last}")
    return done.stdout


def _which(name: str) -> str | None:
    # Debian keeps some of them where a user's PATH does not look.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
