"""What `appliance doctor` and `appliance status` say of the board."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

import pytest

from appliance.board.watch import EVERY_S, BoardWatch
from appliance.config import Config, parse
from appliance.doctor import Check, Status
from appliance.doctor_board import Surroundings, checks, here
from tests import trees
from tests.conftest import ROOT
from tests.fakes import FakeClock
from tests.trees import write

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
OK, WARN, FAIL = Status.OK, Status.WARN, Status.FAIL
KEYPAD = parse("claims: {sources: [keypad], keypad: usb, keypad_device: /dev/input/by-id/k}")
REAL = parse("door: {driver: gpiozero, pin: 17}")
ON_A_CARD = {"proc/self/mountinfo": trees.ON_A_CARD}
PI = {"proc/device-tree/model": trees.PI_4}


def around(root: Path) -> Surroundings:
    return Surroundings(
        root=root,
        folder=PurePosixPath("/var/lib/appliance"),
        now=NOW,
        ask=lambda: None,
        free_inodes=lambda: 900_000,
        bits=64,
        machine="aarch64",
    )


def told(
    name: str, root: Path, files: Mapping[str, str | None], config: Config | None = None
) -> Check:
    found = checks(config or Config(), around(write(root, files)))
    return next(it for it in found if it.name == name)


def test_a_bare_tree_is_never_well_by_accident(tmp_path: Path) -> None:
    """Nothing is there to be read: what is called well says itself that nothing told."""
    found = {it.name: it for it in checks(KEYPAD, around(write(tmp_path, PI)))}
    assert {name for name, it in found.items() if it.status is not OK} == {
        "power", "heat", "files", "memory", "watchdog", "updates",
    }  # fmt: skip
    assert found["power"].detail == "not told here: whether the supply is strong enough"
    assert found["card"].detail == "the state lies on no memory card that is known here"
    assert found["usb"].detail == "no USB controller tells what it lets in"
    for check in found.values():
        assert (check.hint == "") is (check.status is OK)


def test_a_pc_has_no_such_sensors(tmp_path: Path) -> None:
    for name in ("power", "heat"):
        assert told(name, tmp_path, {}).detail.startswith("no sensor here tells")


def test_this_machine_can_be_looked_at(tmp_path: Path) -> None:
    config = Config.model_validate({"store": {"path": tmp_path / "not" / "yet"}})
    found = here(config)
    assert found.folder == PurePosixPath(os.path.realpath(tmp_path))
    assert (found.free_inodes() or 1) > 0
    assert found.now.tzinfo is not None
    assert len([*checks(config, found)]) == 11


class TestPower:
    @pytest.mark.parametrize(
        ("word", "status", "detail"),
        [
            (trees.NORMAL, OK, "the supply is strong enough (get_throttled)"),
            (
                trees.WEAK,
                FAIL,
                "the supply's voltage is too low and the processor is slowed down (get_throttled)",
            ),
            (
                trees.SOFT_LIMIT,
                WARN,
                "the soft limit of the temperature is reached (get_throttled)",
            ),
        ],
    )
    def test_of_a_pi(self, tmp_path: Path, word: str, status: Status, detail: str) -> None:
        check = told("power", tmp_path, {**PI, trees.FIRMWARE: word})
        assert (check.status, check.detail) == (status, detail)

    def test_what_has_been(self, tmp_path: Path) -> None:
        asked = replace(around(write(tmp_path, PI)), ask=lambda: trees.ASKED)
        check = next(it for it in checks(Config(), asked) if it.name == "power")
        assert check.status is WARN
        assert check.detail.startswith("since the board started it happened that the supply's")
        assert check.detail.endswith("(vcgencmd)")


class TestHeat:
    @pytest.mark.parametrize(
        ("milli", "status", "detail"),
        [
            (55_300, OK, "55 °C at cpu-thermal, 25 below its limit"),
            (81_000, WARN, "81 °C at cpu-thermal, where the board slows down"),
            (86_000, FAIL, "86 °C at cpu-thermal; at 90 °C it switches off"),
        ],
    )
    def test_by_its_limits(self, tmp_path: Path, milli: int, status: Status, detail: str) -> None:
        zone = "sys/class/thermal/thermal_zone0"
        check = told("heat", tmp_path, {
            **PI,
            f"{zone}/type": "cpu-thermal\n",
            f"{zone}/temp": f"{milli}\n",
            f"{zone}/trip_point_0_type": "critical\n",
            f"{zone}/trip_point_0_temp": "90000\n",
        })  # fmt: skip
        assert (check.status, check.detail) == (status, detail)

    def test_of_a_machine_without_limits(self, tmp_path: Path) -> None:
        check = told("heat", tmp_path, {"sys/class/thermal/thermal_zone0/temp": "91000\n"})
        assert check == Check("heat", OK, "91 °C at thermal_zone0, no limit is told")


class TestFiles:
    def test_all_is_well(self, tmp_path: Path) -> None:
        errors = {"sys/fs/ext4/mmcblk0p2/errors_count": "0\n"}
        check = told("files", tmp_path, {**ON_A_CARD, **trees.card(), **errors})
        assert check == Check("files", OK, "root writable, state on ext4, no errors found")

    def test_a_read_only_root_with_a_state_of_its_own(self, tmp_path: Path) -> None:
        laid = trees.OVERLAID + trees.WITH_A_STATE
        check = told("files", tmp_path, {"proc/self/mountinfo": laid}, REAL)
        assert check == Check("files", OK, "root read-only, state on ext4")

    @pytest.mark.parametrize(("config", "status"), [(REAL, FAIL), (Config(), WARN)])
    def test_a_read_only_root_that_forgets_who_is_enrolled(
        self, tmp_path: Path, config: Config, status: Status
    ) -> None:
        check = told("files", tmp_path, {"proc/self/mountinfo": trees.OVERLAID}, config)
        assert check.status is status
        assert "forgotten at the next start" in check.detail

    def test_a_root_that_became_read_only(self, tmp_path: Path) -> None:
        line = trees.ON_A_CARD.replace("p2 rw", "p2 ro") + trees.WITH_A_STATE
        check = told("files", tmp_path, {"proc/self/mountinfo": line})
        assert (check.status, check.detail) == (FAIL, "the root file system has become read-only")
        assert told("files", tmp_path, {"etc/fstab": "x / ext4 ro 0 1\n"}).status is OK

    def test_a_state_that_takes_no_writing(self, tmp_path: Path) -> None:
        line = trees.ON_A_CARD + trees.WITH_A_STATE.replace("p3 rw", "p3 ro")
        check = told("files", tmp_path, {"proc/self/mountinfo": line})
        assert (check.status, check.detail) == (FAIL, "/var/lib/appliance takes no writing")

    def test_errors_that_the_kernel_has_counted(self, tmp_path: Path) -> None:
        errors = {"sys/fs/ext4/mmcblk0p2/errors_count": "3\n"}
        check = told("files", tmp_path, {**ON_A_CARD, **trees.card(), **errors})
        assert check.status is FAIL
        assert check.detail.startswith("3 errors were found on /dev/mmcblk0p2")

    def test_no_room_for_files(self, tmp_path: Path) -> None:
        full = replace(around(write(tmp_path, ON_A_CARD)), free_inodes=lambda: 12)
        check = next(it for it in checks(Config(), full) if it.name == "files")
        assert (check.status, check.detail[:22]) == (FAIL, "room for 12 more files")


class TestCard:
    @pytest.mark.parametrize(
        ("kind", "life", "reserve", "status", "detail"),
        [
            ("SD", None, None, OK, "mmcblk0 is an SD card, which tells nothing of its wear"),
            ("MMC", None, None, OK, "mmcblk0 tells no wear"),
            ("MMC", "0x02 0x01", "0x01", OK, "mmcblk0: 10 to 20 % of its life are used"),
            ("MMC", "0x09 0x01", "0x01", WARN, "mmcblk0: 80 to 90 % of its life are used"),
            ("MMC", "0x0b 0x01", "0x01", FAIL, "mmcblk0: more than its life is used"),
        ],
    )
    def test_wear(  # noqa: PLR0917 - reads as a row
        self, tmp_path: Path, kind: str, life: str | None, reserve: str | None,
        status: Status, detail: str,
    ) -> None:  # fmt: skip
        files = {**ON_A_CARD, **trees.card(kind=kind, life=life, reserve=reserve)}
        check = told("card", tmp_path, files)
        assert (check.status, check.detail) == (status, detail)

    def test_swap_on_it(self, tmp_path: Path) -> None:
        swaps = {"proc/swaps": "Filename Type Size Used Priority\n/var/swap file 1 0 -2\n"}
        check = told("card", tmp_path, {**ON_A_CARD, **trees.card(), **swaps})
        assert check.status is WARN
        assert check.detail.endswith("; swap is on it: /var/swap")


@pytest.mark.parametrize(
    ("free", "controllers", "status", "detail"),
    [
        (1_000_000, "cpu io memory pids", OK, "1024 MB can be had"),
        (100_000, "cpu io memory pids", WARN, "102 MB can be had"),
        (1_000_000, "cpu io pids", WARN, "1024 MB can be had; the kernel keeps no limits"),
    ],
)
def test_memory(tmp_path: Path, free: int, controllers: str, status: Status, detail: str) -> None:
    files = {
        "proc/meminfo": f"MemTotal: 4000000 kB\nMemAvailable: {free} kB\n",
        "sys/fs/cgroup/cgroup.controllers": f"{controllers}\n",
    }
    check = told("memory", tmp_path, files)
    assert check.status is status
    assert check.detail.startswith(detail)


class TestTerminals:
    def test_matter_where_a_keypad_is_a_keyboard(self, tmp_path: Path) -> None:
        check = told("terminals", tmp_path, trees.DEBIAN, KEYPAD)
        assert check.status is WARN
        assert check.detail.startswith("while the service is down, what is typed at the keypad")
        assert "a login prompt on tty1" in check.detail
        assert told("terminals", tmp_path / "without", trees.DEBIAN).status is OK

    def test_a_reader_is_one_too(self, tmp_path: Path) -> None:
        config = parse("claims: {sources: [card], card_device: /dev/input/by-id/c}")
        assert "card reader" in told("terminals", tmp_path, trees.DEBIAN, config).detail

    @pytest.mark.parametrize(("config", "status"), [(KEYPAD, FAIL), (Config(), WARN)])
    def test_nobody_is_logged_in_unasked(
        self, tmp_path: Path, config: Config, status: Status
    ) -> None:
        name = "etc/systemd/system/getty@tty1.service.d/autologin.conf"
        drop_in = {name: "[Service]\nExecStart=-/sbin/agetty --autologin pi %I\n"}
        check = told("terminals", tmp_path, {**trees.DEBIAN, **drop_in}, config)
        assert (check.status, "without a password on tty1" in check.detail) == (status, True)

    def test_a_serial_line(self, tmp_path: Path) -> None:
        unit = "run/systemd/generator/getty.target.wants/serial-getty@ttyS0.service"
        check = told("terminals", tmp_path, {unit: ""})
        assert (check.status, "serial-getty@ttyS0" in check.hint) == (WARN, True)


class TestUsb:
    OPEN = {"sys/bus/usb/devices/usb1/authorized_default": "1\n"}  # noqa: RUF012 - read only

    def test_the_cable_to_the_keypad_is_a_way_in(self, tmp_path: Path) -> None:
        assert told("usb", tmp_path, self.OPEN, KEYPAD).status is WARN
        assert told("usb", tmp_path, self.OPEN).status is OK

    @pytest.mark.parametrize(
        "closed",
        [
            {"sys/bus/usb/devices/usb1/authorized_default": "0\n"},
            {"etc/systemd/system/basic.target.wants/usbguard.service": ""},
        ],
    )
    def test_that_is_closed(self, tmp_path: Path, closed: dict[str, str]) -> None:
        assert told("usb", tmp_path, {**self.OPEN, **closed}, KEYPAD).status is OK

    def test_a_disk_that_is_read(self, tmp_path: Path) -> None:
        modules = {"proc/modules": "uas 32768 0 - Live 0x0\nusb_storage 81920 1 uas, Live 0x0\n"}
        check = told("usb", tmp_path, {**self.OPEN, **modules})
        assert (check.status, check.detail) == (
            WARN,
            "a disk that is plugged in is read (uas, usb_storage)",
        )


UPDATES: dict[str, str | None] = {
    "etc/apt/apt.conf.d/20auto-upgrades": (
        'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
    ),
    "usr/bin/unattended-upgrade": "",
    "etc/systemd/system/timers.target.wants/apt-daily.timer": "",
    "etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer": "",
    "var/lib/apt/periodic/update-success-stamp": "",
    "var/lib/apt/periodic/unattended-upgrades-stamp": "",
}


class TestUpdates:
    def stamped(self, root: Path, ago: timedelta) -> Path:
        write(root, UPDATES)
        for path in (root / "var/lib/apt/periodic").iterdir():
            os.utime(path, (0, (NOW - ago).timestamp()))
        return root

    def test_they_come_by_themselves(self, tmp_path: Path) -> None:
        check = told("updates", self.stamped(tmp_path, timedelta(days=2)), {})
        assert check == Check("updates", OK, "automatic, last 2 days ago")

    def test_nobody_has_asked_for_long(self, tmp_path: Path) -> None:
        check = told("updates", self.stamped(tmp_path, timedelta(days=20)), {})
        assert (check.status, "not for 20 days" in check.detail) == (WARN, True)

    def test_one_waits_for_a_restart(self, tmp_path: Path) -> None:
        files = {"run/reboot-required": ""}
        check = told("updates", self.stamped(tmp_path, timedelta(days=1)), files)
        assert (check.status, check.detail) == (WARN, "an update waits for a restart")

    @pytest.mark.parametrize("missing", [it for it in UPDATES if "stamp" not in it])
    def test_every_part_is_needed(self, tmp_path: Path, missing: str) -> None:
        kept = {name: content for name, content in UPDATES.items() if name != missing}
        check = told("updates", tmp_path, {"etc/apt": None, **kept})
        assert (check.status, "not installed by themselves" in check.detail) == (WARN, True)

    @pytest.mark.parametrize(
        ("file", "content", "status"),
        [
            ("apt.conf.d/99off", '// no\nAPT::Periodic::Unattended-Upgrade "0";\n', WARN),
            ("apt.conf.d/99off", 'APT::Periodic::Enable "0";\n', WARN),
            ("apt.conf.d/99off", "apt::periodic::enable 0;\n", WARN),
            ("apt.conf.d/99off", 'APT {\n Periodic { Unattended-Upgrade "0"; };\n};\n', WARN),
            ("apt.conf.d/99off", "#clear APT::Periodic;\n", WARN),
            # apt.conf(5): the file of that name is read after its folder.
            ("apt.conf", 'APT::Periodic::Unattended-Upgrade "0";\n', WARN),
            ("apt.conf.d/10on", 'APT::Periodic::Unattended-Upgrade "0";\n', OK),
            ("apt.conf.d/99off", '/* APT::Periodic::Enable "0"; */ Dir::Log "x; { // y";\n', OK),
            ("apt.conf.d/99off~", 'APT::Periodic::Enable "0";\n', OK),
            ("apt.conf.d/99off.dpkg-old", 'APT::Periodic::Enable "0";\n', OK),
            ("apt.conf.d/99on", 'APT::Periodic { Enable "1"; Verbose "2"; };\n', OK),
        ],
    )
    def test_the_last_word_counts(
        self, tmp_path: Path, file: str, content: str, status: Status
    ) -> None:
        check = told(
            "updates", self.stamped(tmp_path, timedelta(days=1)), {f"etc/apt/{file}": content}
        )
        assert check.status is status

    @pytest.mark.parametrize("unit", ["apt-daily.service", "apt-daily-upgrade.service"])
    def test_a_timer_of_what_cannot_be_started(self, tmp_path: Path, unit: str) -> None:
        root = self.stamped(tmp_path, timedelta(days=1))
        check = told("updates", root, {f"etc/systemd/system/{unit}": "->/dev/null"})
        assert (check.status, "not installed by themselves" in check.detail) == (WARN, True)


class TestWatchdog:
    SOFT = {  # noqa: RUF012 - read only
        "sys/class/watchdog/watchdog0/identity": "Software Watchdog\n",
        "sys/class/watchdog/watchdog0/state": "active\n",
        "etc/systemd/system.conf": "RuntimeWatchdogSec=15\n",
    }

    def hard(self, state: str) -> dict[str, str]:
        folder = "sys/class/watchdog/watchdog1"
        return {f"{folder}/identity": "Tegra WDT\n", f"{folder}/state": f"{state}\n"}

    def test_a_timer_of_the_kernel_hangs_with_it(self, tmp_path: Path) -> None:
        check = told("watchdog", tmp_path, self.SOFT)
        assert check.status is WARN
        assert check.detail == "only Software Watchdog, a timer of the kernel that hangs with it"

    def test_the_one_in_the_chip_must_be_fed(self, tmp_path: Path) -> None:
        check = told("watchdog", tmp_path, {**self.SOFT, **self.hard("inactive")})
        assert check.status is WARN
        assert "WatchdogDevice=" in check.hint
        check = told("watchdog", tmp_path, self.hard("active"))
        assert check == Check("watchdog", OK, "Tegra WDT, fed by systemd (within 15)")


def test_32_bits_are_said_plainly(tmp_path: Path) -> None:
    narrow = replace(around(tmp_path), bits=32)
    check = next(it for it in checks(Config(), narrow) if it.name == "userland")
    assert check.status is WARN
    assert (
        check.detail == "32 bits on aarch64, though the kernel has 64: not supported, never tried"
    )


@pytest.mark.parametrize(
    ("own", "status", "detail"),
    [
        ("PasswordAuthentication no\n", OK, "by keys only"),
        ("", WARN, "a password is enough to log in by SSH"),
        ("PermitRootLogin yes\n", WARN, "root may log in by SSH with a password"),
        (
            "PasswordAuthentication no\nMatch User bob\nPasswordAuthentication yes\n",
            WARN,
            "a password is enough for some to log in by SSH (a Match of sshd_config)",
        ),
    ],
)
def test_ssh(tmp_path: Path, own: str, status: Status, detail: str) -> None:
    unit = {"etc/systemd/system/multi-user.target.wants/ssh.service": ""}
    files = {"etc/ssh/sshd_config": f"KbdInteractiveAuthentication no\n{own}", **unit}
    check = told("ssh", tmp_path, files)
    assert (check.status, check.detail) == (status, detail)


def test_another_ssh_server(tmp_path: Path) -> None:
    check = told("ssh", tmp_path, {"proc/7/comm": "dropbear\n"})
    detail = "not told here: what dropbear, which takes logins by SSH, asks for"
    assert (check.status, check.detail) == (WARN, detail)


def test_nobody_takes_logins_by_ssh(tmp_path: Path) -> None:
    assert told("ssh", tmp_path, {}) == Check("ssh", OK, "nobody can log in by SSH")


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ({"door": "ok"}, {"door": "ok", "power": "fail", "card": "fail"}, ""),
        ({"heat": "ok"}, {"heat": "fail", "files": "fail"}, ""),
        ({"door": "ok"}, {"door": "fail", "heat": "fail"}, "door"),
        ({"door": "ok"}, {"door": "ok", "terminals": "fail"}, "terminals"),
    ],
)
def test_no_upgrade_is_undone_for_what_the_board_suffers_from(
    before: dict[str, str], after: dict[str, str], worse: str
) -> None:
    script = f'python={sys.executable}; . {ROOT}/systemd/install/service.sh; worse "$1" "$2"'
    told = subprocess.run(
        ["bash", "-euc", script, "bash", json.dumps(before), json.dumps(after)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == worse


class TestWhileTheServiceRuns:
    def watch(self, root: Path, clock: FakeClock) -> BoardWatch:
        return BoardWatch(clock, PurePosixPath("/var/lib/appliance"), root)

    def test_looks_once_a_minute_and_tells_changes(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        write(tmp_path, {trees.FIRMWARE: trees.NORMAL, **ON_A_CARD})
        clock = FakeClock()
        watch = self.watch(tmp_path, clock)
        assert watch.look() == ""
        write(tmp_path, {trees.FIRMWARE: trees.WEAK})
        clock.advance(EVERY_S - 1)
        assert watch.look() == ""
        clock.advance(1)
        sentence = "the supply's voltage is too low; the processor is slowed down"
        assert watch.look() == sentence
        clock.advance(EVERY_S)
        assert watch.look() == sentence
        write(tmp_path, {trees.FIRMWARE: trees.NORMAL})
        clock.advance(EVERY_S)
        assert watch.look() == ""
        assert [it.getMessage() for it in caplog.records] == [
            "board: power told by get_throttled, heat by 0 sensors",
            f"board: {sentence}",
            "board: well again",
        ]

    def test_heat_and_a_disk_that_failed(self, tmp_path: Path) -> None:
        zone = "sys/class/thermal/thermal_zone0"
        write(tmp_path, {
            **PI,
            f"{zone}/type": "cpu-thermal\n",
            f"{zone}/temp": "82000\n",
            "proc/self/mountinfo": trees.ON_A_CARD.replace("p2 rw", "p2 ro"),
        })  # fmt: skip
        assert self.watch(tmp_path, FakeClock()).look() == (
            "it is hot: 82 °C at cpu-thermal; the disk of /var/lib/appliance takes no writing"
        )

    def test_a_fault_of_its_own_does_not_end_the_service(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(_root: Path) -> None:
            raise RuntimeError("a kernel that writes something new")

        monkeypatch.setattr("appliance.board.watch.power", broken)
        assert "fails" in self.watch(tmp_path, FakeClock()).look()
        assert "something new" in caplog.text
