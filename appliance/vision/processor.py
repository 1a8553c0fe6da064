"""Where a network runs, and what was to run it before that could not."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.vision.parity import Parity

ON_CPU = "the CPU"


@dataclass(frozen=True)
class Processor:
    """Where a network runs. device: for people. parity: None on the CPU.

    passed_over: what was to be used before it, each with the reason why it was not.
    """

    device: str = ON_CPU
    parity: Parity | None = None
    passed_over: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """A sentence where something slower than was asked for is in use; empty otherwise."""
        if not self.passed_over:
            return ""
        return f"model.delegate falls back to {self.device}: {'; '.join(self.passed_over)}."
