"""Which systems the appliance is installed on, and what they get."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.install.stand_ins import OS_RELEASE, System

TRIXIE = """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
DEBIAN_VERSION_FULL=13.1
ID=debian
"""
SID = 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nNAME="Debian GNU/Linux"\nID=debian\n'
RASPBIAN = """PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"
NAME="Raspbian GNU/Linux"
VERSION_ID="12"
ID=raspbian
ID_LIKE=debian
"""
FEDORA = 'NAME="Fedora Linux"\nVERSION_ID=41\nID=fedora\nPRETTY_NAME="Fedora Linux 41"\n'
UBUNTU = """PRETTY_NAME="Ubuntu {0} LTS"
NAME="Ubuntu"
VERSION_ID="{0}"
ID=ubuntu
ID_LIKE=debian
"""
TEGRA = "# R{} (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed\n"
SHOW = (
    'detect; choose_packages; describe; echo; echo "${packages[@]} / ${optional[@]}"; '
    'needs_system_packages && echo "sees the system"; basename "$(constraints_file)"'
)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def shown(system: System, **environment: str) -> list[str]:
    result = system.ask(f"{SHOW} || true", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


class TestWhatIsSupported:
    def test_debian_12(self, system: System) -> None:
        assert shown(system) == [
            "Debian GNU/Linux 12 (bookworm), amd64",
            "python3 python3-venv / ",
            "",
        ]

    def test_debian_12_on_arm64_has_evdev_in_its_archive_alone(self, system: System) -> None:
        assert shown(system, ARCHITECTURE="arm64") == [
            "Debian GNU/Linux 12 (bookworm), arm64",
            "python3 python3-venv / python3-evdev",
            "sees the system",
            "",
        ]

    def test_debian_12_with_a_camera_of_the_system(self, system: System) -> None:
        system.write(
            "etc/appliance/config.yaml", "door:\n  driver: x\ncamera:\n  driver: gstreamer\n"
        )
        assert shown(system)[1:] == [
            "python3 python3-venv python3-gi gir1.2-gst-plugins-base-1.0 / ",
            "sees the system",
            "bookworm-picamera2.txt",
        ]

    def test_debian_13_has_lgpio_in_its_archive_alone(self, system: System) -> None:
        system.write("etc/os-release", TRIXIE)
        assert shown(system, ARCHITECTURE="arm64") == [
            "Debian GNU/Linux 13 (trixie), arm64",
            "python3 python3-venv / python3-lgpio python3-evdev",
            "sees the system",
            "",
        ]

    @pytest.mark.parametrize("told_by", ["etc/rpi-issue", "proc/device-tree/model"])
    def test_raspberry_pi_os(self, system: System, told_by: str) -> None:
        system.write(told_by, "Raspberry Pi 5 Model B Rev 1.0\0")
        assert shown(system, ARCHITECTURE="arm64")[0].startswith(
            "Raspberry Pi OS 64-bit (Debian GNU/Linux 12 (bookworm)), arm64"
        )
        assert shown(system, ARCHITECTURE="arm64")[1:] == [
            "python3 python3-venv / python3-picamera2 python3-evdev",
            "sees the system",
            "bookworm-picamera2.txt",
        ]

    @pytest.mark.parametrize(
        ("ubuntu", "tegra", "name"), [("22.04", "36", "JetPack 6"), ("24.04", "38", "JetPack 7")]
    )
    def test_jetpack(self, system: System, ubuntu: str, tegra: str, name: str) -> None:
        system.write("etc/os-release", UBUNTU.format(ubuntu))
        system.write("etc/nv_tegra_release", TEGRA.format(tegra))
        assert shown(system, ARCHITECTURE="arm64") == [
            f"{name} (Ubuntu {ubuntu} LTS), arm64",
            (
                "python3 python3-venv python3-gi gir1.2-gst-plugins-base-1.0"
                " / python3-libnvinfer python3-evdev"
            ),
            "sees the system",
            "",
        ]

    @pytest.mark.parametrize(("bindings", "delegate"), [(0, "tensorrt"), (1, "cpu")])
    def test_a_jetson_gets_a_config_of_its_own(
        self, system: System, bindings: int, delegate: str
    ) -> None:
        python = system.write("release/bin/python", f"#!/bin/sh\nexit {bindings}\n")
        python.chmod(0o755)
        profile = system.checkout / "systemd/jetson.yaml"
        system.write("release/installer/systemd/jetson.yaml", profile.read_text())
        told = system.ask('system=jetson; put_config "$APPLIANCE_ROOT/release"')
        assert told.returncode == 0, told.stderr
        written = yaml.safe_load((system.root / "etc/appliance/config.yaml").read_text())
        assert written["camera"]["driver"] == "gstreamer"
        assert written["model"]["delegate"] == delegate
        assert "etc/appliance/config.yaml.draft" not in system.files()


class TestWhatIsNot:
    def refusal(self, system: System, **environment: str) -> str:
        result = system.install(**environment)
        assert result.returncode == 3
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        assert "; supported are Raspberry Pi OS 64-bit" in result.stderr
        assert ". " not in result.stderr
        assert not any((system.root / "opt").iterdir())
        return result.stderr

    @pytest.mark.parametrize("text", [RASPBIAN, OS_RELEASE])
    def test_32_bit_raspberry_pi_os(self, system: System, text: str) -> None:
        system.write("etc/os-release", text)
        assert "This is a 32-bit system" in self.refusal(system, ARCHITECTURE="armhf")

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            (FEDORA, "Fedora Linux 41"),
            (SID, "forky/sid"),
            (UBUNTU.format("24.04"), "Ubuntu 24.04"),
            (OS_RELEASE.replace("12", "11"), "Debian GNU/Linux 11"),
            ("", "an unknown system"),
        ],
    )
    def test_other_systems(self, system: System, text: str, named: str) -> None:
        system.write("etc/os-release", text)
        assert named in self.refusal(system)

    def test_another_architecture(self, system: System) -> None:
        assert "architecture riscv64" in self.refusal(system, ARCHITECTURE="riscv64")

    @pytest.mark.parametrize(("ubuntu", "tegra"), [("20.04", "35"), ("24.04", "36")])
    def test_other_jetpacks(self, system: System, ubuntu: str, tegra: str) -> None:
        system.write("etc/os-release", UBUNTU.format(ubuntu))
        system.write("etc/nv_tegra_release", TEGRA.format(tegra))
        assert f"Jetson Linux {tegra}" in self.refusal(system, ARCHITECTURE="arm64")

    def test_another_python(self, system: System) -> None:
        result = system.install(PYTHON="3.14.0")
        assert result.returncode == 3
        assert "3.10, 3.11, 3.12 or 3.13 is needed" in result.stderr
        assert not any((system.root / "opt").iterdir())


class TestAsking:
    @pytest.mark.parametrize(
        ("groups", "wanted"),
        [("", "gpio video input audio"), ("render:x:109:\n", "gpio video input audio render")],
    )
    def test_is_done_in_the_groups_that_the_service_has(
        self, system: System, groups: str, wanted: str
    ) -> None:
        system.write("etc/group", groups)
        system.ask("ask /opt/none doctor")
        (call,) = [it for it in system.calls() if it.startswith("systemd-run ")]
        assert f"--property=SupplementaryGroups={wanted} --" in call


class TestTheStrictLine:
    CONFIG = "boot/firmware/config.txt"

    @pytest.mark.parametrize("text", ["", "# nothing\n[pi5]\ndtparam=audio=on\n\n\n[all]\n", "a=b"])
    def test_is_set_once_and_taken_back(self, system: System, text: str) -> None:
        path = system.write(self.CONFIG, text)
        twice = "system=raspberry; set_strict_gpio; set_strict_gpio"
        assert system.ask(twice).stdout.count("counts from the next start") == 1
        assert path.read_text().splitlines()[-3:-1] == ["[all]", "dtparam=strict_gpiod"]
        system.ask("unset_strict_gpio")
        assert path.read_text() == text

    @pytest.mark.parametrize("line", ["dtparam=strict_gpiod", "dtparam=audio=on,strict_gpiod=on"])
    def test_of_the_owner_stays(self, system: System, line: str) -> None:
        path = system.write(self.CONFIG, f"{line}\n")
        system.ask("system=raspberry; set_strict_gpio; unset_strict_gpio")
        assert path.read_text() == f"{line}\n"

    def test_is_taken_back_from_between_the_owners_lines(self, system: System) -> None:
        path = system.write(self.CONFIG, "a=b")
        system.ask("system=raspberry; set_strict_gpio")
        path.write_text(path.read_text() + "c=d\n")
        system.ask("unset_strict_gpio")
        assert path.read_text() == "a=b\nc=d\n"

    def test_of_another_board_is_none(self, system: System) -> None:
        path = system.write(self.CONFIG, "[pi3]\ndtparam=strict_gpiod\n")
        system.ask("system=raspberry; set_strict_gpio")
        assert path.read_text().splitlines()[-3:-1] == ["[all]", "dtparam=strict_gpiod"]

    def test_of_all_boards_after_one_of_them_stays(self, system: System) -> None:
        text = "[pi3]\n[all]\ndtparam=strict_gpiod\n[pi4]\n"
        path = system.write(self.CONFIG, text)
        system.ask("system=raspberry; set_strict_gpio")
        assert path.read_text() == text

    def test_leaves_a_block_that_somebody_has_cut(self, system: System) -> None:
        path = system.write(self.CONFIG, "[all]\n")
        system.ask("system=raspberry; set_strict_gpio")
        cut = path.read_text().rsplit("# End", 1)[0] + "dtparam=audio=on\n"
        path.write_text(cut)
        assert "take dtparam=strict_gpiod out" in system.ask("unset_strict_gpio").stdout
        assert path.read_text() == cut

    def test_is_not_put_into_the_page_that_points_elsewhere(self, system: System) -> None:
        text = "DO NOT EDIT THIS FILE\n\nIt has moved to /boot/firmware/config.txt\n"
        path = system.write("boot/config.txt", text)
        told = system.ask("system=raspberry; set_strict_gpio").stdout
        assert "is /boot/firmware mounted?" in told
        assert path.read_text() == text

    def test_is_for_a_raspberry_pi(self, system: System) -> None:
        path = system.write(self.CONFIG, "")
        system.ask("system=debian; set_strict_gpio")
        assert path.read_text() == ""
