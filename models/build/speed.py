"""How long a model takes, measured so that two models can be compared on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from appliance.vision.interpreter import TfliteModel

ROUNDS = 60


def milliseconds(
    models: Mapping[str, TfliteModel], tensor: NDArray[np.float32]
) -> dict[str, float]:
    """Return each model's median time for one call; they take turns, so load hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, model in models.items():
            begun = time.perf_counter()
            model.run(tensor)
            times[name].append((time.perf_counter() - begun) * 1e3)
    return {name: float(np.median(values)) for name, values in times.items()}
