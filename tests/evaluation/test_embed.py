"""What becomes of one picture of a labelled set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ModelError
from appliance.evaluation.embed import Embedded, Found, embed_frame, known_faces
from appliance.types import Embedding, FaceCrop, Frame
from tests.toys import ALICE, BOB, Toy, ToyEmbedder, scene, toy_perception


def outcome(frame: Frame) -> Embedded:
    return embed_frame(toy_perception(), frame)


def test_the_face_nearest_to_the_middle_is_the_one_the_label_names() -> None:
    found = outcome(scene(0.0, Toy(BOB, x=60, width=110), Toy(ALICE, x=190, width=80)))
    assert found.vector is not None
    assert int(np.argmax(found.vector)) == ALICE
    assert found.fault is None


def test_a_picture_without_a_face_is_missed_and_a_poor_one_refused() -> None:
    missed, refused = outcome(scene(0.0)), outcome(scene(0.0, Toy(ALICE, sharp=False)))
    assert (missed.vector, missed.fault, missed.missed) == (None, "no_face", True)
    assert (refused.fault, refused.missed) == ("blurred", False)
    # A door would not look at it; LFW's own protocol does.
    assert refused.vector is not None
    assert int(np.argmax(refused.vector)) == ALICE


def test_what_was_measured_of_a_face_is_told_whether_or_not_a_door_would_take_it() -> None:
    taken, refused = outcome(scene(0.0, Toy(ALICE))), outcome(scene(0.0, Toy(ALICE, sharp=False)))
    assert taken.quality is not None
    assert refused.quality is not None
    assert taken.quality.faults == ()
    assert [fault.value for fault in refused.quality.faults] == ["blurred"]
    assert taken.quality.sharpness > refused.quality.sharpness
    assert taken.quality.eye_distance > 0
    assert outcome(scene(0.0)).quality is None


def test_liveness_has_no_say_in_a_measurement_of_identity() -> None:
    assert outcome(scene(0.0, Toy(ALICE, live=0.0))).vector is not None


def test_pictures_do_not_influence_each_other() -> None:
    perception = toy_perception()
    frames = [scene(0.0, Toy(ALICE)), scene(0.0, Toy(BOB, x=100)), scene(0.0, Toy(ALICE))]
    found = [embed_frame(perception, frame).vector for frame in frames]
    assert all(vector is not None for vector in found)
    assert np.array_equal(found[0], found[2])  # type: ignore[arg-type]


def test_a_broken_network_is_no_missed_picture() -> None:
    class Broken(ToyEmbedder):
        def embed(self, crop: FaceCrop) -> Embedding:
            raise ModelError("broken")

    with pytest.raises(ModelError, match="broken"):
        embed_frame(toy_perception(embedder=Broken()), scene(0.0, Toy(ALICE)))


def test_a_pipe_and_a_device_that_are_called_pictures_are_not_read(tmp_path: Path) -> None:
    class Nothing:
        def found(self, digest: bytes) -> Found | None:
            raise AssertionError(digest)

        def embedded(self, digest: bytes) -> Embedded | None:
            raise AssertionError(digest)

        def keep(self, digest: bytes, found: Found, embedded: Embedded) -> None:
            raise AssertionError(digest, found, embedded)

    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    paths = [tmp_path / "pipe.jpg", tmp_path / "endless.jpg", tmp_path / "missing.jpg"]
    assert known_faces(paths, Nothing()) == [None, None, None]
