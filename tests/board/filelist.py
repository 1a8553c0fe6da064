"""The board's files at a moment, told by the guest: what an installation changed, and left behind.

A list has a line for each path of one file system, the first folder's: what it is, and its name.
Below HASHED a file is its SHA-256, elsewhere its size and when it was written; a link is where it
leads. What the running system writes by itself, and what the board is besides the appliance, is
left out.
"""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.board.host import BoardError
from tests.board.machine import Machine

# Where an installation puts things.
HASHED = ("/etc", "/opt", "/root", "/usr/local", "/var/lib")
# The board's list from before the installation lies in its image.
BEFORE = "/var/lib/board/before.txt"
_TOOL = "/var/lib/board/filelist.py"
LEFT_OUT = (
    # Temporary files, and logs and states that a system writes from boot to boot.
    *("/tmp", "/var/tmp", "/var/log/journal", "/var/log/wtmp", "/var/log/btmp"),  # noqa: S108 - named
    *("/var/log/lastlog", "/var/lib/systemd/random-seed", "/var/lib/systemd/timesync"),
    "/var/lib/systemd/timers",
    # systemd's own key, with which it seals for all services.
    "/var/lib/systemd/credential.secret",
    # The lists of users before their last change.
    *("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock"),
    *("/etc/subuid-", "/etc/subgid-"),
    # The board's own: its key, what it is brought, the checkouts, the films, a sabotage's mark.
    *("/root/.ssh", "/mnt", "/root/face-access-appliance*", "/var/lib/board", "/etc/sabotaged"),
)
_PROGRAM = """
import fnmatch, hashlib, os, stat, sys

device = os.lstat(sys.argv[1]).st_dev

def below(path, folder):
    return path == folder or path.startswith(folder + "/")

def what(path, status):
    told = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(status.st_mode):
        return f"{told} -> {os.readlink(path)}"
    if not stat.S_ISREG(status.st_mode):
        return told
    if not any(below(path, folder) for folder in hashed):
        return f"{told} {status.st_size} bytes of {status.st_mtime_ns}"
    with open(path, "rb") as file:
        return f"{told} {hashlib.sha256(file.read()).hexdigest()}"

lines, folders = [], sys.argv[1:]
while folders:
    for name in os.listdir(folder := folders.pop()):
        path = os.path.join(folder, name)
        if any(fnmatch.fnmatch(path, it) for it in left_out):
            continue
        try:
            status = os.lstat(path)
            told = what(path, status)
        except FileNotFoundError:  # it went meanwhile
            continue
        if status.st_dev != device:
            continue
        lines.append(f"{path}\\t{told}")
        if stat.S_ISDIR(status.st_mode):
            folders.append(path)
sys.stdout.reconfigure(errors="backslashreplace")
print(*sorted(lines), sep="\\n")
"""


def program(hashed: Sequence[str] = HASHED) -> str:
    """For the guest's own Python: prints the list of what lies below the folders it is given."""
    return f"hashed, left_out = {tuple(hashed)!r}, {LEFT_OUT!r}\n{_PROGRAM}"


def take(machine: Machine, roots: Sequence[str], target: Path) -> None:
    """Write the list of what lies below the guest's folders `roots` to `target`. BoardError."""
    there = f"{_TOOL}.txt"
    _take(machine, roots, there)
    fetch(machine, there, target)


def take_before(machine: Machine, target: Path) -> None:
    """The whole list of a board without the appliance: kept on its disk, and in `target`."""
    _take(machine, ["/"], BEFORE)
    fetch(machine, BEFORE, target)


def fetch(machine: Machine, there: str, target: Path) -> None:
    """Copy a guest's file, past the log of commands. BoardError where it cannot be read."""
    target.unlink(missing_ok=True)
    if machine.popen(f"cat {shlex.quote(there)}", target).wait():
        raise BoardError(f"The board does not tell {there}: {target.read_text()[-300:].strip()}")


def read(path: Path) -> Mapping[str, str]:
    """A list: what each path is. What is left out today is so where the list still has it."""
    pairs = (line.split("\t", 1) for line in path.read_text().splitlines() if "\t" in line)
    return {name: what for name, what in pairs if not _left_out(name)}


def _left_out(name: str) -> bool:
    return any(fnmatch.fnmatch(name, it) for it in LEFT_OUT)


def below(files: Mapping[str, str], roots: Sequence[str]) -> Mapping[str, str]:
    """The part of a list that lies below some folders."""
    starts = tuple(f"{root}/" for root in roots)
    return {path: what for path, what in files.items() if path.startswith(starts)}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Each path that is new (`+`), gone (`-`) or another (`~`), in the order of the paths."""
    paths = sorted(before.keys() | after.keys())
    changed = [path for path in paths if before.get(path) != after.get(path)]
    return [
        f"{'+' if path not in before else '-' if path not in after else '~'} {path}"
        for path in changed
    ]


def _take(machine: Machine, roots: Sequence[str], there: str) -> None:
    machine.ssh(f"mkdir -p {Path(_TOOL).parent} && cat > {_TOOL}", feed=program(), check=True)
    words = " ".join(shlex.quote(root) for root in roots)
    machine.ssh(f"python3 -B {_TOOL} {words} > {there}", timeout_s=1800, check=True)
