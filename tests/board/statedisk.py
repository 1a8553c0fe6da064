"""A small disk of its own for the appliance's state: power cuts are tried on it.

The guest sees it as /dev/vdb and mounts it over /var/lib/appliance. It is formatted here, so that
its history is known from its birth on, and looked at here, so that no guest has to be believed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.board import torn
from tests.board.asking import SOCKET
from tests.board.board import READY_S
from tests.board.host import BoardError, run
from tests.board.machine import Machine
from tests.board.promise import Promise
from tests.board.strangers import templates
from tests.board.workload import MARKS

# Small, for each cut makes a copy of it; large enough for thousands of records.
FILE_SYSTEM = 32 * 1024 * 1024
_JOURNAL_MB = 4
# More than any run writes: a log that is full would end the disk.
_LOG = 4 * 1024 * 1024 * 1024
_HERE = Path(__file__).parent
_GUEST = "/run/board/python"
# What the workload needs in the guest.
_FILES = ("promise.py", "workload.py")
_TEMPLATES = 40
STATE, ANSWERS = "state.qcow2", "answers"
PORT = "/dev/virtio-ports/answers"
# For the kernel's command line: nothing is started but what is needed to log in.
QUIETLY = ("systemd.unit=ssh.service", "systemd.wants=systemd-networkd.service")
WORKLOAD = (
    f"PYTHONPATH={_GUEST} python3 -m tests.board.workload --socket {SOCKET}"
    f" --templates {_GUEST}/templates"
)


def born(path: Path) -> Path:
    """A freshly formatted disk: a file system, and past it the place for answers."""
    with path.open("wb") as file:
        file.truncate(FILE_SYSTEM + MARKS)
    size = f"{FILE_SYSTEM // 1024}k"
    run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-J", f"size={_JOURNAL_MB}", str(path), size])
    return path


def logged(folder: Path) -> tuple[Sequence[str], Path, Path]:
    """QEMU's words for a disk whose writes are logged; its image at birth; the log.

    Flushes are answered at once: what is on the host's disk matters to nobody, and a write that
    overtook a flush would be logged before it.
    """
    birth, disk, log = born(folder / "birth.img"), folder / "state.img", folder / "writes.log"
    shutil.copyfile(birth, disk)
    with log.open("wb") as file:
        file.truncate(_LOG)
    words = []
    for name, path in (("disk", disk), ("log", log)):
        words += ["-blockdev"]
        words += [f"driver=file,filename={path},node-name={name},cache.no-flush=on"]
    words += ["-blockdev", "driver=blklogwrites,node-name=state,file=disk,log=log"]
    return [*words, "-device", "virtio-blk-pci,drive=state"], birth, log


def make_plain(folder: Path) -> None:
    """A fresh disk for `plain`."""
    birth = born(folder / "birth.img")
    run(["qemu-img", "convert", "-O", "qcow2", str(birth), str(folder / STATE)])
    birth.unlink()


def plain(folder: Path) -> Sequence[str]:
    """QEMU's words for the disk in a folder, which can be saved together with the machine.

    And for a port by which the workload's lines leave the machine at once, into `answers`.
    """
    drive = f"file={folder / STATE},format=qcow2,if=none,id=state,cache=writeback"
    return [
        *("-drive", drive, "-device", "virtio-blk-pci,drive=state"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"file,id=answers,path={folder / ANSWERS}"),
        *("-device", "virtserialport,chardev=answers,name=answers"),
    ]


def move_in(machine: Machine) -> None:
    """Give a machine that was started with QUIETLY the disk for the appliance's state.

    What it would have started starts then; the workload lies beside it.
    """
    machine.wait_for_ssh(READY_S)
    line = "/dev/vdb /var/lib/appliance ext4 defaults 0 2"
    machine.ssh(
        # vivid complains with a stack trace whenever it is late, and a slow console makes it late.
        "dmesg -n err;"
        f" rm -rf /var/lib/appliance/* && echo '{line}' >> /etc/fstab && systemctl daemon-reload"
        " && mount /var/lib/appliance && chown appliance: /var/lib/appliance"
        " && chmod 700 /var/lib/appliance && sync && systemctl start --no-block multi-user.target",
        timeout_s=600,
        check=True,
    )
    for name in _FILES:
        machine.put(_HERE / name, f"{_GUEST}/tests/board")
    told = "\n".join(templates(_TEMPLATES))
    machine.ssh(f"cat > {_GUEST}/templates", feed=told, check=True)


def key(machine: Machine) -> bytes:
    """The key of the templates as the service was handed it; b"" where it lies with the state."""
    where = "/run/credentials/appliance.service/appliance-template-key"
    return machine.ssh(f"cat {where} 2> /dev/null || true").out.encode()


def look(disk: Path, answers: Sequence[Promise], folder: Path, template_key: bytes) -> list[str]:
    """What is wrong with the state on a disk whose machine is gone."""
    raw = folder / "raw.img"
    run(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)])
    try:
        cut = torn.Cut(torn.Moment(0), raw.read_bytes(), tuple(answers))
        return torn.look(cut, folder, template_key)
    except OSError as error:
        raise BoardError(f"The disk cannot be looked at: {error}") from error
    finally:
        raw.unlink(missing_ok=True)
