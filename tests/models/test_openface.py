"""The committed OpenFace files: the 8-bit twin says what the float32 one says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.vision.embedding import unit
from appliance.vision.interpreter import TfliteModel

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "appliance" / "demo" / "pictures"


def model(name: str) -> TfliteModel:
    return TfliteModel((ROOT / "models" / f"{name}.tflite").read_bytes(), name=name, threads=1)


def rough_crop(path: Path) -> NDArray[np.float32]:
    """The middle of a picture as (1, 96, 96, 3) RGB in 0..1: natural pixels, unaligned."""
    bgr = cv2.imread(str(path))
    assert bgr is not None
    side = min(bgr.shape[:2]) // 2
    top, left = (bgr.shape[0] - side) // 2, (bgr.shape[1] - side) // 2
    crop = cv2.resize(bgr[top : top + side, left : left + side], (96, 96), interpolation=3)
    tensor: NDArray[np.float32] = crop[None, :, :, ::-1].astype(np.float32)
    return np.ascontiguousarray(tensor / np.float32(255))


def test_eight_bit_embeddings_point_where_the_float_ones_do() -> None:
    pictures = sorted(PICTURES.glob("*.jpg"))
    if not pictures:
        pytest.skip("the demonstration's pictures are not in this checkout")
    exact, short = model("openface"), model("openface_int8")
    for path in pictures:
        crop = rough_crop(path)
        cosine = float(unit(exact.run(crop)[0].reshape(-1)) @ unit(short.run(crop)[0].reshape(-1)))
        assert cosine > 0.997, path.name


def test_both_files_take_and_give_what_the_manifest_says() -> None:
    grey = np.full((1, 96, 96, 3), 0.5, np.float32)
    for name in ("openface", "openface_int8"):
        network = model(name)
        assert network.input_shape == (1, 96, 96, 3)
        (embedding,) = network.run(grey)
        assert embedding.shape == (1, 128)
        assert np.isfinite(embedding).all()
