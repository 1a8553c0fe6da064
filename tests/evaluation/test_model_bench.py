"""Embedders against one another: turns, agreement, and what cannot be run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from appliance.errors import InputError, ModelError
from appliance.evaluation.bench import Turns
from appliance.evaluation.model_bench import (
    VARIANTS,
    Face,
    Runners,
    candidates,
    find_faces,
    measure_models,
)
from appliance.model_choice import Cosines, Measured, why_not
from appliance.types import Embedding, FaceCrop
from appliance.vision.acquisition import Acquisition, FaceSizes
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.manifest import Entry, Manifest, load, shipped_folder
from tests.fakes import FakeClock
from tests.toys import ALICE, BOB, Toy, ToyDetector, ToyEmbedder, ToyMesh, scene, vector_of

SHIPPED = load(shipped_folder())
FLOAT, DYNAMIC, INT8 = "mobilefacenet", "mobilefacenet_dynamic", "mobilefacenet_int8"
MODELS = Manifest(
    SHIPPED.folder,
    {name: SHIPPED.entries[name] for name in (FLOAT, DYNAMIC, INT8, "openface", "face_mesh")},
)


class Network(ToyEmbedder):
    """Takes its time; `turned` moves its vectors away from the original's; counts its runs."""

    def __init__(self, clock: FakeClock, ms: float, turned: float = 0.0) -> None:
        self._clock = clock
        self._ms = ms
        self._turned = turned
        self.runs = 0

    def embed(self, crop: FaceCrop) -> Embedding:
        self.runs += 1
        self._clock.advance(self._ms / 1000)
        found = super().embed(crop)
        vector = found.vector + self._turned * vector_of(60)
        return Embedding(np.asarray(vector / np.linalg.norm(vector), np.float32), "toy")


class Blind(Network):
    def embed(self, crop: FaceCrop) -> Embedding:
        super().embed(crop)
        seed = int(crop.bgr.astype(int).sum())
        return Embedding(vector_of(1, seed, spread=3.0), "toy")


class Broken(Network):
    def embed(self, crop: FaceCrop) -> Embedding:
        raise RuntimeError("Node number 3 (CONV_2D) failed to invoke.\nmore")


def faces() -> list[Face]:
    acquisition = Acquisition(ToyDetector(), ToyMesh(), FaceSizes(0.6, 0.12))
    alice = [scene(float(at), Toy(ALICE)) for at in range(3)]
    return find_faces(acquisition, {"alice": alice, "bob": [scene(9.0, Toy(BOB))]})


def measured(
    networks: Mapping[str, tuple[Network, Network]], clock: FakeClock, rounds: int = 8
) -> dict[str, Measured]:
    def build(entry: Entry) -> Runners:
        if entry.name not in networks:
            raise ModelError("The model file x.tflite is missing.")
        return Runners(FIVE_POINT_112, *networks[entry.name])

    told: list[None] = []
    turns = Turns(rounds, lambda: told.append(None), clock.monotonic)
    rows = measure_models(MODELS, build, faces(), turns)
    assert len(told) == rounds
    assert [row.name for row in rows] == [FLOAT, DYNAMIC, INT8, "openface"]
    return {row.name: row for row in rows}


def test_times_agreement_and_recorded_losses_come_into_one_row() -> None:
    clock = FakeClock()
    pairs = {
        FLOAT: (Network(clock, 6.0), Network(clock, 7.0)),
        DYNAMIC: (Network(clock, 3.5, turned=0.05), Network(clock, 3.0)),
    }
    rows = measured(pairs, clock)
    assert (rows[FLOAT].ms, rows[FLOAT].ms_one_thread) == (6.0, 7.0)
    assert (rows[DYNAMIC].ms, rows[DYNAMIC].ms_one_thread) == (3.5, 3.0)
    assert rows[FLOAT].cosines == Cosines(least=1.0, mean=1.0)
    agreed = rows[DYNAMIC].cosines
    assert agreed is not None
    assert 0.99 < agreed.least <= agreed.mean < 1.0
    assert (rows[FLOAT].original, rows[DYNAMIC].original) == (True, False)
    fidelity = SHIPPED.entries[DYNAMIC].fidelity
    assert fidelity is not None
    assert rows[DYNAMIC].losses == fidelity.losses
    assert rows[FLOAT].separates is rows[DYNAMIC].separates is True
    assert why_not(rows[DYNAMIC]) == why_not(rows[FLOAT]) == ""


def test_each_model_and_number_of_threads_has_one_turn_a_round() -> None:
    clock = FakeClock()
    one, two = Network(clock, 1.0), Network(clock, 1.0)
    measured({FLOAT: (one, two)}, clock, rounds=5)
    assert (one.runs, two.runs) == (4 * VARIANTS + 5, 1 + 5)


def test_one_embedder_may_stand_for_both_numbers_of_threads() -> None:
    clock = FakeClock()
    single = Network(clock, 2.0)
    row = measured({FLOAT: (single, single)}, clock)[FLOAT]
    assert (row.ms, row.ms_one_thread) == (2.0, 2.0)


def test_what_cannot_be_built_or_run_says_why_and_the_others_are_measured() -> None:
    clock = FakeClock()
    pairs = {
        FLOAT: (Network(clock, 6.0), Network(clock, 6.0)),
        INT8: (Broken(clock, 1.0), Broken(clock, 1.0)),
    }
    rows = measured(pairs, clock)
    assert rows[FLOAT].ms == 6.0
    assert (rows[DYNAMIC].ms, rows[DYNAMIC].error) == (None, "The model file x.tflite is missing")
    assert rows[INT8].error == (
        "the runtime cannot run it: Node number 3 (CONV_2D) failed to invoke."
    )


def test_a_kernel_that_computes_something_else_shows() -> None:
    clock = FakeClock()
    pairs = {
        FLOAT: (Network(clock, 6.0), Network(clock, 6.0)),
        INT8: (Network(clock, 1.0, turned=0.5), Network(clock, 1.0)),
    }
    assert "something else than its float32 original" in why_not(measured(pairs, clock)[INT8])


def test_so_does_an_original_that_tells_nobody_from_anybody() -> None:
    clock = FakeClock()
    row = measured({FLOAT: (Blind(clock, 1.0), Blind(clock, 1.0))}, clock)[FLOAT]
    assert row.separates is False
    assert why_not(row) != ""


def test_without_the_original_there_is_nothing_to_agree_with() -> None:
    clock = FakeClock()
    pairs = {name: (Network(clock, 2.0), Network(clock, 2.0)) for name in (INT8, "openface")}
    rows = measured(pairs, clock)
    assert rows[INT8].cosines is None
    # OpenFace's own float32 file is another family's original, not MobileFaceNet's.
    assert rows["openface"].cosines == Cosines(least=1.0, mean=1.0)
    assert rows["openface"].family is False


def test_a_picture_without_a_face_is_told() -> None:
    acquisition = Acquisition(ToyDetector(), ToyMesh(), FaceSizes(0.6, 0.12))
    with pytest.raises(InputError, match="film#0"):
        find_faces(acquisition, {"alice": [scene(0.0)]})


def test_candidates_are_calibrated_embedders() -> None:
    entries = dict(MODELS.entries)
    entries[INT8] = entries[INT8].model_copy(update={"calibration": None})
    found = [entry.name for entry in candidates(Manifest(MODELS.folder, entries))]
    assert found == [FLOAT, DYNAMIC, "openface"]
