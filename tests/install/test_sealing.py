"""The key of the enrolled faces: when one is made, and when the one that is there is taken."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.install.stand_ins import System

KEY = "etc/appliance/template.key.sealed"
ELSEWHERE = 'database_of() { echo "$APPLIANCE_ROOT/srv/door/people.db"; }; make_key'


@pytest.fixture
def system(tmp_path: Path) -> System:
    made = System(tmp_path)
    (made.root / "etc/appliance").mkdir()
    return made


def make_key(system: System) -> subprocess.CompletedProcess[str]:
    """Where the config puts the database into a folder of its own."""
    return system.ask(ELSEWHERE)


def test_is_made_where_there_is_nobody_yet(system: System) -> None:
    result = make_key(system)
    assert (result.returncode, result.stderr) == (0, "")
    assert KEY in system.files()


def test_that_lies_beside_the_configs_database_is_taken(system: System) -> None:
    system.write("srv/door/people.db", "people")
    plain = system.write("srv/door/template.key", "ab" * 32)
    result = make_key(system)
    assert (result.returncode, result.stderr) == (0, "")
    opened = system.ask(f'systemd-creds decrypt - "$APPLIANCE_ROOT/{KEY}"')
    assert opened.stdout.strip() == "ab" * 32
    assert not plain.exists()


def test_of_a_database_elsewhere_that_is_missing_is_not_made_anew(system: System) -> None:
    system.write("srv/door/people.db", "people")
    result = make_key(system)
    assert result.returncode == 3
    assert "/srv/door/people.db is there and its key is not" in result.stderr
    assert KEY not in system.files()


def test_is_not_made_while_nobody_knows_where_the_database_lies(system: System) -> None:
    result = system.ask("database_of() { :; }; complain_of_config() { exit 3; }; make_key")
    assert result.returncode == 3
    assert KEY not in system.files()


def test_is_on_the_disk_before_the_plain_one_goes(system: System) -> None:
    system.write("srv/door/template.key", "ab" * 32)
    make_key(system)
    called = system.calls()
    synced = called.index(f"sync -f -- {system.root / 'etc/appliance'}")
    (gone,) = [at for at, call in enumerate(called) if "-- rm -f -- " in call]
    assert synced < gone
