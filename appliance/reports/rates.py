"""Small rates for people."""

from __future__ import annotations


def percent(share: float) -> str:
    """A small rate for people: 0.001 % rather than 1e-05."""
    return f"{100 * share:.4g} %"
