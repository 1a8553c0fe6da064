"""The committed anti-spoof file: colour order and shape, as the manifest declares them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.vision import manifest
from appliance.vision.interpreter import TfliteModel

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_the_file_gives_three_logits_for_raw_pixels() -> None:
    book = manifest.load(MODELS)
    entry = book.entry("antispoof", "liveness")
    network = TfliteModel(book.read(entry), name=entry.name, threads=1)
    assert network.input_shape == entry.input.shape
    assert (entry.input.colour, entry.input.mean, entry.input.scale) == ("bgr", 0.0, 1.0)
    assert (entry.output.live_index, entry.output.activation) == (0, "softmax")
    noise = np.random.default_rng(0).integers(0, 256, entry.input.shape).astype(np.float32)
    (logits,) = network.run(noise)
    assert logits.shape == (1, 3)
    # Logits, not probabilities: the softmax is the appliance's.
    assert abs(float(logits.sum()) - 1) > 1e-3
    assert logits.min() < 0
