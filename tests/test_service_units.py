"""The files under systemd/: loaded by the systemd that is here, and by 249 as far as names go."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

import pytest

from appliance.daemon.supervisor import STOP_WITHIN_S
from appliance.sdnotify import STEP_S
from tests.conftest import ROOT

FOLDER = ROOT / "systemd"
UNIT = FOLDER / "appliance.service"
DROP_INS = FOLDER / "appliance.service.d"
PROGRAMS = "/opt/appliance/bin"
CAMERAS = ("camera-v4l2", "camera-picamera2", "camera-gstreamer", "camera-rtsp")
KEYS = ("key", "key-encrypted")
MOST_EXPOSED = 2.0

# Directives that came with a version that is not ancient, as systemd's manual pages say; all
# others are older than 245. The unit and every drop-in but one must load on 249.
SINCE = {
    "LoadCredential": 247,
    "LoadCredentialEncrypted": 250,
    "PrivateIPC": 248,
    "ProtectProc": 247,
}
OLDER = frozenset(
    {"After", "Description", "StartLimitIntervalSec", "WantedBy", "Wants"}
    | {"AmbientCapabilities", "BindReadOnlyPaths", "CapabilityBoundingSet", "DeviceAllow"}
    | {"DevicePolicy", "Environment", "ExecReload", "ExecStart", "ExecStopPost", "Group"}
    | {"IPAddressAllow", "IPAddressDeny", "KeyringMode", "KillMode", "LimitCORE", "LimitNOFILE"}
    | {"LockPersonality", "MemoryDenyWriteExecute", "MemoryMax", "MemorySwapMax"}
    | {"NoNewPrivileges"}
    | {"NotifyAccess", "OOMPolicy", "OOMScoreAdjust", "PrivateMounts", "PrivateNetwork"}
    | {"PrivateTmp", "ProtectControlGroups", "ProtectHome", "ProtectHostname"}
    | {"ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectSystem"}
    | {"RemoveIPC", "Restart", "RestartSec", "RestrictAddressFamilies", "RestrictNamespaces"}
    | {"RestrictRealtime", "RestrictSUIDSGID", "RuntimeDirectory", "RuntimeDirectoryMode"}
    | {"RuntimeDirectoryPreserve"}
    | {"StateDirectory", "StateDirectoryMode", "SupplementaryGroups", "SyslogIdentifier"}
    | {"SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallFilter", "TasksMax"}
    | {"TimeoutAbortSec", "TimeoutStartSec", "TimeoutStopSec", "Type", "UMask", "User"}
    | {"WatchdogSec", "WorkingDirectory"}
)


def directives(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line.partition("=") for line in lines if re.match(r"[A-Za-z]+=", line)]
    return [(key, value) for key, _, value in found]


def names(path: Path) -> set[str]:
    return {key for key, _ in directives(path)}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


# What installations consist of.
COMBINATIONS: tuple[tuple[str, ...], ...] = (
    (),
    *((camera, key, "sound") for camera in CAMERAS for key in KEYS),
    ("camera-gstreamer", "delegate-tensorrt", "key"),
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder of units in which the service's programs exist."""
    (tmp_path / "bin").mkdir()
    for name in ("appliance", "python"):
        (tmp_path / "bin" / name).symlink_to(sys.executable)
    text = UNIT.read_text(encoding="utf-8").replace(PROGRAMS, str(tmp_path / "bin"))
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    (tmp_path / DROP_INS.name).mkdir()
    return tmp_path


def analyze(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("systemd-analyze"), "--no-pager", *words, str(units / UNIT.name)],
        # The colon at the end: the system's own units besides.
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def install(units: Path, drop_ins: tuple[str, ...]) -> None:
    for name in drop_ins:
        shutil.copy(DROP_INS / f"{name}.conf", units / DROP_INS.name)


