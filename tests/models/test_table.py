"""The table over all embedders: its figures are those of the pairs, and its cache is no guess."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.evaluation.dataset import Pair
from appliance.types import FaceCrop, Floats
from appliance.vision import manifest
from models.build import table
from models.build.contenders import Contender, shipped_contenders
from models.build.crops import Crops
from models.build.gallery import Gallery, embedded, find_faces
from models.build.job import Job
from tests.portraits import FOLDER


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Two people's bundled pictures, laid out as LFW's, and a picture with no face."""
    folder = tmp_path_factory.mktemp("table")
    for person, files in {"A": ["obama.jpg", "obama2.jpg"], "B": ["biden.jpg"]}.items():
        place = folder / "pictures" / person
        place.mkdir(parents=True)
        for number, file in enumerate(files, start=1):
            shutil.copy(FOLDER / file, place / f"{person}_{number:04d}.jpg")
    (folder / "pictures" / "B" / "B_0000.ppm").write_bytes(b"P6 64 64 255\n" + bytes(64 * 64 * 3))
    return Job(cache=folder / "cache", pictures=folder / "pictures")


@pytest.fixture(scope="module")
def gallery(job: Job) -> Gallery:
    return find_faces(job)


class Counting:
    """A network that gives a crop's mean colour, and knows how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, face: FaceCrop) -> Floats:
        self.asked += 1
        return np.asarray(face.bgr.reshape(-1, 3).mean(axis=0), np.float32)


def contender(network: Counting, key: str = "one") -> Contender:
    aligner = next(shipped_contenders(manifest.load(manifest.shipped_folder()), None))
    return replace(aligner, name="counting", embed=network.embed, key=key)


def test_a_picture_without_a_face_is_left_out(gallery: Gallery) -> None:
    assert len(gallery) == 3
    names = [gallery.dataset.pictures[item].path.name for item in gallery.picture]
    assert names == ["A_0001.jpg", "A_0002.jpg", "B_0001.jpg"]
    assert gallery.person.tolist() == [0, 0, 1]
    assert len(set(gallery.names)) == 3


def test_faces_are_found_once(
    job: Job, gallery: Gallery, capsys: pytest.CaptureFixture[str]
) -> None:
    again = find_faces(job)
    assert "Finding faces" not in capsys.readouterr().out
    assert (again.points == gallery.points).all()
    assert again.names == gallery.names


def test_a_vector_is_computed_once_for_each_face_and_network(
    gallery: Gallery, tmp_path: Path
) -> None:
    network = Counting()
    first = embedded(contender(network), gallery, tmp_path)
    assert network.asked == 3
    assert (embedded(contender(network), gallery, tmp_path) == first).all()
    assert network.asked == 3
    embedded(contender(network, "two"), gallery, tmp_path)
    assert network.asked == 6


def test_a_face_that_was_found_elsewhere_is_embedded_anew(gallery: Gallery, tmp_path: Path) -> None:
    network = Counting()
    embedded(contender(network), gallery, tmp_path)
    points = gallery.points.copy()
    points[1] += 3
    moved = replace(gallery, points=points)
    assert embedded(contender(network), moved, tmp_path).shape == (3, 3)
    assert network.asked == 4


def test_an_interrupted_run_leaves_nothing_to_be_believed(gallery: Gallery, tmp_path: Path) -> None:
    def stop(_: FaceCrop) -> Floats:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded(replace(contender(Counting()), embed=stop), gallery, tmp_path)
    assert not list(tmp_path.glob("*.npz"))


def test_likeness_orders_unit_vectors_as_the_cosine_does() -> None:
    random = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    unit = random / np.linalg.norm(random, axis=1, keepdims=True)
    assert table.likenesses(unit, unit) == pytest.approx(2 * unit @ unit.T - 2, abs=1e-5)
    apart = np.linalg.norm(random[3] - random[5]) ** 2
    assert table.likenesses(random, random)[3, 5] == pytest.approx(-apart, rel=1e-5)


def naive(vectors: NDArray[np.float64], person: list[int], share: float) -> float:
    """The false-reject rate, pair by pair: as many strangers pass as may, and not one more."""
    pairs = [
        (float(np.linalg.norm(vectors[one] - vectors[other])), person[one] == person[other])
        for one, other in combinations(range(len(person)), 2)
    ]
    strangers = sorted(distance for distance, same in pairs if not same)
    barred = strangers[int(share * len(strangers))]
    genuine = [distance for distance, same in pairs if same]
    return sum(distance >= barred for distance in genuine) / len(genuine)


def test_the_rates_are_those_that_counting_pair_by_pair_gives() -> None:
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(60), 3)
    vectors = random.normal(size=(60, 4))[person] + random.normal(0, 0.2, (180, 4))
    rates = table.false_rejects(np.asarray(vectors, np.float32), person)
    told = rates[1e-3]
    assert told is not None
    assert told.trials == 60 * 3
    assert 0.2 < told.value < 0.9
    assert told.value == pytest.approx(naive(vectors, person.tolist(), 1e-3))
    assert told.interval[0] < told.value < told.interval[1]


def test_a_rate_that_too_few_strangers_bear_out_is_not_told() -> None:
    vectors = np.random.default_rng(2).normal(size=(180, 4)).astype(np.float32)
    rates = table.false_rejects(vectors, np.repeat(np.arange(60), 3))
    # 15,930 pairs of strangers: one or none of them passes.
    assert (rates[1e-4], rates[1e-5]) == (None, None)


def test_strangers_that_are_all_alike_all_stay_outside() -> None:
    person = np.repeat(np.arange(80), 2)
    vectors = np.zeros((160, 2), np.float32)
    vectors[1, 0] = 0.5  # the only face that differs from any other
    told = table.false_rejects(vectors, person)[1e-3]
    assert told is not None
    assert told.value == 1


def test_a_pair_with_a_missed_face_is_rejected(gallery: Gallery) -> None:
    first, second, *_ = gallery.picture.tolist()
    (missed,) = set(range(len(gallery.dataset.pictures))) - set(gallery.picture.tolist())
    vectors = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], np.float32)
    pairs = [Pair(first, second, True, 0), Pair(first, missed, True, 0)]
    assert table.pair_scores(vectors, gallery, pairs).tolist() == [-25, -np.inf]


def test_openface_meets_every_alignment_and_the_rest_their_own() -> None:
    shipped = manifest.load(manifest.shipped_folder())
    built = list(shipped_contenders(shipped, None))
    entered = [(item.name, item.aligned_by) for item in built]
    for name in ("openface", "openface_int8"):
        assert [by for other, by in entered if other == name] == ["mesh", "dlib 5"]
    assert ("mobilefacenet", "mesh") in entered
    assert len(set(entered)) == len(entered)
    assert len({item.key for item in built}) == len(built)


def test_nobody_is_judged_on_whom_a_quantiser_may_have_been_calibrated() -> None:
    person = np.array([0, 0, *range(1, 33), 40, 41, 40])
    crops = Crops(np.zeros((len(person), 1, 1, 3), np.uint8), person)
    seen, _ = crops.split()
    judged = person[table.of_several(person)]
    assert judged.tolist() == [0, 0, 40, 40]
    assert len(seen) > 0
    assert not set(seen.person) & set(judged)


def test_the_table_has_a_line_for_each(
    job: Job, gallery: Gallery, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [
        item
        for item in shipped_contenders(manifest.load(job.models), None)
        if item.name in {"mobilefacenet_dynamic", "openface_int8"}
    ]
    table.compare(chosen, gallery, job.cache, rounds=3)
    lines = [line for line in capsys.readouterr().out.splitlines() if " mesh " in line]
    assert [line.split()[0] for line in lines] == ["mobilefacenet_dynamic", "openface_int8"]
    for line, item in zip(lines, (chosen[0], chosen[1]), strict=True):
        assert line.count("too few") == 3
        assert "no pairs" in line
        aligning, embedding, size = line.split()[-3:]
        assert int(size) == item.size
        assert float(aligning) > 0
        assert float(embedding) > 0
