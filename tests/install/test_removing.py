"""What --uninstall --purge takes away where the state is no plain folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.install.stand_ins import System

STATE = "var/lib/appliance"
# As where a file system is mounted there: its folder cannot be removed.
BUSY = (
    'rmdir() { case ${!#} in "$state") return 1 ;; *) command rmdir "$@" ;; esac; }; '
    'rm() { case " $* " in *" -rf "*" $state "*) return 1 ;; *) command rm "$@" ;; esac; }; '
)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_a_state_on_a_file_system_of_its_own_is_emptied(system: System) -> None:
    system.write(f"{STATE}/appliance.db", "people")
    system.write(f"{STATE}/kept/.hidden", "faces")
    system.write("var/lib/appliance-install/made", "")
    result = system.ask(f"{BUSY}purge")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{system.root / STATE} is empty and stays" in result.stdout
    assert list((system.root / STATE).iterdir()) == []
    assert not (system.root / "var/lib/appliance-install").exists()


def test_a_state_that_a_link_leads_to_is_emptied_as_well(system: System) -> None:
    elsewhere = system.write("srv/door/appliance.db", "people").parent
    system.write("srv/other/file", "another's")
    (elsewhere / "away").symlink_to("../other")
    (system.root / STATE).symlink_to(elsewhere)
    result = system.ask("purge")
    assert (result.returncode, result.stderr) == (0, "")
    assert not os.path.lexists(system.root / STATE)
    assert list(elsewhere.iterdir()) == []
    assert f"{elsewhere} is empty and stays" in result.stdout
    assert (system.root / "srv/other/file").exists()


def test_a_link_to_nowhere_goes(system: System) -> None:
    (system.root / STATE).symlink_to("../../srv/gone")
    result = system.ask("purge")
    assert (result.returncode, result.stderr) == (0, "")
    assert not os.path.lexists(system.root / STATE)


def test_nothing_is_said_to_stay_that_goes(system: System) -> None:
    own = system.write("etc/systemd/system/appliance.service.d/mine.conf", "# mine\n")
    result = system.ask("purge")
    assert result.returncode == 0
    assert not own.parent.exists()
    assert "mine" not in result.stdout
    assert "stays" not in result.stdout


def test_what_an_interrupted_upgrade_has_copied_is_named(system: System) -> None:
    copy = system.write(f"{STATE}/before-upgrade/appliance.db", "people").parent
    system.write("var/lib/appliance-install/upgrading", f"old x\ncopy {copy}\n")
    result = system.ask("uninstall")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{copy} stays as well" in result.stdout
    assert copy.exists()


@pytest.mark.parametrize("how", ["uninstall", "purge"])
def test_the_copy_of_an_upgrade_that_is_over_goes(system: System, how: str) -> None:
    copy = system.write("srv/before-upgrade/appliance.db", "people").parent
    system.write("var/lib/appliance-install/finished", f"old x\ncopy {copy}\n")
    system.write("var/lib/appliance-install/making", "1234\n")
    assert system.ask(how).returncode == 0
    assert not copy.exists()
    assert not (system.root / "var/lib/appliance-install/making").exists()
    assert not (system.root / "var/lib/appliance-install/finished").exists()


def test_a_purge_takes_the_copy_of_an_interrupted_upgrade(system: System) -> None:
    copy = system.write("srv/before-upgrade/appliance.db", "people").parent
    system.write("var/lib/appliance-install/upgrading", f"old x\ncopy {copy}\n")
    assert system.ask("purge").returncode == 0
    assert not copy.exists()


def test_the_release_that_runs_is_no_torso(system: System) -> None:
    """Its last line may be lost with a damaged file system; the door goes on opening."""
    running = system.write("opt/appliance.d/running/bin/appliance", "").parents[1]
    torso = system.write("opt/appliance.d/torso/bin/appliance", "").parents[1]
    (system.root / "opt/appliance").symlink_to("appliance.d/running")
    assert system.ask("remove_torsos").returncode == 0
    assert running.exists()
    assert not torso.exists()
