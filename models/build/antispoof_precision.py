"""The anti-spoof network in 8 bits: how fast, how near to float32, and what it would let pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from appliance.assemble import APPEARANCE_THRESHOLDS
from appliance.types import Pixels
from appliance.vision.interpreter import TfliteModel
from models.build.antispoof import ANTISPOOF, read_network
from models.build.antispoof_subjects import shipped_network
from models.build.convert import to_tflite
from models.build.speed import milliseconds

Floats = NDArray[np.float32]


def print_precisions(
    published: Path, shipped: bytes, live: Sequence[Pixels], attacks: Sequence[Pixels]
) -> None:
    """Print a row for each precision. live, attacks: crops; every second one calibrates int8."""
    network = read_network(published)
    seen = [*live[::2], *attacks[::2]]
    files = {
        "float32": shipped,
        "dynamic": to_tflite(network, ANTISPOOF.input.shape, eight_bit=True),
        "int8": _integers(network, seen),
    }
    models = {name: TfliteModel(file, name=name, threads=1) for name, file in files.items()}
    times = milliseconds(models, _tensor(live[0]))
    judged = [*live[1::2], *attacks[1::2]]
    exact = np.stack([models["float32"].run(_tensor(it))[0][0] for it in judged])
    click.echo(
        f"\n{'':8}{'bytes':>9}{'ms':>7}{'least cos':>11}{'mean cos':>10}"
        f"{'live refused':>14}{'attacks passed':>16}   ({len(live[1::2])} and {len(attacks[1::2])})"
    )
    for name, model in models.items():
        given = np.stack([model.run(_tensor(it))[0][0] for it in judged])
        norms = np.linalg.norm(given, axis=1) * np.linalg.norm(exact, axis=1)
        cosines = (given * exact).sum(axis=1) / norms
        reader = shipped_network(model)
        scores = 1 / (1 + np.exp([-reader.log_odds(it) for it in judged]))
        border = len(live[1::2])
        click.echo(
            f"{name:8}{len(files[name]):>9}{times[name]:>7.2f}{cosines.min():>11.4f}"
            f"{cosines.mean():>10.4f}{np.mean(scores[:border] < APPEARANCE_THRESHOLDS.live):>14.2%}"
            f"{np.mean(scores[border:] >= APPEARANCE_THRESHOLDS.live):>16.2%}"
        )


def _tensor(crop: Pixels) -> Floats:
    return np.asarray(crop[np.newaxis], dtype=np.float32)


def _integers(network: Any, crops: Sequence[Pixels]) -> bytes:
    """The network in full integers by TensorFlow's own quantiser, float32 at both ends."""

    class Module(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
        @tf.function(  # type: ignore[untyped-decorator]
            autograph=False,
            input_signature=[tf.TensorSpec(ANTISPOOF.input.shape, tf.float32, "input")],
        )
        def evaluate(self, value: Any) -> Any:
            """Run the network."""
            return network(value)

    module = Module()
    concrete = module.evaluate.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([_tensor(crop)] for crop in crops)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    content: bytes = converter.convert()
    return content
