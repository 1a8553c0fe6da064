from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.errors import StoreError
from appliance.store.codec import decode_template, encode_template
from appliance.types import Template

Doubles = NDArray[np.float64]

_HEADER_BYTES = 10


@given(st.integers(1, 20), st.integers(1, 600), st.integers(0, 2**32 - 1))
def test_a_template_comes_back_to_the_last_bit(count: int, dimensions: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count + 1, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    template = Template(vectors[1:], vectors[0], "m", "f")
    back = decode_template(encode_template(template), model="m", fingerprint="f")
    assert back.vectors.tobytes() == template.vectors.tobytes()
    assert back.mean.tobytes() == template.mean.tobytes()
    assert back.vectors.dtype == np.dtype(np.float32)
    assert back.vectors.shape == (count, dimensions)
    assert (back.model, back.fingerprint, back.count) == ("m", "f", count)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        decode_template(blob, model="m", fingerprint="f")
    assert caught.value.code == "bad_template"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: blob[:-1],
        lambda blob: blob + b"\0",
        lambda blob: blob[: _HEADER_BYTES - 1],
        lambda blob: b"XXXX" + blob[4:],
        lambda blob: blob[:4] + b"\x02" + blob[5:],
        lambda blob: blob[:6] + b"\0\0" + blob[8:],
        lambda blob: blob[:_HEADER_BYTES] + np.float32(np.nan).tobytes() + blob[14:],
        lambda blob: blob[:_HEADER_BYTES] + np.float32(np.inf).tobytes() + blob[14:],
        lambda blob: blob[:_HEADER_BYTES] + np.float32(3e38).tobytes() + blob[14:],
        lambda blob: blob[:_HEADER_BYTES] + np.float32(1.5).tobytes() + blob[14:],
    ],
)
def test_a_spoilt_template_is_refused(
    spoil: Callable[[bytes], bytes], make_template: Callable[..., Template]
) -> None:
    blob = encode_template(make_template(dimensions=8))
    with pytest.raises(StoreError):
        decode_template(spoil(blob), model="m", fingerprint="f")


@pytest.mark.parametrize(
    ("vectors", "mean"),
    [
        (np.zeros((0, 4)), np.array([1.0, 0, 0, 0])),
        (np.eye(4)[:1], np.array([1.0, 0, 0])),
        (np.eye(4)[0], np.eye(4)[0]),
        (np.eye(4) * 2, np.eye(4)[0]),
        (np.eye(4), np.zeros(4)),
        (np.eye(4), np.full(4, np.nan)),
    ],
)
def test_a_template_that_makes_no_sense_is_not_kept(vectors: Doubles, mean: Doubles) -> None:
    with pytest.raises(StoreError):
        encode_template(Template(vectors.astype(np.float32), mean.astype(np.float32), "m", "f"))
