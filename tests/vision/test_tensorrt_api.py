"""What is used of TensorRT's Python bindings is there in NVIDIA's own, under the same names.

The bindings (PyPI `tensorrt-cu12-bindings`, module `tensorrt_bindings`) import without a GPU where
libnvinfer, libnvonnxparser and libnvinfer_plugin can be loaded, be it empty ones.
"""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest

from appliance.vision import tensorrt_engine
from tests.vision.fake_gpu import fake_tensorrt

pytestmark = pytest.mark.slow

# Class, method, and its arguments by name, in their order.
METHODS = (
    ("Builder", "create_network", ("flags",)),
    ("Builder", "create_builder_config", ()),
    ("Builder", "build_serialized_network", ("network", "config")),
    ("OnnxParser", "parse", ("model",)),
    ("OnnxParser", "get_error", ("index",)),
    ("IBuilderConfig", "set_memory_pool_limit", ("pool", "pool_size")),
    ("IBuilderConfig", "set_flag", ("flag",)),
    ("IBuilderConfig", "clear_flag", ("flag",)),
    ("IBuilderConfig", "create_timing_cache", ("serialized_timing_cache",)),
    ("IBuilderConfig", "set_timing_cache", ("cache", "ignore_mismatch")),
    ("IBuilderConfig", "get_timing_cache", ()),
    ("ITimingCache", "serialize", ()),
    ("Runtime", "deserialize_cuda_engine", ("serialized_engine",)),
    ("ICudaEngine", "create_execution_context", ()),
    ("ICudaEngine", "get_tensor_name", ("index",)),
    ("ICudaEngine", "get_tensor_dtype", ("name",)),
    ("ICudaEngine", "get_tensor_shape", ("name",)),
    ("ICudaEngine", "get_tensor_mode", ("name",)),
    ("IExecutionContext", "set_tensor_address", ("name", "memory")),
    ("IExecutionContext", "execute_async_v3", ("stream_handle",)),
)
ATTRIBUTES = (
    ("OnnxParser", "num_errors"),
    ("ICudaEngine", "num_io_tensors"),
    ("BuilderFlag", "TF32"),
    ("DataType", "FLOAT"),
    ("TensorIOMode", "INPUT"),
    ("MemoryPoolType", "WORKSPACE"),
)


@pytest.fixture(scope="module")
def trt() -> Any:
    name = "tensorrt" if importlib.util.find_spec("tensorrt") else "tensorrt_bindings"
    reason = "NVIDIA's Python bindings are not at hand"
    return pytest.importorskip(name, reason=reason, exc_type=ImportError)


@pytest.mark.parametrize(("owner", "method", "arguments"), METHODS)
def test_a_method_takes_what_it_is_given(
    trt: Any, owner: str, method: str, arguments: tuple[str, ...]
) -> None:
    told = getattr(getattr(trt, owner), method).__doc__
    named = [re.findall(r"(\w+): ", line)[1:] for line in re.findall(r"\(self: .*\)", told)]
    assert any(tuple(found[: len(arguments)]) == arguments for found in named), told


@pytest.mark.parametrize(("owner", "attribute"), ATTRIBUTES)
def test_an_attribute_is_there(trt: Any, owner: str, attribute: str) -> None:
    assert hasattr(getattr(trt, owner), attribute)


def test_until_10_fp16_is_a_flag_and_later_it_is_refused_by_name(trt: Any) -> None:
    major = int(trt.__version__.partition(".")[0])
    assert hasattr(trt.BuilderFlag, "FP16") is (major <= 10)


def test_log_and_progress_can_be_ours(trt: Any) -> None:
    log = tensorrt_engine._log(trt)
    log.log(trt.ILogger.Severity.WARNING, "weights are large")
    log.log(trt.ILogger.Severity.ERROR, "no kernel\n")
    assert log.complaints == ["no kernel"]
    if not hasattr(trt, "IProgressMonitor"):
        pytest.skip("TensorRT 8.6 tells nobody of its steps")
    assert hasattr(trt.IBuilderConfig, "progress_monitor")
    told: list[tuple[str, int, int]] = []
    monitor = tensorrt_engine._monitor(trt, lambda *step: told.append(step))
    assert isinstance(monitor, trt.IProgressMonitor)
    monitor.phase_start("Building", None, 2)
    assert monitor.step_complete("Building", 0)
    monitor.phase_finish("Building")
    assert told == [("Building", 0, 2), ("Building", 1, 2), ("Building", 2, 2)]


def test_the_twin_has_no_name_that_the_real_one_lacks(trt: Any) -> None:
    lacks = {name for name in vars(fake_tensorrt()) if not hasattr(trt, name)}
    assert lacks <= ({"IProgressMonitor"} if trt.__version__.startswith("8.") else set())
