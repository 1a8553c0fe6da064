"""How the machine that was measured on is told, in JSON and for people."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from appliance import auto
from appliance.host import Conditions, conditions, throttled
from appliance.vision.processor import Processor

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config

# From this many waiting programs a core on, times are not the machine's own.
BUSY = 0.5


def host_json(config: Config, before: Conditions) -> dict[str, Any]:
    """The machine, and its state since `before`; what it does not tell is null.

    load_average: before the measurement, which itself raises it.
    """
    after = conditions()
    return asdict(auto.host()) | {
        "python": platform.python_version(),
        "threads": config.model.threads,
        "load_average": before.load_average,
        "governor": after.governor,
        "temperature_c": after.temperature_c,
        "throttled": throttled(before, after),
    }


def print_host(console: Console, host: dict[str, Any]) -> None:
    """One line of what it is, and one for each thing that spoils the times."""
    board = f"{host['board']}, " if host["board"] else ""
    what = (
        f"{board}{host['cpu'] or 'unnamed CPU'}, {host['cores']} cores, {host['architecture']}, "
        f"Python {host['python']}, {host['runtime']} {host['runtime_version'] or ''}, "
        f"{counted_threads(host['threads'])}"
    )
    console.print(what, markup=False)
    for sentence in disturbances(host):
        console.print(sentence, style="yellow", markup=False)


def processor_json(found: Processor | None) -> dict[str, Any] | None:
    """What runs the embedder, and what was to run it before that could not."""
    if found is None:
        return None
    parity = None if found.parity is None else asdict(found.parity)
    return {"device": found.device, "parity": parity, "passed_over": list(found.passed_over)}


def on_what(told: dict[str, Any] | None) -> str:
    """' on TensorRT 10.3.0 ...', for people; nothing for the CPU as it is configured."""
    if told is None or (told["parity"] is None and not told["passed_over"]):
        return ""
    return f" on {escape(told['device'])}"


def counted_threads(count: int) -> str:
    """'1 thread', '2 threads'."""
    return "1 thread" if count == 1 else f"{count} threads"


def disturbances(host: dict[str, Any]) -> list[str]:
    """What made the times longer than the machine's own."""
    found = []
    load = host["load_average"]
    if load is not None and load > BUSY * host["cores"]:
        found.append(
            f"The machine was busy before this began (load average {load:.2f} on {host['cores']} "
            "cores): its own times are shorter."
        )
    if host["throttled"]:
        found.append("The machine was slowed down by heat or by a weak power supply meanwhile.")
    if host["governor"] == "powersave":
        found.append("The governor `powersave` keeps the CPU slow.")
    return found
