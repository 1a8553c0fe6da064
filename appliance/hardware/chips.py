"""Which /dev/gpiochipN bears a label: numbers follow the order of drivers, labels stay.

Asked of the kernel itself: GPIO_GET_CHIPINFO_IOCTL of linux/gpio.h, which every version of its
interface has. Nothing is claimed by it.
"""

from __future__ import annotations

import fcntl
import re
import struct
from collections.abc import Callable
from pathlib import Path

from appliance.errors import LockError

DEVICES = Path("/dev")
# _IOR(0xB4, 0x01, struct gpiochip_info): 32 bytes of name, 32 of label, the number of lines.
_GET_CHIPINFO = 0x8044B401
_INFO = struct.Struct("32s32sI")
_CHIP = re.compile(r"gpiochip(\d{1,3})")


def label_of(path: Path) -> str:
    """The label of a chip's device. OSError where it cannot be asked."""
    with path.open("rb", buffering=0) as device:
        answer = fcntl.ioctl(device, _GET_CHIPINFO, bytes(_INFO.size))
    _, label, _ = _INFO.unpack(answer)
    return bytes(label).partition(b"\0")[0].decode(errors="replace")


def label_at(number: int) -> str | None:
    """The label of /dev/gpiochip`number`; None where there is none that answers."""
    try:
        return label_of(DEVICES / f"gpiochip{number}")
    except OSError:
        return None


def chip_number(
    chip: int | str, devices: Path | None = None, ask: Callable[[Path], str] | None = None
) -> int:
    """N of the one chip that is meant. chip: N itself, or a label. devices: where chips live.

    LockError where no chip bears the label, where more than one does, and where one that cannot
    be asked may bear it too.
    """
    if isinstance(chip, int):
        return chip
    devices, ask = devices or DEVICES, ask or label_of
    labels: dict[int, str] = {}
    closed: list[str] = []
    for path in sorted(devices.glob("gpiochip*")):
        found = _CHIP.fullmatch(path.name)
        # Some systems keep a link of the former name beside a chip.
        if found is None or path.is_symlink():
            continue
        try:
            labels[int(found.group(1))] = ask(path)
        except FileNotFoundError:  # unplugged meanwhile
            continue
        except OSError as error:
            closed.append(f"{path.name} cannot be asked: {error.strerror}")
    numbers = [number for number, label in labels.items() if label == chip]
    if len(numbers) == 1 and not closed:
        return numbers[0]
    if len(numbers) == 1:
        raise LockError(
            f"Whether one GPIO chip alone bears the label {chip!r} is not known: "
            f"{', '.join(closed)}.",
            hint="Let this user read every /dev/gpiochipN, or set door.chip to the number "
            f"{numbers[0]}.",
        )
    there = [f"{label} (gpiochip{number})" for number, label in sorted(labels.items())] + closed
    how = f"{len(numbers)} GPIO chips bear" if numbers else "No GPIO chip bears"
    raise LockError(
        f"{how} the label {chip!r}.",
        hint=f"Set door.chip to one of: {', '.join(there) or 'there is no chip'}"
        f"{'; a number tells chips of one label apart' if numbers else ''}.",
    )
