"""sudo ./install.sh in a system of stand-ins: what it leaves, and what it does when it may not."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store.schema import MIGRATIONS
from tests.conftest import ROOT
from tests.install.stand_ins import BASH, System

KEY = "etc/appliance/template.key.sealed"


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def refused(system: System, *words: str, code: int, **environment: str) -> str:
    result = system.install(*words, **environment)
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("install.sh: ").removesuffix("\n")


class TestArguments:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--purge"], "--purge goes with --uninstall."),
            (["--upgrade", "--uninstall"], "--uninstall and --upgrade do not go together."),
            (["--offline"], "--offline wants a folder with wheels."),
            (["--offline="], "--offline wants a folder with wheels."),
            (["--uninstall", "--offline", "/x"], "--offline goes with an installation."),
            (["--upgrade", "--now"], "--now is not known; ./install.sh --help shows what is."),
        ],
    )
    def test_that_make_no_sense(self, system: System, words: list[str], said: str) -> None:
        assert refused(system, *words, code=2) == said

    def test_of_the_environment_delete_nothing(self, system: System) -> None:
        kept = system.write("var/lib/appliance/appliance.db", "people")
        assert system.install("--uninstall", purge="yes").returncode == 0
        assert kept.exists()

    def test_a_folder_without_wheels(self, system: System, tmp_path: Path) -> None:
        assert "holds no wheels" in refused(system, "--offline", str(tmp_path), code=3)
        assert "is not a folder" in refused(system, "--offline", str(tmp_path / "none"), code=3)

    def test_nothing_to_upgrade(self, system: System) -> None:
        assert "Nothing is installed" in refused(system, "--upgrade", code=2)

    def test_not_root(self) -> None:
        # The checkout may lie in a folder that is closed to others.
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            shutil.copy(ROOT / "install.sh", folder)
            shutil.copytree(ROOT / "systemd", Path(folder) / "systemd")
            result = subprocess.run(
                [BASH, Path(folder) / "install.sh"],
                user=65534 if os.geteuid() == 0 else None,
                env={"PATH": os.environ["PATH"]},
                capture_output=True,
                text=True,
                check=False,
            )
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == (
            "install.sh: The installation for the whole system is root's: sudo ./install.sh\n"
        )


class TestAFreshSystem:
    def test_is_installed_once_and_purged_whole(self, system: System) -> None:
        before = system.files()
        first = system.install()
        assert (first.returncode, first.stderr) == (0, "")
        assert "ok   models" in first.stdout
        assert first.stdout.count("\n  1. ") == 1
        assert "systemctl restart appliance.service" in system.calls()
        installed = system.files()

        again = system.install()
        assert (again.returncode, again.stderr) == (0, "")
        assert system.files() == installed
        called = "\n".join(system.calls())
        assert not any(word in called for word in ("restart", "apt-get", "-m pip", "encrypt"))

        system.install("--uninstall", "--purge")
        assert system.files() == before

    def test_that_was_stopped_stays_so(self, system: System) -> None:
        system.install()
        (system.root / "run/active").unlink()
        system.calls()
        system.newer()
        result = system.install("--upgrade")
        assert (result.returncode, result.stderr) == (0, "")
        assert "The service is stopped and stays so" in result.stdout
        assert not any(
            it.startswith(("systemctl enable", "systemctl restart")) for it in system.calls()
        )

    def test_an_image_gets_no_key_and_starts_nothing(self, tmp_path: Path) -> None:
        image = System(tmp_path, booted=False)
        result = image.install()
        assert (result.returncode, result.stderr) == (0, "")
        assert "the key of the enrolled faces is made" in result.stdout
        assert KEY not in image.files()
        assert not any(it.startswith(("systemctl", "systemd-run")) for it in image.calls())
        wanted = image.root / "etc/systemd/system/multi-user.target.wants/appliance.service"
        assert str(wanted.readlink()) == "/etc/systemd/system/appliance.service"
        image.install("--make-key")
        assert KEY in image.files()

    @pytest.mark.slow
    def test_what_the_owner_has_is_kept(self, system: System) -> None:
        config = system.write("etc/appliance/config.yaml", "camera:\n  driver: rtsp\n")
        system.write(KEY, "sealed before")
        own = system.write("etc/systemd/system/appliance.service.d/sound.conf", "# mine\n")
        result = system.install(CAMERA="rtsp")
        assert result.returncode == 0
        assert config.read_text() == "camera:\n  driver: rtsp\n"
        assert (system.root / KEY).read_text() == "sealed before"
        assert own.read_text() == "# mine\n"
        names = {path.name for path in own.parent.iterdir()}
        assert names == {"sound.conf", "camera-rtsp.conf", "key-encrypted.conf"}

    @pytest.mark.slow
    def test_another_camera_changes_the_drop_in(self, system: System) -> None:
        system.install()
        system.install(CAMERA="files")
        drop_ins = system.root / "etc/systemd/system/appliance.service.d"
        assert [path.name for path in drop_ins.iterdir()] == ["key-encrypted.conf"]

    def test_a_user_who_was_there_leaves_the_groups_again(self, system: System) -> None:
        group = system.write(
            "etc/group",
            "root:x:0:\naudio:x:29:ada\nvideo:x:44:ada,appliance\nappliance:x:900:\n",
        )
        system.write("etc/passwd", "appliance:x:900:900::/home/appliance:/bin/sh\n")
        before = system.files()
        system.install()
        assert "audio:x:29:ada,appliance\n" in group.read_text()
        system.install("--uninstall", "--purge")
        assert system.files() == before

    def test_a_database_without_its_key_gets_no_new_one(self, system: System) -> None:
        system.write("var/lib/appliance/appliance.db", "people")
        assert "its key is not" in refused(system, code=3)


class TestWhatGoesWrong:
    def nothing_is_installed(self, system: System) -> None:
        assert not (system.root / "opt/appliance").exists()
        assert "etc/systemd/system/appliance.service" not in system.files()

    def test_no_network_for_apt(self, system: System) -> None:
        told = refused(system, code=1, INSTALLED="python3", APT_FAILS="100")
        assert told.startswith("apt-get update failed: the network or the server cannot be reached")
        self.nothing_is_installed(system)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("says", "reason"),
        [
            ("Failed to establish a new connection: [Errno 101]", "use --offline DIR"),
            ("OSError: [Errno 28] No space left on device", "the disk is full"),
            ("No matching distribution found for dlib-bin", "a package is missing"),
            ("ERROR: ResolutionImpossible: for help visit", "the packages do not fit together"),
            ("OSError: [Errno 30] Read-only file system", "mounted read-only"),
        ],
    )
    def test_pip_fails(self, system: System, says: str, reason: str) -> None:
        assert reason in refused(system, code=1, PIP_SAYS=says)
        self.nothing_is_installed(system)

    def test_a_folder_made_by_hand(self, system: System) -> None:
        system.write("opt/appliance/bin/appliance", "by hand")
        assert "is a folder, made by hand" in refused(system, code=3)

    def test_a_missing_package_without_downloads(self, system: System, tmp_path: Path) -> None:
        (tmp_path / "a.whl").touch()
        told = refused(system, "--offline", str(tmp_path), code=1, INSTALLED="python3")
        assert "apt-get install python3-venv" in told
        assert not any(call.startswith("apt-get") for call in system.calls())


class TestWhatIsOnlyUseful:
    """A package that the archive may not have."""

    def test_is_taken_by_a_later_run_once_the_archive_has_it(self, system: System) -> None:
        arm = {"ARCHITECTURE": "arm64", "APT_FAILS": "0"}
        assert "has no python3-evdev" in system.install(**arm).stdout
        system.calls()
        system.install(**arm)
        assert not any(call.startswith("apt-get") for call in system.calls())
        system.install(**arm, OFFERED="python3-evdev")
        (last,) = [it for it in system.calls() if " install " in it and "apt-get" in it]
        assert last.endswith("--no-install-recommends python3-evdev")

    def test_is_asked_for_without_an_index_that_would_stay(self, system: System) -> None:
        system.install(ARCHITECTURE="arm64", APT_FAILS="0")
        system.calls()
        system.install(ARCHITECTURE="arm64", APT_FAILS="0")
        asked = [call for call in system.calls() if call.startswith("apt-cache")]
        assert asked
        assert all("pkgcache= -o Dir::Cache::srcpkgcache= " in call for call in asked)

    def test_does_not_stand_in_the_way_of_a_later_run(self, system: System) -> None:
        system.install(ARCHITECTURE="arm64", APT_FAILS="0")
        told = system.install(ARCHITECTURE="arm64", APT_FAILS="100", OFFERED="python3-evdev")
        assert (told.returncode, told.stderr) == (0, "")
        assert "apt-get update failed: the network" in told.stdout


class TestAnUpgrade:
    @pytest.mark.slow
    def test_another_version_is_not_installed_by_the_way(self, system: System) -> None:
        system.install()
        system.newer()
        assert "run: sudo ./install.sh --upgrade" in refused(system, code=2)

    @pytest.mark.slow
    def test_switches_and_keeps_the_former(self, system: System) -> None:
        system.install()
        former = system.release
        system.newer()
        (system.root / "opt/appliance.d" / former).rename(system.root / "opt/appliance.d/former")
        (system.root / "opt/appliance").unlink()
        (system.root / "opt/appliance").symlink_to("appliance.d/former")
        result = system.install("--upgrade")
        assert (result.returncode, result.stderr) == (0, "")
        assert "Back again: sudo /opt/appliance.d/former/installer/install.sh" in result.stdout
        assert system.release != "former"
        releases = {path.name for path in (system.root / "opt/appliance.d").iterdir()}
        assert releases == {"former", system.release}

    @pytest.mark.parametrize(
        ("broken", "why"),
        [
            ("doctor-fails", "its doctor finds what the former one did not: models"),
            pytest.param("does-not-start", "its service does not start", marks=pytest.mark.slow),
        ],
    )
    def test_that_is_worse_is_rolled_back(self, system: System, broken: str, why: str) -> None:
        system.install()
        system.newer(broken=broken)
        before = self.renamed(system)
        told = refused(system, "--upgrade", code=1)
        assert told.endswith(f"was not kept ({why}), and former is in place again.")
        assert system.files() == before

    @pytest.mark.slow
    def test_back_to_the_kept_one_that_fails_does_not_delete_it(self, system: System) -> None:
        system.install()
        kept = system.root / "opt/appliance.d" / system.release
        system.newer()
        assert system.install("--upgrade").returncode == 0
        newer = system.release
        (system.checkout / "appliance/new.py").unlink()
        (kept / "doctor-fails").touch()
        assert "was not kept" in refused(system, "--upgrade", code=1)
        assert system.release == newer
        assert (kept / "release.txt").exists()
        assert (kept / "bin/python").exists()

    def test_needs_a_config_that_the_new_release_reads(self, system: System) -> None:
        system.install()
        former = system.files()
        system.newer()
        system.calls()
        assert "does not accept" in refused(system, "--upgrade", code=3, CONFIG="3")
        assert system.files() == former
        assert not any(call.startswith("systemctl stop") for call in system.calls())

    @pytest.mark.parametrize(
        "signal", ["HUP", *(pytest.param(it, marks=pytest.mark.slow) for it in ("INT", "TERM"))]
    )
    def test_once_begun_is_not_left(self, system: System, signal: str) -> None:
        system.install()
        former = system.release
        system.newer()
        result = system.install("--upgrade", SIGNAL_AFTER="systemctl stop *", SIGNAL=signal)
        assert (result.returncode, result.stderr) == (0, "")
        assert system.release != former
        assert (system.root / "run/active").exists()

    def test_goes_back_as_soon_as_the_disk_has_room(self, system: System) -> None:
        system.install()
        former = self.renamed(system)
        system.newer(broken="doctor-fails")
        unit = system.checkout / "systemd/appliance.service"
        unit.write_text(unit.read_text() + "# new\n")
        full = system.bin / "cp"
        full.write_text(
            '#!/bin/bash\ncase "$*" in */former/*appliance.service.new)\n'
            '    : >"${!#}"; echo "No space left on device" >&2; exit 1 ;;\nesac\n'
            f'exec {shutil.which("cp")} "$@"\n'
        )
        full.chmod(0o755)
        told = refused(system, "--upgrade", code=1)
        assert "going back to former failed: the disk is full" in told
        assert (
            system.root / "etc/systemd/system/appliance.service"
        ).read_text() == unit.read_text()
        assert system.release == "former"
        full.unlink()
        told = refused(system, "--upgrade", code=1)
        assert "former is in place again." in told
        assert system.files() == former

    def renamed(self, system: System) -> dict[str, str]:
        """With a name that no second of the clock can give to the next one."""
        folder = system.root / "opt/appliance.d"
        (folder / system.release).rename(folder / "former")
        (system.root / "opt/appliance").unlink()
        (system.root / "opt/appliance").symlink_to("appliance.d/former")
        return system.files()


class TestTheDatabaseOfAnUpgrade:
    """That has changed its tables."""

    def enrolled(self, system: System) -> Path:
        system.install()
        database = system.root / "var/lib/appliance/appliance.db"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("PRAGMA user_version = 1")
            connection.execute("CREATE TABLE people (name)")
            connection.execute("INSERT INTO people VALUES ('Ada')")
        return database

    def people(self, database: Path) -> list[tuple[str]]:
        assert database.exists()
        with closing(sqlite3.connect(database)) as connection, connection:
            return connection.execute("SELECT name FROM people").fetchall()

    def test_survives_a_power_cut_at_the_end(self, system: System) -> None:
        database = self.enrolled(system)
        system.newer(broken="migrates")
        system.install("--upgrade", SIGNAL_AFTER="*rm -rf -- */before-upgrade *")
        result = system.install("--upgrade")
        assert (result.returncode, result.stderr) == (0, "")
        assert "interrupted" not in result.stdout
        assert self.people(database) == [("Ada",)]

    def test_that_the_former_does_not_know_allows_no_way_back(self, system: System) -> None:
        database = self.enrolled(system)
        knows = len(MIGRATIONS)
        for tables, told in (
            (knows, f"Back again: sudo /opt/appliance.d/{system.release}/installer/install.sh"),
            (knows + 1, f"does not know the tables of {database}."),
        ):
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute(f"PRAGMA user_version = {tables}")
            former = system.root / "opt/appliance.d" / system.release
            result = system.ask(f"tell_way_back {former} {database}")
            assert told in result.stdout

    @pytest.mark.slow
    def test_leaves_no_copy_where_power_goes_before_it_is_removed(self, system: System) -> None:
        database = self.enrolled(system)
        system.newer(broken="migrates")
        system.install("--upgrade", SIGNAL_AFTER="sync -f */appliance-install")
        assert system.install("--upgrade").returncode == 0
        assert self.people(database) == [("Ada",)]
        assert not (database.parent / "before-upgrade").exists()
        assert not (system.root / "var/lib/appliance-install/finished").exists()

    @pytest.mark.slow
    def test_is_copied_where_only_the_new_release_reads_the_config(self, system: System) -> None:
        database = self.enrolled(system)
        former = system.root / "opt/appliance.d" / system.release
        (system.checkout / "cannot-read").write_text(str(former))
        system.newer(broken="migrates")
        (system.checkout / "broken/doctor-fails").touch()
        assert "was not kept" in refused(system, "--upgrade", code=1)
        with closing(sqlite3.connect(database)) as connection, connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)

    @pytest.mark.slow
    def test_that_nobody_finds_stops_the_upgrade_before_anything(self, system: System) -> None:
        self.enrolled(system)
        system.newer()
        (system.checkout / "cannot-read").write_text(str(system.root))
        before = system.files()
        assert "cannot be told" in refused(system, "--upgrade", code=3)
        assert system.files() == before

    def test_stays_where_its_copy_is_gone(self, system: System) -> None:
        database = self.enrolled(system)
        release = system.root / "opt/appliance.d" / system.release
        system.write(
            "var/lib/appliance-install/upgrading",
            f"old {release}\nnew {release}\nmade no\nactive yes\ndatabase {database}\n"
            f"tables 7\ncopy {database.parent}/before-upgrade\n",
        )
        before = system.files()
        system.calls()
        told = refused(system, code=1)
        assert f"{database.parent}/before-upgrade is gone; nothing was changed" in told
        assert system.files() == before
        assert not any("stop" in call for call in system.calls())

    @pytest.mark.slow
    def test_that_was_laid_aside_is_not_deleted_by_the_next(self, system: System) -> None:
        database = self.enrolled(system)
        system.newer(broken="migrates")
        (system.checkout / "broken/doctor-fails").touch()
        for _ in range(2):
            assert system.install("--upgrade").returncode == 1
        aside = sorted(database.parent.glob("failed-upgrade*/appliance.db"))
        assert [self.people(it) for it in aside] == [[("Ada",)], [("Ada",)]]
        assert self.people(database) == [("Ada",)]


def kill_and_run_again(system: System, at: int, *words: str) -> bool:
    """Kills the installation at its call `at`; whether it got as far."""
    system.calls()
    killed = system.install(*words, KILL_AT=str(at)).returncode == -9
    system.calls()
    return killed


def anonymous(system: System) -> dict[str, str]:
    """The files with the release's name, which is a time, taken out; no two keys are equal."""
    name = system.release
    return {
        path.replace(name, "RELEASE"): what.replace(name, "RELEASE")
        for path, what in system.files().items()
        if path != KEY
    }


