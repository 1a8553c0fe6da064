"""The work of `appliance models prepare`: every way of reaching a GPU, built, compared, timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from appliance import assemble
from appliance.cli.session import Session
from appliance.config import TENSORRT, Config
from appliance.vision.acceleration import Attempt
from appliance.vision.interpreter import Network
from appliance.vision.processor import ON_CPU, Processor
from appliance.vision.tensorrt_engine import Progress

# The first runs of a network set it up.
_WARM_UP = 5


@dataclass(frozen=True)
class Tried:
    """One way, and the median of one embedding in milliseconds; None where it does not serve."""

    attempt: Attempt
    ms: float | None


def run_ways(session: Session, config: Config, *, every: bool, rounds: int) -> list[Tried]:
    """Prepare what model.delegate names, and time it and the CPU. ModelError."""
    if config.model.delegate != TENSORRT:
        return _external(config, rounds)
    with _progress(session) as progress:
        attempts = assemble.prepared(config, progress, every=every)
        tried = [_timed(attempt, rounds) for attempt in attempts]
    if tried[-1].attempt.device != ON_CPU:
        # One that serves ended the attempts; it is the CPU that its time is compared with.
        tried.append(_timed(Attempt(ON_CPU, assemble.on_cpu(config), None), rounds))
    return tried


def prepared_json(config: Config, tried: list[Tried]) -> dict[str, Any]:
    """The result for scripts. ready: something other than the CPU serves."""
    served = [it for it in tried if it.ms is not None]
    return {
        "delegate": config.model.delegate,
        "model": config.model.name,
        "ready": served[0].attempt.device != ON_CPU,
        "device": served[0].attempt.device,
        "ways": [_as_json(it) for it in tried],
    }


def prepared_lines(tried: list[Tried]) -> list[str]:
    """The result for people: one line for each way, then what a door will use."""
    served = [it for it in tried if it.ms is not None]
    lines = [_line(it) for it in tried]
    if served[0].attempt.device == ON_CPU:
        return [*lines, "A door falls back to the CPU, and says so."]
    return [*lines, f"A door runs the embedder on {served[0].attempt.device}."]


def _external(config: Config, rounds: int) -> list[Tried]:
    network, processor = assemble.placed(config)
    return [
        _timed(_as_attempt(network, processor), rounds),
        _timed(Attempt(ON_CPU, assemble.on_cpu(config), None), rounds),
    ]


def _as_attempt(network: Network, processor: Processor) -> Attempt:
    return Attempt(processor.device, network, processor.parity)


def _timed(attempt: Attempt, rounds: int) -> Tried:
    network = attempt.network
    if network is None:
        return Tried(attempt, None)
    tensor = np.zeros(network.input_shape, np.float32)
    for _ in range(_WARM_UP):
        network.run(tensor)
    times = [_seconds(lambda: network.run(tensor)) for _ in range(rounds)]
    return Tried(attempt, round(1000 * median(times), 3))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _as_json(tried: Tried) -> dict[str, Any]:
    attempt = tried.attempt
    return {
        "device": attempt.device,
        "serves": tried.ms is not None,
        "why_not": attempt.why or None,
        "least_cosine": None if attempt.parity is None else attempt.parity.least,
        "median_cosine": None if attempt.parity is None else attempt.parity.median,
        "faces": None if attempt.parity is None else attempt.parity.faces,
        "p50_ms": tried.ms,
    }


def _line(tried: Tried) -> str:
    attempt = tried.attempt
    if tried.ms is None:
        return f"no   {attempt.device}: {attempt.why}"
    told = "" if attempt.parity is None else f", {attempt.parity}"
    return f"yes  {attempt.device}: {tried.ms:.2f} ms{told}"


@contextmanager
def _progress(session: Session) -> Iterator[Progress]:
    """What TensorRT does, as bars on a terminal; a line at the beginning elsewhere."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = session.error_console()
    if not console.is_terminal:
        session.say("Building for this GPU; TensorRT takes minutes.")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def told(phase: str, step: int, steps: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase[:60], total=steps or None)
            bars.update(tasks[phase], completed=step)

        yield told
