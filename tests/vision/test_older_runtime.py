"""The older runtime itself, fetched where it can be, runs the shipped models to the same end."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.patience import patient
from tests.portraits import network

ROOT = Path(__file__).parents[2]
MODELS = (
    "mobilefacenet",
    "mobilefacenet_dynamic",
    "mobilefacenet_int8",
    "openface",
    "openface_int8",
    "face_mesh",
    "antispoof",
)
# tflite-runtime was built against numpy 1; a Raspberry Pi has what it was built for.
WANTED = ("tflite-runtime==2.14.0", "numpy<2")

SCRIPT = """
import sys
sys.modules["ai_edge_litert"] = None  # as if it were not installed
import numpy
from appliance.vision import manifest
from appliance.vision.interpreter import TfliteModel, runtime
assert runtime().__name__ == "tflite_runtime.interpreter", runtime()
shipped = manifest.load(manifest.shipped_folder())
results = {}
for name in sys.argv[2:]:
    model = TfliteModel(shipped.read(shipped.entry(name)), name=name, threads=1)
    results[name] = model.run(numpy.load(sys.argv[1] + "/" + name + ".npy"))[0]
numpy.savez(sys.argv[1] + "/results.npz", **results)
"""

NEWEST_PYTHON = (3, 11)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the older runtime in it."""
    too_new = tuple(sys.version_info[:2]) > NEWEST_PYTHON
    if too_new or platform.machine() not in {"x86_64", "aarch64"}:
        pytest.skip("tflite-runtime has wheels for Python up to 3.11 on x86-64 and aarch64 only")
    folder = tmp_path_factory.mktemp("older_runtime")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--target", str(folder), *WANTED],
        capture_output=True,
        text=True,
        timeout=patient(300),
        check=False,
    )
    if done.returncode:
        pytest.skip(f"tflite-runtime cannot be fetched: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.slow
def test_shipped_models_say_the_same_under_the_older_runtime(older: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    inputs = {name: random.random(network(name).input_shape).astype(np.float32) for name in MODELS}
    for name, tensor in inputs.items():
        np.save(tmp_path / f"{name}.npy", tensor)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *MODELS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(older), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=patient(120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = np.load(tmp_path / "results.npz")
    for name, tensor in inputs.items():
        here, there = network(name).run(tensor)[0].reshape(-1), results[name].reshape(-1)
        cosine = here @ there / (np.linalg.norm(here) * np.linalg.norm(there))
        # Integer kernels round differently from one version to the next.
        exact = name not in {"mobilefacenet_dynamic", "mobilefacenet_int8", "openface_int8"}
        assert cosine > (0.99999 if exact else 0.97), f"{name}: {cosine}"
