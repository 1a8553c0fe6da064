"""System trees as boards have them: files, links and folders under a root of their own.

What stands in the constants was written down from real boards or from the programs that write it;
each says where. Nothing here was measured on a board by this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# The model as the device tree has it, with its NUL.
PI_4 = "Raspberry Pi 4 Model B Rev 1.4\0"
PI_5 = "Raspberry Pi 5 Model B Rev 1.0\0"
PI_5_COMPATIBLE = "raspberrypi,5-model-b\0brcm,bcm2712\0"
ORIN_COMPATIBLE = "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0"

# drivers/firmware/raspberrypi.c writes "%x\n". On a Pi 3 with a weak supply the kernel said
# 0x00050005 and, 4 s later, 0x00000000 (github.com/raspberrypi/linux, pull request 2397).
WEAK, NORMAL = "50005\n", "0\n"
# A Pi 3B+ at its soft limit (github.com/custom-components/sensor.rpi_power, issue 6).
SOFT_LIMIT = "80008\n"
# A Pi 3 (github.com/raspberrypi/firmware, issue 615).
ASKED = "throttled=0x50000\n"
# Raspberry Pi 1 to 4; and 5, whose kernel log names soc@107c000000:firmware.
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
FIRMWARE_5 = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"

# proc(5), as Raspberry Pi OS mounts its card, and as the package overlayroot lays memory over it
# with recurse=0 (its script writes source and options so).
ON_A_CARD = (
    "26 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
    "29 26 179:1 / /boot/firmware rw,relatime shared:2 - vfat /dev/mmcblk0p1 rw,fmask=0022\n"
)
OVERLAID = (
    "26 1 0:25 / / rw,relatime shared:1 - overlay overlayroot rw,lowerdir=/media/root-ro,"
    "upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_\n"
    "27 26 179:2 / /media/root-ro ro,relatime - ext4 /dev/mmcblk0p2 ro\n"
    "28 26 0:24 / /media/root-rw rw,relatime - tmpfs tmpfs-root rw\n"
)
WITH_A_STATE = "31 26 179:3 / /var/lib/appliance rw,noatime - ext4 /dev/mmcblk0p3 rw\n"


def write(root: Path, files: Mapping[str, str | None]) -> Path:
    """Files by their paths below the root; None makes a folder, text that begins with -> a link."""
    for name, content in files.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("->"):
            path.symlink_to(content.removeprefix("->"))
        else:
            path.write_text(content, encoding="utf-8")
    return root


def card(
    *, kind: str = "SD", life: str | None = None, reserve: str | None = None
) -> dict[str, str]:
    """A card with the partitions 1 to 3 as sysfs shows it; life and reserve as eMMC tells them."""
    device = "devices/platform/emmc2bus/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"
    disk = f"sys/{device}"
    files = {f"{disk}/device/type": f"{kind}\n"}
    if life is not None:
        files[f"{disk}/device/life_time"] = f"{life}\n"
    if reserve is not None:
        files[f"{disk}/device/pre_eol_info"] = f"{reserve}\n"
    for number in (1, 2, 3):
        files[f"{disk}/mmcblk0p{number}/partition"] = f"{number}\n"
        link = f"->../../{device}/mmcblk0p{number}"
        files[f"sys/dev/block/179:{number}"] = files[f"sys/class/block/mmcblk0p{number}"] = link
    return files


# Debian 12 as debootstrap and systemd's presets leave it.
DEBIAN = {
    "usr/lib/systemd/system/getty@.service": "[Service]\n",
    "usr/lib/systemd/system/serial-getty@.service": "[Service]\n",
    "usr/lib/systemd/system/autovt@.service": "->getty@.service",
    "usr/lib/systemd/system/ctrl-alt-del.target": "->reboot.target",
    "usr/lib/systemd/system/reboot.target": "[Unit]\n",
    "etc/systemd/system/getty.target.wants/getty@tty1.service": (
        "->/lib/systemd/system/getty@.service"
    ),
    "proc/sys/kernel/sysrq": "438\n",
}
