"""From a function on TensorFlow values to the bytes of a TFLite file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def to_tflite(
    function: Callable[[Any], Any], shape: tuple[int, ...], *, eight_bit: bool = False
) -> bytes:
    """Return a TFLite file that takes float32 of `shape` and gives what `function` gives.

    eight_bit: store weights as int8, with one scale per output channel in convolutions.
    Activations stay float32 between operators; each operator quantises its input by that input's
    own range ("dynamic range"), so nothing has to be calibrated. The same input gives the same
    bytes.
    """

    class Module(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
        @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32, "input")])  # type: ignore[untyped-decorator]
        def evaluate(self, value: Any) -> Any:
            """Run the network."""
            return function(value)

    module = Module()
    concrete = module.evaluate.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if eight_bit:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # tflite_runtime 2.14, the last one for 32-bit boards, refuses the newer spelling.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001
    content: bytes = converter.convert()
    return content
