"""Whether the kernel keeps an output's level when the process that drove it is gone.

Raspberry Pi's kernels do (github.com/raspberrypi/linux, pull requests 6117 and 6150), unless
`dtparam=strict_gpiod` puts `persist_gpio_outputs=n` for their pin driver into the kernel's line.
"""

from __future__ import annotations

from pathlib import Path

from appliance.board.files import ROOT, is_a_pi, text

# The driver of the 40-pin header: RP1 on a Raspberry Pi 5, the processor's own before. A kernel for
# all of them has the parameters of both.
_RP1_BOARD = "brcm,bcm2712"
_NO = frozenset({"N", "0"})


def keeps_levels(root: Path = ROOT) -> bool:
    """True on a Raspberry Pi, unless its kernel says that it does not."""
    if not is_a_pi(root):
        return False
    compatible = text(root / "proc/device-tree/compatible") or ""
    driver = "pinctrl_rp1" if _RP1_BOARD in compatible else "pinctrl_bcm2835"
    said = text(root / "sys/module" / driver / "parameters/persist_gpio_outputs")
    return said not in _NO
