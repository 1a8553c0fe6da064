"""The installation's log: root writes it in a folder that others may share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.install.stand_ins import System

LOG = "var/log/appliance-install.log"


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


@pytest.mark.parametrize("words", [(), ("--uninstall",)])
def test_that_is_a_link_is_not_followed(system: System, words: tuple[str, ...]) -> None:
    other = system.write("etc/other", "another's")
    (system.root / LOG).symlink_to(other)
    result = system.install(*words)
    assert result.returncode == 1
    assert f"{system.root / LOG} is a link" in result.stderr
    assert result.stderr.count("\n") == 1
    assert other.read_text() == "another's"
    assert not any((system.root / "opt").iterdir())


def test_its_folder_is_not_tried_with_a_file_that_could_be_a_link(system: System) -> None:
    other = system.write("etc/other", "another's")
    (system.root / "var/log/.appliance-install").symlink_to(other)
    system.ask("check_writable")
    assert other.read_text() == "another's"


def test_that_cannot_be_written_is_told_before_anything_is_done(system: System) -> None:
    (system.root / LOG).mkdir()
    result = system.install()
    assert result.returncode == 1
    assert f"{system.root / LOG} cannot be written" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not any((system.root / "opt").iterdir())


def test_names_packages_that_do_not_fit_together(system: System) -> None:
    system.write(LOG, "ERROR: ResolutionImpossible: for help visit\n")
    assert system.ask("reason").stdout.startswith("the packages do not fit together")


@pytest.mark.parametrize(("missing", "told"), [((), "booted"), (("proc/1",), "")])
def test_of_an_image_starts_nothing_of_the_machine_that_builds_it(
    system: System, missing: tuple[str, ...], told: str
) -> None:
    """A chroot with /run of its host: without /proc systemd-detect-virt does not see that."""
    for name in missing:
        (system.root / name).rmdir()
    assert system.ask("! booted || echo booted").stdout.strip() == told
