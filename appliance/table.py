"""State machines as visible data: which event may happen in which state, and where it leads.

A table maps (class of the state, class of the event) to a `Row`. What is not in the table
cannot happen: `row` raises `IllegalEventError` and, states being frozen values, nothing has
changed. The pictures in docs/ are drawn from the same tables by `mermaid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from appliance.errors import IllegalEventError

S = TypeVar("S")
A = TypeVar("A")


@dataclass(frozen=True)
class Row(Generic[S, A]):
    """What one event does in one state.

    handler: computes the next state and the actions, in the order in which they are done.
    leads_to: every class of state that the handler may return, each with when it does.
    """

    handler: Callable[..., tuple[S, tuple[A, ...]]]
    leads_to: Mapping[type, str]


Table = Mapping[tuple[type, type], Row[S, A]]


def row(table: Table[S, A], state: S, event: object) -> Row[S, A]:
    """The row for an event in a state. IllegalEventError where the table has none."""
    found = table.get((type(state), type(event)))
    if found is None:
        raise IllegalEventError(
            f"{type(event).__name__} cannot happen in the state {type(state).__name__}."
        )
    return found


def mermaid(table: Table[S, A], start: type) -> str:
    """The table as a Mermaid `stateDiagram-v2`; what stays in its state is left out."""
    lines = ["stateDiagram-v2", f"    [*] --> {start.__name__}"]
    for (state, event), found in table.items():
        for target, when in found.leads_to.items():
            if target is not state:
                label = f"{event.__name__}, {when}" if when else event.__name__
                lines.append(f"    {state.__name__} --> {target.__name__}: {label}")
    return "\n".join(lines) + "\n"
