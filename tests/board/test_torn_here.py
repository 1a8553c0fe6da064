"""The same replay on this machine: the service with its ext4 on a disk whose writes are logged.

Needs root, FUSE and qemu-storage-daemon; the emulated board needs neither of the first two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.board import statedisk, torn
from tests.board.strangers import templates
from tests.board.writelog import read
from tests.cli.runs import OBAMA3, film
from tests.cli.runs import read as read_picture
from tests.conftest import ROOT
from tests.faults.rig import Rig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system"),
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="the kernel has no FUSE"),
    pytest.mark.skipif(not shutil.which("qemu-storage-daemon"), reason="no qemu-storage-daemon"),
    pytest.mark.skipif(not shutil.which("e2fsck"), reason="no e2fsprogs"),
]

ASKED, CUTS = 40, 80
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "claims": {"sources": []},
    "verification": {"cool_down_s": 0, "lockout_failures": 100},
    "door": {"driver": "simulated", "pulse_s": 0.1},
}
_APPEAR_S = 10.0


@contextmanager
def logged_disk(folder: Path) -> Iterator[tuple[Path, str, Path]]:
    """A logged disk, mounted: where, its device, its log. What is below it goes at once."""
    words, _, log = statedisk.logged(folder)
    disk, mounted = folder / "disk", folder / "mounted"
    disk.touch()
    mounted.mkdir()
    # As the board has it, but for the device: a file that a loop device is made of.
    blocks = [word.replace("-blockdev", "--blockdev") for word in words[:-2]]
    export = f"type=fuse,id=disk-file,node-name=state,mountpoint={disk},writable=on"
    daemon = subprocess.Popen(["qemu-storage-daemon", *blocks, "--export", export])
    device = ""
    try:
        latest = time.monotonic() + _APPEAR_S
        while not disk.stat().st_size and time.monotonic() < latest:
            time.sleep(0.05)
        device = subprocess.run(
            ["losetup", "--find", "--show", str(disk)], check=True, capture_output=True, text=True
        ).stdout.strip()
        subprocess.run(["mount", device, str(mounted)], check=True)
        yield mounted, device, log
    finally:
        daemon.kill()
        daemon.wait()
        undone = [["umount", "-l", str(mounted)], ["umount", "-l", str(disk)]]
        for words in (*undone, *([["losetup", "-d", device]] if device else [])):
            subprocess.run(words, check=False, capture_output=True)


def worked(folder: Path, *, breakable: str = "") -> torn.Tally:
    """What all cuts of a service at work come to. breakable: Python that runs in it first."""
    with logged_disk(folder) as (mounted, device, log):
        film(folder / "door.avi", read_picture(OBAMA3), frames=20)
        # The disk's own root, as on the board.
        rig = Rig(folder, {**SETTINGS, "store": {"path": str(mounted)}})
        (folder / "templates").write_text("\n".join(templates(ASKED)))
        if breakable:
            sabotage = folder / "sabotage"
            sabotage.mkdir()
            (sabotage / "sitecustomize.py").write_text(breakable)
        try:
            rig.up(**({"PYTHONPATH": f"{folder / 'sabotage'}:{ROOT}"} if breakable else {}))
            words = ["--socket", str(rig.client.path), "--templates", str(folder / "templates")]
            words += ["--device", device, "--count", str(ASKED), "--config", str(rig.config)]
            program = [sys.executable, "-m", "tests.board.workload", *words]
            done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        finally:
            rig.close()
    image = (folder / "birth.img").read_bytes()
    return torn.replay(image, read(log), each=3, seed=1, most=CUTS)


def test_no_power_cut_takes_what_was_answered(tmp_path: Path) -> None:
    tally = worked(tmp_path)
    assert tally.wrong == []
    assert tally.in_all == CUTS
    assert tally.promises >= ASKED


NO_FSYNC = """
import appliance.store.database as database

configure = database._configure

def carelessly(connection):
    configure(connection)
    connection.execute("PRAGMA synchronous = OFF")

database._configure = carelessly
"""


def test_a_database_that_does_not_flush_is_found_out(tmp_path: Path) -> None:
    tally = worked(tmp_path, breakable=NO_FSYNC)
    assert any("missing" in sentence for sentence in tally.wrong)
