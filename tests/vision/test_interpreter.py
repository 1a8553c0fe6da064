"""TFLite behind one small class: float and integer networks, and either of its two packages."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.errors import ModelError
from appliance.types import Floats
from appliance.vision import interpreter, manifest
from appliance.vision.interpreter import TfliteModel, runtime
from tests.portraits import network

EMBEDDERS = ("mobilefacenet", "mobilefacenet_dynamic", "mobilefacenet_int8")


def noise(shape: tuple[int, ...], seed: int = 0) -> Floats:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_callers_see_floats_whatever_is_inside(name: str) -> None:
    model = network(name)
    assert model.input_shape == (1, 112, 112, 3)
    (output,) = model.run(noise(model.input_shape))
    assert output.shape == (1, 192)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()


@pytest.mark.parametrize("name", EMBEDDERS)
def test_the_same_input_gives_the_same_output(name: str) -> None:
    model = network(name)
    first, other, again = (model.run(noise(model.input_shape, seed))[0] for seed in (0, 1, 0))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_output_is_the_callers_own_and_not_the_next_calls() -> None:
    model = network("mobilefacenet")
    (first,) = model.run(noise(model.input_shape))
    kept = first.copy()
    model.run(noise(model.input_shape, seed=1))
    assert np.array_equal(first, kept)
    first[:] = 0  # and writing into it harms nobody


def test_a_network_with_two_outputs_gives_both() -> None:
    model = network("face_mesh")
    mesh, presence = model.run(np.zeros(model.input_shape, np.float32))
    assert (mesh.size, presence.size) == (1404, 1)


# --- integers -----------------------------------------------------------------------------


class Integers:
    """An interpreter that gives back what it was given, as int8 with a scale and a zero."""

    def __init__(self, model_content: bytes, num_threads: int) -> None:
        self.tensor: NDArray[Any] = np.zeros((1, 4), np.int8)
        self.detail = {"index": 0, "dtype": np.int8, "quantization": (0.5, -100), "shape": [1, 4]}

    def allocate_tensors(self) -> None:
        """Nothing to do."""

    def invoke(self) -> None:
        """Nothing to do."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [self.detail]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [self.detail]

    def set_tensor(self, index: int, tensor: NDArray[Any]) -> None:
        assert tensor.dtype == np.int8
        self.tensor = tensor

    def get_tensor(self, index: int) -> NDArray[Any]:
        return self.tensor.copy()


def test_integers_are_rounded_clipped_and_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("toy_runtime")
    module.Interpreter = Integers  # type: ignore[attr-defined]
    monkeypatch.setattr(interpreter, "runtime", lambda: module)
    model = TfliteModel(b"", name="toy", threads=1)
    # One level is 0.5; -128 stands for -14, 127 for 113.5. Nothing wraps around.
    (output,) = model.run(np.array([[0.3, 100.0, 999.0, -999.0]], np.float32))
    assert output.dtype == np.float32
    assert output.tolist() == [[0.5, 100.0, 113.5, -14.0]]


# --- which runtime ------------------------------------------------------------------------


def test_the_maintained_runtime_is_taken_where_it_is_installed() -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    assert runtime().__name__ == "ai_edge_litert.interpreter"


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let importing these packages fail, as if they were not installed."""
    for package in packages:
        for loaded in [it for it in sys.modules if it.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, package, None)


def test_the_older_runtime_serves_where_only_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "ai_edge_litert")
    package, module = ModuleType("tflite_runtime"), ModuleType("tflite_runtime.interpreter")
    package.interpreter = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    assert runtime() is module


def test_without_any_runtime_the_person_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "ai_edge_litert", "tflite_runtime")
    with pytest.raises(ModelError) as caught:
        TfliteModel(b"", name="any", threads=1)
    assert caught.value.code == "missing_runtime"
    assert "ai-edge-litert" in caught.value.hint
    assert "tflite-runtime" in caught.value.hint


# --- broken files -------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\0" * 4096])
def test_bytes_that_are_no_network_are_an_error_that_names_it(
    content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="cannot load the model 'broken'"):
        TfliteModel(content, name="broken", threads=1)
    assert capfd.readouterr().err == ""


def test_loading_keeps_native_chatter_from_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    shipped = manifest.load(manifest.shipped_folder())
    TfliteModel(shipped.read(shipped.entry("face_mesh")), name="face_mesh", threads=1)
    assert capfd.readouterr() == ("", "")
