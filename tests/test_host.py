"""What is read of a machine, from files as boards have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.host import Conditions, Host, conditions, host, peak_memory_mb, throttled

PI = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\nCPU revision\t: 1\n"


def machine(root: Path, **files: str) -> Path:
    names = {
        "cpuinfo": "proc/cpuinfo",
        "load": "proc/loadavg",
        "status": "proc/self/status",
        "board": "proc/device-tree/model",
        "governor": "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        "cool": "sys/class/thermal/thermal_zone0/temp",
        "warm": "sys/class/thermal/thermal_zone1/temp",
        "firmware": "sys/devices/platform/soc/soc:firmware/get_throttled",
        "count0": "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
        "count1": "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count",
    }
    for key, text in files.items():
        path = root / names[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("cpuinfo", "cpu"),
    [
        ("model name\t: AMD EPYC\nflags\t: fpu\nmodel name\t: other\n", "AMD EPYC"),
        (PI, "ARM Cortex-A76"),
        (PI.replace("0xd0b", "0xfff"), "implementer 0x41, part 0xfff"),
        (PI.replace("0x41", "0x51"), "implementer 0x51, part 0xd0b"),
        ("processor\t: 0\n", None),
        ("", None),
    ],
)
def test_the_cpu_has_a_name_where_the_kernel_gives_one(
    tmp_path: Path, cpuinfo: str, cpu: str | None
) -> None:
    assert host("x", None, machine(tmp_path, cpuinfo=cpuinfo)).cpu == cpu


def test_a_board_is_named_without_the_nul_of_the_device_tree(tmp_path: Path) -> None:
    found = host("tflite", "1.0", machine(tmp_path, board="Raspberry Pi 5 Model B Rev 1.0\0"))
    assert found.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert (found.runtime, found.runtime_version) == ("tflite", "1.0")
    assert found.cores >= 1


def test_a_machine_that_tells_nothing_is_told_as_nothing(tmp_path: Path) -> None:
    assert conditions(tmp_path) == Conditions(None, None, None, None, None)
    assert host("x", None, tmp_path).cpu is None
    assert peak_memory_mb(tmp_path) is None


def test_what_is_not_told_is_no_difference() -> None:
    then = Host("A76", "Pi 5", "aarch64", 4, "tflite", "1.0")
    assert then.differences(then) == []
    assert then.differences(replace(then, cpu=None, board=None, runtime_version=None)) == []
    assert replace(then, cpu=None).differences(then) == []
    other = replace(then, cpu="A72", cores=2)
    assert then.differences(other) == ["cpu A76, now A72", "cores 4, now 2"]


def test_conditions(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        load="1.25 0.80 0.50 2/345 678\n",
        governor="ondemand\n",
        cool="41234\n",
        warm="67890\n",
        firmware="50000\n",
        count0="3\n",
        count1="4\n",
    )
    # 0x50000: it was throttled since the start, but is not now.
    assert conditions(root) == Conditions(1.25, "ondemand", 67.9, False, 7)
    assert conditions(machine(tmp_path, firmware="50005\n")).throttled is True


def test_files_that_hold_something_else_are_no_figures(tmp_path: Path) -> None:
    root = machine(tmp_path, load="soon\n", cool="hot\n", firmware="?\n", count0="many\n")
    assert conditions(root) == Conditions(None, None, None, None, None)


def test_whether_it_was_slowed_down_meanwhile() -> None:
    def now(flag: bool | None, count: int | None) -> Conditions:  # noqa: FBT001 - reads as a row
        return Conditions(None, None, None, flag, count)

    assert throttled(now(None, None), now(None, None)) is None
    assert throttled(now(False, None), now(True, None)) is True
    assert throttled(now(False, None), now(False, None)) is False
    assert throttled(now(None, 7), now(None, 7)) is False
    assert throttled(now(None, 7), now(None, 8)) is True
    assert throttled(now(None, 7), now(None, None)) is None


def test_the_peak_of_memory(tmp_path: Path) -> None:
    status = "Name:\tpython\nVmHWM:\t  100000 kB\nVmRSS:\t   90000 kB\n"
    assert peak_memory_mb(machine(tmp_path, status=status)) == 102.4
