"""The campaign in small: few trials of each fault, and a few kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import faults, invariants, kills
from tests.faults.outcome import Outcome, table
from tests.faults.rig import Rig, copied, furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("furnished") / "appliance")


def judged(outcomes: list[Outcome]) -> None:
    assert outcomes
    assert all(outcome.survived for outcome in outcomes), table(outcomes)


def test_what_a_service_must_outlive(furnished: Path, tmp_path: Path) -> None:
    judged(faults.one_long_life(furnished, tmp_path, quick=True))


def test_a_stage_that_hangs_ends_the_service_locked(furnished: Path, tmp_path: Path) -> None:
    judged(faults.hanging_stage(furnished, tmp_path, quick=True))


@pytest.mark.slow
def test_when_everything_hangs_the_watchdog_is_left(furnished: Path, tmp_path: Path) -> None:
    judged(faults.hanging_everything(furnished, tmp_path, quick=True))


@pytest.fixture
def disks(tmp_path: Path) -> None:
    """Disks of the tests' own: not every root may mount them."""
    tools = shutil.which("mount"), shutil.which("mkfs.ext4")
    if os.geteuid() != 0 or None in tools or not Path("/dev/loop-control").exists():
        pytest.skip("disks of their own need root, mount, mkfs.ext4 and loop devices")
    (place := tmp_path / "disk").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=False)
    if mounted.returncode != 0:
        pytest.skip("this root may not mount a disk")
    subprocess.run(["umount", place], check=True)


@pytest.mark.usefixtures("disks")
def test_nothing_opens_while_the_disk_is_full(furnished: Path, tmp_path: Path) -> None:
    judged(faults.disk_full(furnished, tmp_path, quick=True))


@pytest.mark.slow
@pytest.mark.usefixtures("disks")
def test_nothing_opens_when_the_disk_has_failed(furnished: Path, tmp_path: Path) -> None:
    judged(faults.read_only(furnished, tmp_path, quick=True))


def test_after_a_kill_all_is_whole(furnished: Path, tmp_path: Path) -> None:
    rig = Rig(copied(furnished, tmp_path / "rig"))
    try:
        tally = kills.campaign(rig, kills=3, seed=7, told=lambda _: None)
    finally:
        rig.close()
    assert tally.complaints == []
    assert sum(tally.kills.values()) == 3
    assert tally.releases > 0


def test_systemd_hears_how_it_fares(furnished: Path, tmp_path: Path) -> None:
    rig = Rig(copied(furnished, tmp_path / "rig"), faults.QUIET)
    told: list[str] = []

    def heard(line: str) -> bool:
        told.extend(rig.heard())
        return line in told

    with closing(rig):
        rig.up(WATCHDOG_USEC="1000000")
        rig.wait_for(lambda: heard("WATCHDOG=1"), "food for the watchdog")
        rig.signal(signal.SIGHUP)
        rig.wait_for(lambda: heard("READY=1"), "the end of the reload")
        assert rig.stop() == 0
        told += rig.heard()
    kinds = [line for line in told if not line.startswith(("STATUS=", "WATCHDOG=", "MONOTONIC"))]
    assert kinds == ["RELOADING=1", "READY=1", "STOPPING=1"]
    assert told[told.index("RELOADING=1") + 1].startswith("MONOTONIC_USEC=")
    assert rig.commands()[-1].state == "locked"


@pytest.mark.slow
def test_the_whole_campaign(tmp_path: Path) -> None:
    from tests.faults.__main__ import main

    assert main([]) == 0


class TestTheCampaignItself:
    """A campaign that cannot fail shows nothing: what it must see, it sees."""

    def rig(self, furnished: Path, tmp_path: Path, *lines: str) -> Rig:
        rig = Rig(copied(furnished, tmp_path / "rig"))
        rig.journal_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return rig

    def line(self, state: str, cause: str, pid: int = 1, at: float = 1.0, year: int = 2099) -> str:
        wall = f"{year}-01-01T00:00:00+00:00"
        told = {"at": at, "wall": wall, "pid": pid, "state": state, "cause": cause}
        return json.dumps(told)

    def test_a_release_with_its_record_is_well(self, furnished: Path, tmp_path: Path) -> None:
        rig = self.rig(furnished, tmp_path)
        with rig.store(write=True) as store:
            record = store.audit.append("unlock", "x", {})
        rig.journal_file.write_text(self.line("unlocked", f"unlock #{record.number}") + "\n")
        assert invariants.complaints(rig) == []

    @pytest.mark.parametrize(
        ("cause", "year", "complaint"),
        [
            ("alice", 2099, "of which there is no record"),
            ("unlock #999", 2099, "of which there is no record"),
            ("access_granted #{number}", 2099, "of which there is no record"),
            ("unlock #{number}", 2001, "before its record was written"),
        ],
    )
    def test_a_release_without_its_record_is_seen(
        self, furnished: Path, tmp_path: Path, cause: str, year: int, complaint: str
    ) -> None:
        rig = self.rig(furnished, tmp_path)
        with rig.store(write=True) as store:
            number = store.audit.append("unlock", "x", {}).number
        line = self.line("unlocked", cause.format(number=number), year=year)
        rig.journal_file.write_text(line + "\n")
        assert complaint in "".join(invariants.complaints(rig))

    def test_two_releases_by_one_record_are_seen(self, furnished: Path, tmp_path: Path) -> None:
        rig = self.rig(furnished, tmp_path)
        with rig.store(write=True) as store:
            number = store.audit.append("unlock", "x", {}).number
        line = self.line("unlocked", f"unlock #{number}")
        rig.journal_file.write_text(f"{line}\n{line}\n")
        assert "a second time" in "".join(invariants.complaints(rig))

    def test_a_start_that_does_not_lock_first_is_seen(
        self, furnished: Path, tmp_path: Path
    ) -> None:
        lines = self.line("unlocked", "unlock #1", 1), self.line("unlocked", "unlock #2", 2)
        rig = self.rig(furnished, tmp_path, *lines)
        assert invariants.unfinished(rig.commands()) == [
            "process 2 began with unlocked after process 1"
        ]

    def test_a_changed_record_is_seen(self, furnished: Path, tmp_path: Path) -> None:
        rig = self.rig(furnished, tmp_path)
        with closing(sqlite3.connect(rig.state / "appliance.db")) as connection:
            connection.execute("DROP TRIGGER audit_no_update")
            connection.execute("UPDATE audit SET subject = 'bob' WHERE number = 1")
            connection.commit()
        assert "the audit chain breaks at record 1" in invariants.complaints(rig)

    def test_a_fault_that_is_not_survived_is_told(self) -> None:
        shown = table([Outcome("a fault", 3, survived=False, detail="the door stood open")])
        assert "| a fault | 3      | NOT SURVIVED | the door stood open |" in shown
