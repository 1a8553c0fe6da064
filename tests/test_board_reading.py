"""What is read of a board: power, heat, mounts, units, sshd."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from appliance.board.files import is_a_jetson, is_a_pi
from appliance.board.heat import Zone, zones
from appliance.board.lines import keeps_levels
from appliance.board.mounts import forgets, meant_read_only, mount_of, mounts, partition
from appliance.board.power import Power, Strain, power
from appliance.board.remote import Remote, remote
from appliance.board.storage import Wear, swap_on_cards, wear
from appliance.board.terminals import terminals
from appliance.board.units import masked, setting, wanted
from appliance.board.watchdog import Watchdog, watchdog
from tests import trees
from tests.trees import write

LOW, CAPPED = Strain.UNDERVOLTAGE, Strain.CAPPED
SLOW, WARM = Strain.THROTTLED, Strain.WARM


def told(source: str, now: set[Strain], before: set[Strain]) -> Power:
    return Power(source, frozenset(now), frozenset(before))


class TestPower:
    @pytest.mark.parametrize(
        ("word", "now", "before"),
        [
            (trees.NORMAL, set(), set()),
            (trees.WEAK, {LOW, SLOW}, {LOW, SLOW}),
            (trees.SOFT_LIMIT, {WARM}, {WARM}),
            ("20002\n", {CAPPED}, {CAPPED}),
        ],
    )
    @pytest.mark.parametrize("place", [trees.FIRMWARE, trees.FIRMWARE_5])
    def test_the_firmwares_word(
        self, tmp_path: Path, place: str, word: str, now: set[Strain], before: set[Strain]
    ) -> None:
        assert power(write(tmp_path, {place: word})) == told("get_throttled", now, before)

    def test_only_an_alarm(self, tmp_path: Path) -> None:
        files = {"sys/class/hwmon/hwmon1/name": "rpi_volt\n"}
        alarm = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
        write(tmp_path, {**files, "sys/class/hwmon/hwmon0/name": "cpu_thermal\n"})
        assert power(tmp_path) is None
        assert power(write(tmp_path, {alarm: "0\n"})) == told("rpi_volt", set(), set())
        assert power(write(tmp_path, {alarm: "1\n"})) == told("rpi_volt", {LOW}, set())

    def test_who_reaches_back_to_the_start_is_asked_too(self, tmp_path: Path) -> None:
        write(tmp_path, {trees.FIRMWARE: trees.NORMAL})
        both = power(tmp_path, lambda: trees.ASKED)
        assert both == told("get_throttled and vcgencmd", set(), {LOW, SLOW})
        assert not both.well
        alone = power(tmp_path / "nothing", lambda: "throttled=0x0\n")
        assert alone is not None
        assert (alone.source, alone.well) == ("vcgencmd", True)

    @pytest.mark.parametrize("answer", [None, "", "VCHI initialization failed\n"])
    def test_who_tells_nothing_is_not_believed(self, tmp_path: Path, answer: str | None) -> None:
        assert power(write(tmp_path, {trees.FIRMWARE: "\n"}), lambda: answer) is None

    def test_a_jetson_counts(self, tmp_path: Path) -> None:
        # An Orin at full load, without its name: counters 0, 15, 37 as its owner wrote them down.
        device = "sys/class/hwmon/hwmon3"
        counts = {f"{device}/oc{n}_event_cnt": f"{c}\n" for n, c in ((1, 0), (2, 15), (3, 37))}
        write(tmp_path, {f"{device}/name": "soctherm_oc\n", **counts})
        assert power(tmp_path) == told("soctherm_oc", set(), {Strain.OVERCURRENT})
        write(tmp_path, {f"{device}/oc1_event_cnt": "2\n"})
        assert power(tmp_path) == told("soctherm_oc", set(), {LOW, Strain.OVERCURRENT})


def zone(number: int, **files: str) -> dict[str, str]:
    folder = f"sys/class/thermal/thermal_zone{number}"
    return {f"{folder}/{name}": f"{content}\n" for name, content in files.items()}


class TestHeat:
    def test_nearest_to_its_limit_first(self, tmp_path: Path) -> None:
        # Kinds and names as an Orin has them; limits as its device tree sets them.
        limits = {
            "trip_point_0_type": "active", "trip_point_0_temp": "50000",
            "trip_point_1_type": "passive", "trip_point_1_temp": "99000",
            "trip_point_2_type": "critical", "trip_point_2_temp": "104500",
        }  # fmt: skip
        write(tmp_path, zone(0, type="gpu-thermal", temp="61000", **limits))
        write(tmp_path, zone(1, type="cpu-thermal", temp="71500", **limits))
        write(tmp_path, zone(2, type="cv0-thermal"))  # switched off: no temperature
        found = zones(tmp_path)
        assert [it.name for it in found] == ["cpu-thermal", "gpu-thermal"]
        assert found[0] == Zone("cpu-thermal", 71.5, 99.0, 104.5)
        assert not found[0].warm

    def test_a_pi_has_a_limit_of_its_own(self, tmp_path: Path) -> None:
        write(tmp_path, zone(0, type="cpu-thermal", temp="82000"))
        (found,) = zones(tmp_path)
        assert (found.slows, found.off, found.warm, found.near_its_end) == (
            None,
            None,
            False,
            False,
        )
        (found,) = zones(write(tmp_path, {"proc/device-tree/model": trees.PI_4}))
        assert (found.slows, found.warm, found.near_its_end) == (80.0, True, False)

    def test_limits_that_mean_none(self, tmp_path: Path) -> None:
        files = {"trip_point_0_type": "passive", "trip_point_0_temp": "-274000"}
        write(tmp_path, zone(0, type="x86_pkg_temp", temp="93000", **files))
        assert (zones(tmp_path)[0].slows, zones(tmp_path)[0].warm) == (None, False)

    def test_near_the_limit_at_which_it_stops(self, tmp_path: Path) -> None:
        files = {"trip_point_0_type": "critical", "trip_point_0_temp": "90000"}
        write(tmp_path, zone(0, type="cpu-thermal", temp="85000", **files))
        assert zones(tmp_path)[0].near_its_end


class TestMounts:
    def test_options_of_the_file_system_count(self, tmp_path: Path) -> None:
        # ProtectSystem=strict: the mount is read-only, the file system is not.
        sandbox = trees.ON_A_CARD.replace("/ / rw,noatime", "/ / ro,noatime")
        among = mounts(write(tmp_path, {"proc/self/mountinfo": sandbox}))
        assert [it.read_only for it in among] == [False, False]
        broken = trees.ON_A_CARD.replace("p2 rw", "p2 ro,errors=remount-ro")
        write(tmp_path, {"proc/self/mountinfo": broken})
        assert [it.read_only for it in mounts(tmp_path)] == [True, False]

    def test_the_deepest_and_last_one_holds_a_file(self, tmp_path: Path) -> None:
        over = "40 26 0:50 / /var/lib/app\\040x rw - tmpfs tmpfs rw\n"
        among = mounts(
            write(tmp_path, {"proc/self/mountinfo": trees.ON_A_CARD + over + "rubbish\n"})
        )
        assert len(among) == 3
        kinds = [mount_of(PurePosixPath(it), among) for it in ("/var/lib", "/var/lib/app x/db")]
        assert [it.kind if it else "" for it in kinds] == ["ext4", "tmpfs"]
        assert mount_of(PurePosixPath("/"), ()) is None

    def test_what_lies_over_it_in_memory_is_forgotten(self, tmp_path: Path) -> None:
        laid = trees.OVERLAID + trees.WITH_A_STATE
        among = mounts(write(tmp_path, {"proc/self/mountinfo": laid}))
        root, _, memory, state = among
        assert [forgets(it, among) for it in (root, memory, state)] == [True, True, False]

    def test_a_containers_overlay_is_not_in_memory(self, tmp_path: Path) -> None:
        line = "1 0 0:40 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/var/lib/d/diff\n"
        among = mounts(write(tmp_path, {"proc/self/mountinfo": line}))
        assert not forgets(among[0], among)

    @pytest.mark.parametrize(
        ("fstab", "cmdline", "meant"),
        [
            ("PARTUUID=1-02 / ext4 defaults,noatime 0 1\n", "root=/dev/sda1 ro quiet", False),
            ("PARTUUID=1-02 / ext4 defaults,ro 0 1\n", "", True),
            ("# / is elsewhere\n\nproc /proc proc ro 0 0\n", "root=/dev/sda1 ro", True),
            ("", "root=/dev/sda1 rootwait", False),
        ],
    )
    def test_meant_read_only(self, tmp_path: Path, fstab: str, cmdline: str, meant: bool) -> None:  # noqa: FBT001 - reads as a row
        write(tmp_path, {"etc/fstab": fstab, "proc/cmdline": cmdline})
        assert meant_read_only(tmp_path) is meant


class TestStorage:
    @pytest.mark.parametrize(
        ("life", "reserve", "used", "spare", "sentence"),
        [
            # The first from an eMMC by Foresee; 0 in type B means that it does not tell.
            ("0x01 0x00", "0x01", 1, 1, "0 to 10 % of its life are used"),
            ("0x02 0x09", "0x02", 9, 2, "80 to 90 % of its life are used, four fifths"),
            ("0x0b 0x01", "0x03", 11, 3, "more than its life is used, no spare"),
            (None, "0x01", None, 1, "its spare blocks are normal"),
            ("rubbish", None, None, None, ""),
        ],
    )
    def test_what_emmc_says(  # noqa: PLR0917 - reads as a row
        self, tmp_path: Path, life: str | None, reserve: str | None,
        used: int | None, spare: int | None, sentence: str,
    ) -> None:  # fmt: skip
        write(tmp_path, {"proc/self/mountinfo": trees.ON_A_CARD})
        write(tmp_path, trees.card(kind="MMC", life=life, reserve=reserve))
        found = wear(mounts(tmp_path)[0], tmp_path)
        assert found == Wear("mmcblk0", "MMC", used, spare)
        assert found.sentence.startswith(sentence)
        assert found.told is bool(sentence)

    def test_an_encrypted_disk_is_the_one_below(self, tmp_path: Path) -> None:
        line = "31 26 253:0 / /var/lib/appliance rw - ext4 /dev/mapper/state rw\n"
        write(tmp_path, {"proc/self/mountinfo": line, **trees.card(life="0x01 0x01")})
        below = "../../../../platform/emmc2bus/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p3"
        write(tmp_path, {
            "sys/devices/virtual/block/dm-0/slaves/mmcblk0p3": f"->{below}",
            "sys/dev/block/253:0": "->../../devices/virtual/block/dm-0",
        })  # fmt: skip
        found = wear(mounts(tmp_path)[0], tmp_path)
        assert found is not None
        assert (found.name, found.used) == ("mmcblk0", 1)

    def test_what_is_on_no_disk(self, tmp_path: Path) -> None:
        write(tmp_path, {"proc/self/mountinfo": trees.OVERLAID})
        assert partition(mounts(tmp_path)[0], tmp_path) is None
        assert wear(mounts(tmp_path)[0], tmp_path) is None

    def test_swap(self, tmp_path: Path) -> None:
        head = "Filename\t\t\tType\t\tSize\tUsed\tPriority\n"
        swaps = f"{head}/var/swap  file\t\t524284\t0\t-2\n/dev/zram0  partition\t99\t0\t100\n"
        write(tmp_path, {"proc/self/mountinfo": trees.ON_A_CARD, "proc/swaps": swaps})
        write(tmp_path, trees.card())
        assert swap_on_cards(mounts(tmp_path), tmp_path) == ("/var/swap",)
        write(tmp_path, {"proc/swaps": f"{head}/dev/mmcblk0p3 partition 1 0 -2\n"})
        assert swap_on_cards(mounts(tmp_path), tmp_path) == ("/dev/mmcblk0p3",)
        assert swap_on_cards((), tmp_path / "nothing") == ()

    def test_memory_that_is_written_out_in_the_end(self, tmp_path: Path) -> None:
        # As rpi-swap of Raspberry Pi OS (Trixie) sets it up: zram, and a file behind it.
        zram = {"proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n"}
        write(tmp_path, {"proc/self/mountinfo": trees.ON_A_CARD, **trees.card(), **zram})
        write(tmp_path, {"sys/class/block/zram0/backing_dev": "none\n"})
        assert swap_on_cards(mounts(tmp_path), tmp_path) == ()
        write(tmp_path, {"sys/class/block/zram0/backing_dev": "/dev/loop0\n"})
        write(tmp_path, {"sys/class/block/loop0/loop/backing_file": "/var/swap\n"})
        assert swap_on_cards(mounts(tmp_path), tmp_path) == ("/var/swap",)


class TestUnits:
    def test_masked_by_name_or_by_template(self, tmp_path: Path) -> None:
        write(tmp_path, trees.DEBIAN)
        assert wanted("getty@tty*.service", tmp_path) == ("getty@tty1.service",)
        write(tmp_path, {"etc/systemd/system/getty@tty1.service": "->/dev/null"})
        assert masked("getty@tty1.service", tmp_path)
        assert wanted("getty@tty*.service", tmp_path) == ()
        assert not masked("autovt@.service", tmp_path)

    def test_the_last_word_of_the_last_file_counts(self, tmp_path: Path) -> None:
        files = {
            "etc/systemd/system.conf": "[Manager]\n#RuntimeWatchdogSec=0\n",
            "usr/lib/systemd/system.conf.d/40-vendor.conf": "[Manager]\nRuntimeWatchdogSec=1m\n",
        }
        assert setting("system.conf", "RuntimeWatchdogSec", write(tmp_path, files)) == "1m"
        own = {"etc/systemd/system.conf.d/50-own.conf": "[Manager]\nRuntimeWatchdogSec = 15\n"}
        assert setting("system.conf", "RuntimeWatchdogSec", write(tmp_path, own)) == "15"
        hides = {"etc/systemd/system.conf.d/40-vendor.conf": ""}
        write(tmp_path, {**hides, "etc/systemd/system.conf.d/50-own.conf": "[Manager]\n"})
        assert setting("system.conf", "RuntimeWatchdogSec", tmp_path) is None


class TestWatchdog:
    def test_nothing_is_there(self, tmp_path: Path) -> None:
        assert watchdog(tmp_path) == Watchdog((), None, None)

    @pytest.mark.parametrize(
        ("value", "runtime"), [("15", "15"), ("1min", "1min"), ("0", None), ("off", None)]
    )
    def test_what_systemd_does_with_it(
        self, tmp_path: Path, value: str, runtime: str | None
    ) -> None:
        write(tmp_path, {
            "sys/class/watchdog/watchdog0/identity": "Broadcom BCM2835 Watchdog timer\n",
            "sys/class/watchdog/watchdog0/state": "active\n",
            "etc/systemd/system.conf": f"RuntimeWatchdogSec={value}\n",
        })  # fmt: skip
        name = "Broadcom BCM2835 Watchdog timer"
        assert watchdog(tmp_path) == Watchdog((name,), True, runtime)

    def test_a_kernel_that_shows_the_device_only(self, tmp_path: Path) -> None:
        assert watchdog(write(tmp_path, {"dev/watchdog": ""})) == Watchdog(
            ("watchdog",), None, None
        )
        # It may be the kernel's own timer, so it is taken for that.
        write(tmp_path, {"sys/module/softdog": None})
        assert watchdog(tmp_path) == Watchdog((), None, None, ("watchdog",))

    def test_a_timer_of_the_kernel_is_no_watchdog(self, tmp_path: Path) -> None:
        soft, hard = (f"sys/class/watchdog/watchdog{n}" for n in (0, 1))
        write(tmp_path, {f"{soft}/identity": "Software Watchdog\n", f"{soft}/state": "active\n"})
        assert watchdog(tmp_path) == Watchdog((), None, None, ("Software Watchdog",))
        write(tmp_path, {f"{hard}/identity": "Tegra WDT\n", f"{hard}/state": "inactive\n"})
        assert watchdog(tmp_path) == Watchdog(("Tegra WDT",), False, None, ("Software Watchdog",))


class TestTerminals:
    def test_debian_as_it_comes(self, tmp_path: Path) -> None:
        found = terminals(write(tmp_path, trees.DEBIAN))
        assert found.screen == (
            "a login prompt on tty1",
            "a login prompt on any terminal that is switched to",
            "Ctrl-Alt-Del, which restarts the board",
            "the kernel's SysRq keys",
        )
        assert (found.serial, found.automatic) == ((), ())

    def test_after_the_commands_of_the_page_nobody_listens(self, tmp_path: Path) -> None:
        write(tmp_path, {**trees.DEBIAN, "proc/sys/kernel/sysrq": "0\n"})
        for unit in ("getty@tty1.service", "autovt@.service", "ctrl-alt-del.target"):
            write(tmp_path, {f"etc/systemd/system/{unit}": "->/dev/null"})
        assert terminals(tmp_path).screen == ()

    def test_logind_can_be_told_instead(self, tmp_path: Path) -> None:
        told = {"etc/systemd/logind.conf.d/no.conf": "[Login]\nNAutoVTs=0\nReserveVT=0\n"}
        found = terminals(write(tmp_path, {**trees.DEBIAN, **told})).screen
        assert not [it for it in found if "any terminal" in it]

    def test_one_that_still_runs_is_seen(self, tmp_path: Path) -> None:
        # proc_pid_stat(5): field 7 is the terminal; 1025 is major 4, minor 1, as agetty has it.
        stat = "612 (agetty) S 1 612 612 1025 612 4194560 241 0 0 0 0 0\n"
        write(tmp_path, {"proc/612/comm": "agetty\n", "proc/612/stat": stat})
        assert terminals(tmp_path).screen == ("a login prompt on tty1",)

    def test_serial_lines_and_who_is_logged_in_unasked(self, tmp_path: Path) -> None:
        write(tmp_path, {
            **trees.DEBIAN,
            # systemd-getty-generator makes it of console= on the kernel's line.
            "run/systemd/generator/getty.target.wants/serial-getty@ttyAMA10.service": "",
            # raspi-config writes this one.
            "etc/systemd/system/getty@tty1.service.d/autologin.conf": (
                "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin pi --noclear %I $TERM\n"
            ),
        })  # fmt: skip
        found = terminals(tmp_path)
        assert (found.serial, found.automatic) == (("ttyAMA10",), ("tty1",))

    @pytest.mark.parametrize(
        ("line", "automatic"),
        [
            ("-/sbin/agetty -a pi %I $TERM", ("tty1",)),
            ("-/sbin/agetty -Japi --noclear - $TERM", ("tty1",)),
            ("-/sbin/agetty --auto=pi %I", ("tty1",)),
            ("-/sbin/agetty --a pi %I", ("tty1",)),
            ("-/sbin/agetty -n -l /bin/bash %I", ("tty1",)),
            ("-/sbin/agetty --skip-login --login-program=/opt/kiosk %I", ("tty1",)),
            ("-/sbin/agetty -l /usr/bin/login %I", ()),
            ("-/sbin/agetty -o '-p -f pi' %I", ("tty1",)),
            ("-/sbin/agetty --skip-login --login-options '-f pi' %I", ("tty1",)),
            ("/bin/login -f root", ("tty1",)),
            ("-/bin/bash", ("tty1",)),
            ("-/sbin/agetty -o '-p -- \\\\u' --noclear %I $TERM", ()),
            ("-/sbin/agetty -f /etc/issue.door --noclear -t 60 %I $TERM", ()),
        ],
    )
    def test_every_way_to_say_who_is_logged_in(
        self, tmp_path: Path, line: str, automatic: tuple[str, ...]
    ) -> None:
        file = "etc/systemd/system/getty@tty1.service.d/own.conf"
        write(tmp_path, {**trees.DEBIAN, file: f"[Service]\nExecStart=\nExecStart={line}\n"})
        assert terminals(tmp_path).automatic == automatic

    @pytest.mark.parametrize("file", ["getty@.service.d/own.conf", "getty@.service"])
    def test_what_is_said_of_all_prompts(self, tmp_path: Path, file: str) -> None:
        line = "[Service]\nExecStart=-/sbin/agetty \\\n    -a pi %I $TERM\n"
        write(tmp_path, {**trees.DEBIAN, f"etc/systemd/system/{file}": line})
        assert terminals(tmp_path).automatic == ("tty1", "any terminal that is switched to")

    def test_a_prompt_that_is_started_on_demand_asks_nobody_either(self, tmp_path: Path) -> None:
        write(tmp_path, {
            **trees.DEBIAN,
            "etc/systemd/system/getty@tty1.service": "->/dev/null",
            "etc/systemd/system/getty@.service.d/own.conf": (
                "[Service]\nExecStart=-/sbin/agetty -a pi %I $TERM\n"
            ),
        })  # fmt: skip
        assert terminals(tmp_path).automatic == ("any terminal that is switched to",)

    @pytest.mark.parametrize(
        ("file", "content", "automatic"),
        [
            # raspi-config writes the first, NVIDIA's first start the second.
            (
                "etc/lightdm/lightdm.conf",
                "[Seat:*]\n#autologin-guest=\nautologin-user=pi\n",
                ("the desktop",),
            ),
            (
                "etc/gdm3/custom.conf",
                "[daemon]\nAutomaticLoginEnable=True\nAutomaticLogin=door\n",
                ("the desktop",),
            ),
            ("etc/lightdm/lightdm.conf", "[Seat:*]\n#autologin-user=pi\n", ()),
            ("etc/gdm3/custom.conf", "[daemon]\nAutomaticLoginEnable=false\n", ()),
        ],
    )
    def test_a_desktop_that_asks_nobody(
        self, tmp_path: Path, file: str, content: str, automatic: tuple[str, ...]
    ) -> None:
        write(tmp_path, {**trees.DEBIAN, file: content})
        assert terminals(tmp_path).automatic == ()
        desktop = {"etc/systemd/system/display-manager.service": "->/usr/lib/systemd/system/x"}
        assert terminals(write(tmp_path, desktop)).automatic == automatic


SSHD = "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n"
RUNS = {"etc/systemd/system/multi-user.target.wants/ssh.service": ""}


class TestRemote:
    @pytest.mark.parametrize(
        ("own", "passwords", "root"),
        [
            ("", True, False),
            ("PasswordAuthentication no\n", False, False),
            ('passwordauthentication="no"  # keys\nPermitRootLogin yes\n', False, False),
            ("PermitRootLogin yes\n", True, True),
            ("Match User x\nPasswordAuthentication no\n", True, False),
            ("PasswordAuthentication no\nKbdInteractiveAuthentication yes\n", True, False),
            ("PasswordAuthentication no\nChallengeResponseAuthentication yes\n", True, False),
        ],
    )
    def test_the_first_word_counts(
        self,
        tmp_path: Path,
        own: str,
        passwords: bool,  # noqa: FBT001 - reads as a row
        root: bool,  # noqa: FBT001 - reads as a row
    ) -> None:
        files = {**RUNS, "etc/ssh/sshd_config": SSHD, "etc/ssh/sshd_config.d/10-own.conf": own}
        assert remote(write(tmp_path, files)) == Remote(True, passwords, root)

    @pytest.mark.parametrize(
        ("matched", "some"),
        [
            ("Match User bob\nPasswordAuthentication yes\n", True),
            ("Match all\nAllowTcpForwarding no\nKbdInteractiveAuthentication yes\n", True),
            ("Match User bob\nX11Forwarding no\nMatch Host x\npasswordauthentication=yes\n", True),
            ("Match User bob\nInclude /etc/ssh/bob\n", True),
            ("Match User bob\nPasswordAuthentication no\n", False),
            ("Match User bob\nX11Forwarding no\n", False),
        ],
    )
    @pytest.mark.parametrize("file", ["sshd_config", "sshd_config.d/10-own.conf"])
    def test_who_is_told_apart_may_have_a_password(
        self,
        tmp_path: Path,
        file: str,
        matched: str,
        some: bool,  # noqa: FBT001 - reads as a row
    ) -> None:
        write(tmp_path, {**RUNS, "etc/ssh/sshd_config": SSHD})
        write(tmp_path, {"etc/ssh/sshd_config.d/00.conf": "PasswordAuthentication no\n"})
        write(tmp_path, {"etc/ssh/bob": "PasswordAuthentication yes\n"})
        path = tmp_path / "etc/ssh" / file
        path.write_text((SSHD if file == "sshd_config" else "") + matched)
        assert remote(tmp_path) == Remote(True, False, False, some=some)

    def test_what_follows_an_included_match_counts_for_everybody(self, tmp_path: Path) -> None:
        write(tmp_path, {**RUNS, "etc/ssh/sshd_config": f"{SSHD}PasswordAuthentication yes\n"})
        write(tmp_path, {"etc/ssh/sshd_config.d/10-own.conf": "Match User bob\n"})
        assert remote(tmp_path) == Remote(True, True, False)

    @pytest.mark.parametrize(
        "files",
        [
            {"etc/systemd/system/multi-user.target.wants/dropbear.service": ""},
            {"run/systemd/generator.late/multi-user.target.wants/dropbear.service": ""},
            {"etc/systemd/system/sockets.target.wants/dropbear.socket": ""},
            {"proc/77/comm": "dropbear\n"},
        ],
    )
    def test_another_server_of_the_same_kind(self, tmp_path: Path, files: dict[str, str]) -> None:
        found = remote(write(tmp_path, files))
        assert (found.runs, found.others) == (False, ("dropbear",))

    def test_one_that_was_started_by_hand_is_seen(self, tmp_path: Path) -> None:
        found = remote(write(tmp_path, {"etc/ssh/sshd_config": SSHD, "proc/77/comm": "sshd\n"}))
        assert found == Remote(True, True, False)

    def test_who_does_not_run_it(self, tmp_path: Path) -> None:
        assert not remote(write(tmp_path, {"etc/ssh/sshd_config": SSHD})).runs
        assert not remote(write(tmp_path / "other", RUNS)).runs

    def test_what_may_not_be_read_is_not_known(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = {"etc/ssh/sshd_config": SSHD, "etc/ssh/sshd_config.d/50-cloud-init.conf": ""}
        write(tmp_path, {**RUNS, **files})
        # Root may read everything, so the question is answered instead of the file being closed.
        monkeypatch.setattr(
            "appliance.board.remote.withheld", lambda it: it.name == "50-cloud-init.conf"
        )
        assert remote(tmp_path).withheld == ("/etc/ssh/sshd_config.d/50-cloud-init.conf",)


class TestLines:
    @pytest.mark.parametrize(
        ("model", "compatible", "driver", "said", "keeps"),
        [
            (trees.PI_4, "brcm,bcm2711", "pinctrl_bcm2835", "Y\n", True),
            (trees.PI_4, "brcm,bcm2711", "pinctrl_bcm2835", "N\n", False),
            (trees.PI_4, "brcm,bcm2711", "pinctrl_rp1", "N\n", True),
            (trees.PI_5, trees.PI_5_COMPATIBLE, "pinctrl_rp1", "N\n", False),
            (trees.PI_5, trees.PI_5_COMPATIBLE, "pinctrl_bcm2835", "N\n", True),
            ("NVIDIA Jetson Orin Nano", trees.ORIN_COMPATIBLE, "pinctrl_bcm2835", "Y\n", False),
        ],
    )
    def test_a_pi_keeps_levels_unless_its_driver_says_no(  # noqa: PLR0917 - reads as a row
        self,
        tmp_path: Path,
        model: str,
        compatible: str,
        driver: str,
        said: str,
        keeps: bool,  # noqa: FBT001 - reads as a row
    ) -> None:
        write(tmp_path, {
            "proc/device-tree/model": model,
            "proc/device-tree/compatible": compatible,
            f"sys/module/{driver}/parameters/persist_gpio_outputs": said,
        })  # fmt: skip
        assert keeps_levels(tmp_path) is keeps
        assert is_a_pi(tmp_path) is ("Raspberry" in model)
        assert is_a_jetson(tmp_path) is ("Jetson" in model)
