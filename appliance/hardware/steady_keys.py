"""A keypad that cannot be had yet, or no longer, is tried again: the door does not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.errors import HardwareError
from appliance.ports import Clock, Keys

# Seconds between two tries.
RETRY_S: Final = 10.0


class SteadyKeys:
    """Opens keys with `open_keys` and, where that raises HardwareError, later once more.

    Building raises nothing of that kind: `trouble` tells. Other errors are mistakes, and leave.
    """

    def __init__(self, open_keys: Callable[[], Keys], clock: Clock) -> None:
        self._open_keys = open_keys
        self._clock = clock
        self._keys: Keys | None = None
        self._trouble = ""
        self._next_try = float("-inf")
        self._closed = False
        self._try()

    @property
    def trouble(self) -> str:
        """Why no key can come at the moment; empty while one can."""
        return self._trouble if self._keys is None else self._keys.trouble

    def next_key(self, timeout: float) -> str | None:
        """The next key, or None after `timeout` seconds."""
        if self._keys is None and not self._closed and self._clock.monotonic() >= self._next_try:
            self._try()
        if self._keys is not None:
            return self._keys.next_key(timeout)
        self._clock.sleep(timeout)
        return None

    def close(self) -> None:
        """Give the device back; may be called twice."""
        self._closed = True
        keys, self._keys = self._keys, None
        if keys is not None:
            keys.close()

    def _try(self) -> None:
        try:
            self._keys = self._open_keys()
        except HardwareError as error:
            self._trouble = error.message
            self._next_try = self._clock.monotonic() + RETRY_S
