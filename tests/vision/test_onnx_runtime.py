"""ONNX Runtime: the provider that is asked for, or an error that says why there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from appliance.errors import ModelError
from appliance.vision import manifest, onnx_runtime
from appliance.vision.onnx_runtime import CPU, CUDA, OnnxModel, Provider, tensorrt
from appliance.vision.parity import compare
from tests.conftest import ROOT
from tests.portraits import network

pytest.importorskip("onnxruntime", reason="the extra [dev] is not installed")


def twin() -> bytes:
    models = manifest.load(manifest.shipped_folder())
    entry = models.entry("mobilefacenet")
    assert entry.twin is not None
    return models.read(entry.twin)


def test_the_twin_computes_what_the_tflite_file_computes_on_real_faces() -> None:
    model = OnnxModel(twin(), name="twin", provider=CPU, threads=1)
    assert model.input_shape == (1, 112, 112, 3)
    assert model.output_shapes == [(1, 192)]
    entry = manifest.load(manifest.shipped_folder()).entry("mobilefacenet")
    found = compare(model, network("mobilefacenet"), entry)
    assert found.faces == 12
    assert found.least >= 0.99999


def test_an_output_is_the_callers_own() -> None:
    model = OnnxModel(twin(), name="twin", provider=CPU, threads=1)
    (first,) = model.run(np.zeros(model.input_shape, np.float32))
    kept = first.copy()
    model.run(np.ones(model.input_shape, np.float32))
    assert np.array_equal(first, kept)


def test_a_file_that_is_no_network_is_an_error_that_names_it() -> None:
    with pytest.raises(ModelError, match="cannot load the model 'broken'"):
        OnnxModel(b"no network", name="broken", provider=CPU, threads=1)


def test_a_provider_that_was_not_built_in_is_told() -> None:
    if "CUDAExecutionProvider" in onnx_runtime.providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(ModelError, match="was built without CUDA") as caught:
        OnnxModel(twin(), name="twin", provider=CUDA, threads=1)
    assert caught.value.code == "no_provider"


def test_one_that_leaves_the_network_to_the_cpu_is_not_taken() -> None:
    # It is in ONNX Runtime's own packages, has no operator of ours, and is first in the list of a
    # session's providers all the same.
    idle = Provider("Azure", "AzureExecutionProvider")
    if idle.identifier not in onnx_runtime.providers():
        pytest.skip("this ONNX Runtime has no provider without operators")
    with pytest.raises(ModelError, match="assigned to the default CPU EP") as caught:
        OnnxModel(twin(), name="twin", provider=idle, threads=1)
    assert caught.value.code == "no_provider"
    assert "Azure cannot be used by ONNX Runtime" in caught.value.message


def test_it_is_loaded_only_where_it_may_not_report(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str | None] = []

    class Recorder(MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "onnxruntime":
                found.append(os.environ.get("ORT_DISABLE_TELEMETRY"))

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr(sys, "meta_path", [Recorder()])
    with pytest.raises(ModelError, match="cannot be loaded"):
        onnx_runtime.providers()
    assert found == ["1"]


@pytest.mark.slow
def test_it_leaves_nothing_of_its_own_in_the_home(tmp_path: Path) -> None:
    # What it reports from lies there, beside a number of the machine. It is silent in CI anyway.
    surroundings = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    asked = "from appliance.vision import onnx_runtime; onnx_runtime.providers()"
    subprocess.run([sys.executable, "-c", asked], env=surroundings, cwd=ROOT, check=True)
    assert [*tmp_path.rglob("*")] == []


class Session:
    """What ONNX Runtime makes where a provider's libraries are missing: it takes the CPU, and
    complains natively and, in older versions, on standard output."""

    complaint = (
        "2026-01-01 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] Failed to load "
        "library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open "
        "shared object file: No such file or directory\n"
    )

    def __init__(self, content: bytes, options: Any, **told: Any) -> None:
        assert told["enable_fallback"] == 0
        os.write(2, self.complaint.encode())
        print("Falling back to ['CPUExecutionProvider'] and retrying.")  # noqa: T201 - as it does

    def disable_fallback(self) -> None:
        """From now on it raises."""

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


@pytest.fixture
def without_libraries(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("onnxruntime")
    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    module.get_available_providers = lambda: names  # type: ignore[attr-defined]
    options = type("SessionOptions", (), {"add_session_config_entry": lambda *_: None})
    module.SessionOptions = options  # type: ignore[attr-defined]
    module.InferenceSession = Session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return module


def test_a_silent_fall_back_is_an_error_with_the_missing_library(
    without_libraries: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for provider in (CUDA, tensorrt(tmp_path, half=True)):
        with pytest.raises(ModelError) as caught:
            OnnxModel(b"", name="twin", provider=provider, threads=1)
        assert f"{provider.name} cannot be used by ONNX Runtime" in caught.value.message
        assert "libcublasLt.so.13: cannot open shared object file" in caught.value.message
    assert capfd.readouterr() == ("", "")


def test_without_the_runtime_the_person_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError) as caught:
        OnnxModel(b"", name="twin", provider=CPU, threads=1)
    assert caught.value.code == "missing_runtime"


def test_tensorrt_is_told_where_to_keep_its_engines(tmp_path: Path) -> None:
    options = tensorrt(tmp_path, half=False).options
    assert options["trt_fp16_enable"] == "False"
    assert options["trt_engine_cache_enable"] == "True"
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(tmp_path)
    assert set(options.values()) <= {"True", "False", str(tmp_path), str(256 << 20)}