@pytest.mark.slow
def test_killed_at_any_call_it_mends_itself(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = System(tmp_path / "whole")
    whole.install()
    wanted = anonymous(whole)
    for at in range(1, 200):
        folder = tmp_path / str(at)
        folder.mkdir()
        system = System(folder)
        if not kill_and_run_again(system, at):
            assert at > 20
            return
        result = system.install()
        assert (result.returncode, result.stderr) == (0, ""), at
        found = anonymous(system)
        assert found.keys() == wanted.keys(), at
    pytest.fail("the installation has no end")


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["", "doctor-fails"])
def test_an_upgrade_killed_at_any_call_mends_itself(tmp_path: Path, broken: str) -> None:
    for at in range(1, 200):
        folder = tmp_path / str(at)
        folder.mkdir()
        system = System(folder)
        system.install()
        former = TestAnUpgrade().renamed(system)
        system.newer(broken=broken)
        killed = kill_and_run_again(system, at, "--upgrade")
        result = system.install("--upgrade")
        if broken:
            assert result.returncode == 1, at
            assert system.files() == former, at
        else:
            assert (result.returncode, result.stderr) == (0, ""), at
            assert system.release != "former"
            assert len(list((system.root / "opt/appliance.d").iterdir())) == 2, at
        assert not (system.root / "var/lib/appliance-install/upgrading").exists(), at
        if not killed:
            assert at > 20
            return
    pytest.fail("the upgrade has no end")
