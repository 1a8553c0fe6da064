"""A network behind a recipe: what it is fed, what its numbers mean, and what is refused."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ExitCode, ModelError
from appliance.liveness.network import MOST, Network, Recipe, read_own
from appliance.types import Floats

HWC, CHW = (1, 8, 8, 3), (1, 3, 8, 8)


class Scripted:
    """A network that gives these outputs and keeps what it was last shown."""

    def __init__(self, *outputs: Sequence[float], shape: tuple[int, ...] = HWC) -> None:
        self.outputs = tuple(np.array([row], np.float32) for row in outputs)
        self.input_shape = shape
        self.output_shapes = [row.shape for row in self.outputs]
        self.shown: Floats = np.zeros(0, np.float32)

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        self.shown = tensor
        return self.outputs


def picture(
    blue: int, green: int, red: int
) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((8, 8, 3), (blue, green, red), np.uint8)


def odds(recipe: Recipe, *outputs: Sequence[float]) -> float:
    return Network("own", Scripted(*outputs), recipe).log_odds(picture(0, 0, 0))


def logit(share: float) -> float:
    return math.log(share / (1 - share))


@pytest.mark.parametrize(
    ("recipe", "outputs", "wanted"),
    [
        (Recipe(), [[2.0, 0.0]], 2.0),
        (Recipe(index=1), [[2.0, 0.0]], -2.0),
        (Recipe(), [[1.0, 0.0, 0.0]], 1 - math.log(2)),
        (Recipe(activation="sigmoid"), [[1.5]], 1.5),
        (Recipe(activation="none"), [[0.9]], logit(0.9)),
        (Recipe(activation="none", higher_is_live=False), [[0.9]], -logit(0.9)),
        (Recipe(activation="none", output=1, index=2), [[0.0], [0.0, 0.0, 0.2]], logit(0.2)),
        (Recipe(activation="none"), [[1.0005]], MOST),  # rounded, and cut off
        (Recipe(activation="none"), [[0.0]], -MOST),
        (Recipe(activation="sigmoid", higher_is_live=False), [[1e9]], -MOST),
        (Recipe(), [[1e9, -1e9, 0.0]], MOST),
    ],
)
def test_every_kind_of_answer_becomes_log_odds_of_life(
    recipe: Recipe, outputs: list[list[float]], wanted: float
) -> None:
    assert odds(recipe, *outputs) == pytest.approx(wanted, abs=1e-3)


def test_colours_come_in_the_order_asked_for_less_the_mean_and_scaled() -> None:
    model = Scripted([0.0, 0.0])
    Network("own", model, Recipe("rgb", (30.0,), (0.5,))).log_odds(picture(10, 20, 30))
    assert model.shown.shape == HWC
    assert model.shown[0, 3, 3].tolist() == [0.0, -5.0, -10.0]
    each = Recipe("bgr", (1.0, 2.0, 3.0), (1.0, 0.5, 0.1))
    Network("own", model, each).log_odds(picture(10, 20, 33))
    assert model.shown[0, 3, 3].tolist() == pytest.approx([9.0, 9.0, 3.0])
    assert model.shown.dtype == np.float32


def test_a_network_of_planes_is_fed_planes() -> None:
    model = Scripted([0.0, 0.0], shape=CHW)
    network = Network("own", model, Recipe("bgr"))
    network.log_odds(picture(10, 20, 30))
    assert network.size == 8
    assert model.shown.shape == CHW
    assert model.shown[0, :, 3, 3].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("model", "recipe", "told"),
    [
        (Scripted([0.0], shape=(1, 8, 9, 3)), Recipe(activation="sigmoid"), "1 x 8 x 9 x 3"),
        (Scripted([0.0], shape=(1, 8, 8, 1)), Recipe(activation="sigmoid"), "1 x 8 x 8 x 1"),
        (Scripted([0.0], shape=(1, 40)), Recipe(activation="sigmoid"), "1 x 40"),
        (Scripted([0.0, 0.0]), Recipe(index=2), "2 number(s)"),
        (Scripted([0.0, 0.0]), Recipe(output=1), "1 output(s)"),
        (Scripted([0.0]), Recipe(), "softmax"),
        (Scripted([7.0]), Recipe(activation="none"), "no probability"),
        (Scripted([-0.1]), Recipe(activation="none"), "no probability"),
        (Scripted([math.nan, 0.0]), Recipe(), "not finite"),
        (Scripted([0.0, math.inf]), Recipe(activation="sigmoid"), "not finite"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anybody_stands_there(
    model: Scripted, recipe: Recipe, told: str
) -> None:
    with pytest.raises(ModelError) as refused:
        Network("own.tflite", model, recipe)
    assert told in refused.value.message
    assert "own.tflite" in refused.value.message
    assert refused.value.hint
    assert refused.value.exit_code is ExitCode.BAD_DATA


def test_a_map_of_numbers_is_no_answer() -> None:
    model = Scripted([0.0])
    model.output_shapes = [(1, 14, 14, 2)]
    with pytest.raises(ModelError, match="1 x 14 x 14 x 2"):
        Network("own", model, Recipe(activation="sigmoid"))


def test_a_network_that_breaks_later_is_told_then() -> None:
    model = Scripted([0.0, 0.0])
    network = Network("own", model, Recipe())
    model.outputs = (np.array([[math.nan, 0.0]], np.float32),)
    with pytest.raises(ModelError, match="not finite"):
        network.log_odds(picture(0, 0, 0))


def test_a_file_is_read_only_with_the_sum_that_vouches_for_it(tmp_path: Path) -> None:
    file = tmp_path / "own.tflite"
    file.write_bytes(b"a network")
    assert read_own(file, hashlib.sha256(b"a network").hexdigest()) == b"a network"
    with pytest.raises(ModelError, match=hashlib.sha256(b"a network").hexdigest()) as changed:
        read_own(file, "0" * 64)
    assert changed.value.code == "changed_model"


@pytest.mark.parametrize(("name", "told"), [("none.tflite", "does not exist"), (".", "cannot be")])
def test_a_file_that_cannot_be_read_is_told_with_its_path(
    tmp_path: Path, name: str, told: str
) -> None:
    with pytest.raises(ModelError, match=told) as refused:
        read_own(tmp_path / name, "0" * 64)
    assert str(tmp_path) in refused.value.message
