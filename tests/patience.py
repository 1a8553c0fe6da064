"""How long tests wait for what must come: longer on a slow machine, an emulated one above all.

APPLIANCE_TEST_PATIENCE multiplies every such time; 1 where it is not set. It never makes a test
pass that would fail: what is waited for must still come, and nothing else is measured by it.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("APPLIANCE_TEST_PATIENCE", "1"))


def patient(seconds: float) -> float:
    """The longest to wait here for what takes at most `seconds` on a usual machine."""
    return seconds * FACTOR
