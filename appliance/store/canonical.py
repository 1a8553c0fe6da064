"""One spelling for each JSON value, so that it can be hashed and authenticated."""

from __future__ import annotations

import json


def canonical(value: object) -> str:
    """Sorted keys, no spaces, ASCII only. ValueError for NaN, TypeError for what is no JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
