"""A chip in memory that records every call, in the place of the module lgpio."""

from __future__ import annotations

from typing import Any

PULL_UP, PULL_DOWN, PULL_NONE = 32, 64, 128


class Failure(Exception):  # noqa: N818 - stands for lgpio.error
    """What lgpio raises: a text and no number."""


class FakeLgpio:
    """One chip of 8 lines. Set `broken` to a function's name to let that function fail."""

    error = Failure

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.levels: dict[int, int] = {}
        self.broken: dict[str, str] = {}
        self.stuck: int | None = None
        self.user: str | bytes = ""

    def gpiochip_open(self, gpiochip: int) -> int:
        self._called("gpiochip_open", gpiochip)
        return 0x10

    def gpiochip_close(self, handle: int) -> int:
        self._called("gpiochip_close", handle)
        return 0

    def gpio_get_chip_info(self, handle: int) -> list[Any]:
        self._called("gpio_get_chip_info", handle)
        return [0, 8, "gpiochip0", "pinctrl-test"]

    def gpio_get_line_info(self, handle: int, gpio: int) -> list[Any]:
        self._called("gpio_get_line_info", handle, gpio)
        return [0, gpio, 1, "", self.user]

    def gpio_claim_output(self, handle: int, gpio: int, level: int, lFlags: int) -> int:  # noqa: N803
        self._called("gpio_claim_output", handle, gpio, level, lFlags)
        self.levels[gpio] = level
        return 0

    def gpio_claim_input(self, handle: int, gpio: int, lFlags: int = 0) -> int:  # noqa: N803
        self._called("gpio_claim_input", handle, gpio, lFlags)
        # What the resistor makes of a line that nothing is connected to.
        self.levels[gpio] = int(lFlags == PULL_UP)
        return 0

    def gpio_write(self, handle: int, gpio: int, level: int) -> int:
        self._called("gpio_write", handle, gpio, level)
        self.levels[gpio] = level
        return 0

    def gpio_read(self, handle: int, gpio: int) -> int:
        self._called("gpio_read", handle, gpio)
        return self.levels[gpio] if self.stuck is None else self.stuck

    def gpio_free(self, handle: int, gpio: int) -> int:
        self._called("gpio_free", handle, gpio)
        return 0

    def commands(self) -> list[tuple[object, ...]]:
        """The calls that change a line, in order."""
        return [call for call in self.calls if call[0] in {"gpio_claim_output", "gpio_write"}]

    def _called(self, name: str, *arguments: object) -> None:
        self.calls.append((name, *arguments))
        if name in self.broken:
            raise Failure(self.broken[name])
