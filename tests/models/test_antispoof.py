"""The committed anti-spoof file: colour order and shape, as the manifest declares them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.types import Floats
from appliance.vision import manifest
from appliance.vision.interpreter import TfliteModel
from models.build.antispoof_subjects import LeafScore

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


class Leaves:
    """FaceAntiSpoofing's two outputs: eight scores, and the mask of the leaf reached."""

    input_shape = (1, 256, 256, 3)

    def __init__(self, scores: list[float], mask: list[float]) -> None:
        self.outputs = (np.array([scores], np.float32), np.array([mask], np.float32))

    def run(self, _: Floats) -> tuple[Floats, ...]:
        return self.outputs


@pytest.mark.parametrize(
    ("scores", "mask", "attack"),
    [
        ([0.9, -0.3] + [0.0] * 6, [0.0, 1.0] + [0.0] * 6, 0.3),
        ([0.25] * 8, [1.0] * 8, 1.0),  # a mask that is none must not become a probability above 1
    ],
)
def test_the_rivals_leaves_make_one_probability_of_an_attack(
    scores: list[float], mask: list[float], attack: float
) -> None:
    model = LeafScore(Leaves(scores, mask))  # type: ignore[arg-type]
    (found,) = model.run(np.zeros(model.input_shape, np.float32))
    assert [found.shape] == model.output_shapes
    assert float(found[0, 0]) == pytest.approx(attack, abs=1e-6)