class TestTheUnit:
    @pytest.mark.parametrize("drop_ins", COMBINATIONS, ids="+".join)
    def test_is_understood_by_the_systemd_that_is_here(
        self, units: Path, drop_ins: tuple[str, ...]
    ) -> None:
        install(units, drop_ins)
        told = analyze(units, "verify", "--man=no")
        assert (told.returncode, told.stdout + told.stderr) == (0, "")

    def test_that_is_wrong_is_complained_of(self, units: Path) -> None:
        (units / DROP_INS.name / "wrong.conf").write_text("[Service]\nProtektSystem=yes\n")
        told = analyze(units, "verify", "--man=no")
        assert "ProtektSystem" in told.stderr

    @pytest.mark.parametrize("drop_ins", COMBINATIONS, ids="+".join)
    def test_is_little_exposed(self, units: Path, drop_ins: tuple[str, ...]) -> None:
        install(units, drop_ins)
        if "--offline" not in analyze(units, "--help").stdout:
            pytest.skip("systemd-analyze judges running units only (before systemd 250)")
        told = analyze(units, "security", "--offline=true")
        (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
        assert 0 < float(exposure) <= MOST_EXPOSED

    def test_uses_no_name_that_249_does_not_know(self) -> None:
        known = OLDER | {name for name, version in SINCE.items() if version <= 249}
        for path in chain([UNIT], DROP_INS.glob("*.conf")):
            unknown = names(path) - known
            expected = {"LoadCredentialEncrypted"} if path.stem == "key-encrypted" else set()
            assert unknown == expected, path.name

    def test_every_name_in_the_tables_is_used(self) -> None:
        used = set(chain.from_iterable(map(names, chain([UNIT], DROP_INS.glob("*.conf")))))
        assert used == OLDER | SINCE.keys()

    def test_every_drop_in_is_tried(self) -> None:
        tried = set(chain.from_iterable(COMBINATIONS))
        assert {path.stem for path in DROP_INS.iterdir()} == tried

    def test_what_stands_in_its_memory_is_written_to_no_disk(self) -> None:
        said = dict(directives(UNIT))
        assert (said["MemorySwapMax"], said["LimitCORE"]) == ("0", "0")
        for path in DROP_INS.glob("*.conf"):
            assert not {"MemorySwapMax", "LimitCORE"} & names(path), path.name

    def test_runs_no_python_that_it_could_have_written_itself(self) -> None:
        # Its home is its state: what lay in a user's site-packages there would outlive upgrades.
        said = directives(UNIT)
        assert ("Environment", "HOME=%S/appliance") in said
        assert ("Environment", "PYTHONNOUSERSITE=1") in said

    def test_ends_a_pulse_soon(self) -> None:
        said = dict(directives(UNIT))
        # A crash is followed by the helper at once, an abort by SIGKILL after a second, and no
        # number of failures keeps it from starting again.
        assert said["ExecStopPost"].startswith(f"{PROGRAMS}/python -I -m appliance.lockdown ")
        assert int(said["TimeoutAbortSec"]) <= 1
        # A service that hangs when it is told to end is gone no later than one that just hangs.
        hangs = int(said["WatchdogSec"]) + int(said["TimeoutAbortSec"])
        assert STOP_WITHIN_S < int(said["TimeoutStopSec"]) <= hangs
        assert said["StartLimitIntervalSec"] == "0"
        assert said["Restart"] == "always"
        assert int(said["RestartSec"]) <= 5

    def test_gives_no_step_of_a_start_more_than_the_first(self) -> None:
        assert int(dict(directives(UNIT))["TimeoutStartSec"]) == STEP_S

    def test_nobody_but_the_service_itself_tells_how_it_is(self) -> None:
        # What it has started, a speaker say, must neither feed the watchdog nor put it off.
        assert dict(directives(UNIT))["NotifyAccess"] == "main"

    def test_needs_no_camera_that_is_not_configured(self) -> None:
        allowed = {value for key, value in directives(UNIT) if key == "DeviceAllow"}
        assert allowed == {"char-gpiochip rw", "char-input rw"}

    def test_names_the_config_once(self) -> None:
        said = dict(directives(UNIT))
        config = "--config /etc/appliance/config.yaml"
        assert said["ExecStart"] == f"{PROGRAMS}/appliance {config} run"
        assert said["ExecStopPost"].endswith(config)


# As /proc/devices has them: the driver of a Jetson's GPU registers under the device's own name.
# /dev/nvmap is one of the class `misc`, which is nobody's to be given as a whole.
TEGRA = {
    "Orin, JetPack 6": ("17000000.gpu", "nvhost", "host1x-fence", "drm"),
    "Orin, JetPack 5": ("17000000.ga10b", "nvhost", "drm"),
    "Xavier": ("17000000.gv11b", "nvhost", "drm"),
    "TX2": ("17000000.gp10b", "nvhost", "drm"),
    "Nano": ("57000000.gpu", "nvhost", "drm"),
}
NOT_ITS = (
    "misc",
    "mem",
    "tty",
    "gpiochip",
    "hidraw",
    "i2c",
    "watchdog",
    "rtc",
    "tpm",
    "vfio",
    "usb",
)


class TestTheGpuOfAJetson:
    @pytest.mark.parametrize("drop_in", ["delegate-tensorrt", "camera-gstreamer"])
    @pytest.mark.parametrize("board", TEGRA)
    def test_its_classes_are_allowed_as_its_driver_names_them(
        self, drop_in: str, board: str
    ) -> None:
        # systemd compares a class's name by fnmatch(3), and so does Python.
        allowed = [
            value.removeprefix("char-").removesuffix(" rw")
            for key, value in directives(DROP_INS / f"{drop_in}.conf")
            if key == "DeviceAllow" and value.startswith("char-")
        ]

        def open_to_it(name: str) -> bool:
            return any(fnmatchcase(name, pattern) for pattern in allowed)

        assert [name for name in TEGRA[board] if not open_to_it(name)] == []
        assert [name for name in NOT_ITS if open_to_it(name)] == []

    @pytest.mark.parametrize("drop_in", ["delegate-tensorrt", "camera-gstreamer"])
    def test_its_memory_is_allowed_by_its_path(self, drop_in: str) -> None:
        found = directives(DROP_INS / f"{drop_in}.conf")
        assert ("DeviceAllow", "/dev/nvmap rw") in found
        assert not [value for _, value in found if value.startswith("char-nvmap")]


class TestUsersAndFolders:
    def test_the_user_and_its_groups_are_made(self, tmp_path: Path) -> None:
        command = program("systemd-sysusers")
        if os.geteuid() != 0:
            pytest.skip("only root makes users, also in a folder of its own")
        (tmp_path / "etc").mkdir()
        subprocess.run(
            [command, f"--root={tmp_path}", FOLDER / "appliance.sysusers"],
            check=True,
            capture_output=True,
        )
        users = (tmp_path / "etc" / "passwd").read_text().splitlines()
        (user,) = [line.split(":") for line in users if line.startswith("appliance:")]
        assert user[5:] == ["/var/lib/appliance", "/usr/sbin/nologin"]
        groups = [line.split(":") for line in (tmp_path / "etc" / "group").read_text().splitlines()]
        members = {name: people.split(",") for name, _, _, people in groups}
        said = chain.from_iterable(map(directives, chain([UNIT], DROP_INS.glob("*.conf"))))
        wanted = [it for key, value in said if key == "SupplementaryGroups" for it in value.split()]
        assert "render" in wanted
        assert [name for name in wanted if "appliance" not in members.get(name, [])] == []

    def test_the_folders_are_private(self, tmp_path: Path) -> None:
        command = program("systemd-tmpfiles")
        if os.geteuid() != 0:
            pytest.skip("only root gives folders to other users")
        (tmp_path / "etc" / "appliance").mkdir(parents=True)
        (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nappliance:x:77:78::/:/\n")
        (tmp_path / "etc" / "group").write_text("root:x:0:\nappliance:x:78:\n")
        for name in ("config.yaml", "template.key"):
            (tmp_path / "etc" / "appliance" / name).touch(0o666)
        subprocess.run(
            [command, "--create", f"--root={tmp_path}", FOLDER / "appliance.tmpfiles"],
            check=True,
            capture_output=True,
        )
        assert {path: access(tmp_path / path) for path in OWNED} == OWNED


# Mode, user and group: 77 and 78 are the service's.
OWNED = {
    "etc/appliance": (0o750, 0, 78),
    "etc/appliance/config.yaml": (0o640, 0, 78),
    "etc/appliance/template.key": (0o600, 0, 0),
    "var/lib/appliance": (0o700, 77, 78),
}


def access(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mode & 0o7777, found.st_uid, found.st_gid


class TestTheUdevRules:
    def test_are_understood(self) -> None:
        command = program("udevadm")
        rules = FOLDER / "60-appliance.rules"
        told = subprocess.run(
            [command, "verify", rules], capture_output=True, text=True, check=False
        )
        if "Unknown" in told.stderr and "verify" in told.stderr:
            pytest.skip("udevadm cannot verify rules (before systemd 254)")
        # A machine without GPIO has no group of that name.
        complaints = [line for line in told.stderr.splitlines() if "Unknown group" not in line]
        assert [line for line in complaints if "check failed" not in line] == []

    def test_give_nothing_to_everybody(self) -> None:
        text = (FOLDER / "60-appliance.rules").read_text(encoding="utf-8")
        rules = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert rules
        for rule in rules:
            assert re.search(r'GROUP="(gpio|video)", MODE="0660"$', rule)
