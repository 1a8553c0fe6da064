"""Classifiers on embeddings: who is named, how sure, who is unknown, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import InputError, ModelError
from appliance.training import classifier_file, classifier_plot, classifier_unknown, network
from appliance.training import classifier_training as training
from appliance.training.classifier import probabilities, templates, unit
from appliance.training.classifier_confidence import calibration_error, held_out, temperature
from appliance.training.classifier_training import Material, Plan, material
from appliance.training.classifier_validation import NEAREST, accuracy, confused, known
from appliance.training.network import Layer, Normalisation, assembled
from appliance.training.representations import Representations, read, write
from appliance.types import Floats
from appliance.vision.manifest import Calibration, Curve

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None or find_spec("skops") is None,
    reason="scikit-learn and skops come with the extras [dev] and [train]",
)

WIDTH = 24
SIX = (6, 6, 6, 6)


def faces(counts: tuple[int, ...], spread: float = 0.08, seed: int = 3) -> Representations:
    """So many pictures of each of some people, around a direction of each one's own."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(len(counts), WIDTH))
    labels = np.repeat(np.arange(1, len(counts) + 1), counts)
    around = centres[labels - 1] + spread * WIDTH**0.5 * random.normal(size=(len(labels), WIDTH))
    vectors = around / np.linalg.norm(around, axis=1, keepdims=True)
    people = tuple(f"person {number}" for number in range(len(counts)))
    paths = tuple(f"crops/{people[label - 1]}/{row}.png" for row, label in enumerate(labels))
    return Representations(vectors.astype(np.float32), labels, people, paths, "toy", "f00d")


def known_of(found: Representations) -> Material:
    return material(found, "here")


def trained(found: Representations, kind: str, **plan: float) -> training.Trained:
    wanted = replace(Plan("svm" if kind == "svm" else "knn"), **plan)  # type: ignore[arg-type] # by name
    return training.train(known_of(found), wanted, None, lambda: None)


def stranger(seed: int = 99) -> Floats:
    vector = np.random.default_rng(seed).normal(size=(1, WIDTH))
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@pytest.fixture(scope="module")
def machine() -> training.Trained:
    return trained(faces(SIX), "svm")


@pytest.mark.parametrize("kind", ["svm", "knn"])
def test_people_apart_are_told_apart_and_a_stranger_is_unknown(kind: str) -> None:
    done = trained(faces(SIX), kind)
    answers = done.classifier.predict(faces(SIX).vectors)
    assert [answer.name for answer in answers] == list(faces(SIX).names)
    (nobody,) = done.classifier.predict(stranger())
    assert nobody.name is None
    assert nobody.likest in done.classifier.people
    assert accuracy(done.held[kind], known_of(faces(SIX)).classes).pictures == 1.0


def test_two_people_are_enough() -> None:
    done = trained(faces((5, 5)), "svm")
    answers = done.classifier.predict(faces((5, 5)).vectors)
    assert [answer.name for answer in answers] == list(faces((5, 5)).names)
    assert all(0.5 < answer.confidence < 1 for answer in answers)


def test_a_picture_is_held_out_by_a_classifier_that_never_saw_it() -> None:
    """Labels that mean nothing are named rightly by chance only, though a neighbour knows all."""
    found = faces((60,) * 4, spread=10.0)
    done = trained(found, "knn")
    assert accuracy(done.held["knn"], known_of(found).classes).pictures < 0.45
    shares = probabilities(done.held["knn"].scores, done.classifier.temperature)
    assert shares.max(axis=1).mean() < 0.5


def test_who_is_confused_with_whom_is_told() -> None:
    found = faces(SIX)
    # Four of the first person's six pictures are under the second's name.
    mixed = replace(found, labels=np.where(np.arange(24) < 4, 2, found.labels))
    classes = known_of(mixed).classes
    held = trained(mixed, "knn").held[NEAREST]
    assert confused(held, classes) == [(1, 0, 4)]
    assert accuracy(held, classes).pictures == pytest.approx(20 / 24)


def test_the_same_seed_gives_the_same_classifier() -> None:
    one, other = (trained(faces(SIX, spread=0.5), "svm", seed=4) for _ in range(2))
    assert np.array_equal(one.held["svm"].scores, other.held["svm"].scores)
    assert one.classifier.temperature == other.classifier.temperature


# --- the confidence


def test_the_confidence_is_the_share_that_is_right() -> None:
    """Scores that are far too sure of themselves are brought down to what they are worth."""
    random = np.random.default_rng(0)
    sure = random.normal(size=(4000, 3))
    shares = probabilities(sure, 1.0)
    classes = np.array([random.choice(3, p=row) for row in shares])
    found = temperature(20 * sure, classes)
    assert found == pytest.approx(20, rel=0.1)
    assert calibration_error(probabilities(20 * sure, found), classes) < 0.03
    assert calibration_error(probabilities(20 * sure, 1.0), classes) > 0.2


def test_a_confidence_is_told_that_its_own_pictures_did_not_choose() -> None:
    random = np.random.default_rng(0)
    scores, classes = random.normal(size=(60, 3)), random.integers(0, 3, 60)
    fold = np.arange(60) % 3
    before = held_out(scores, classes, fold)
    turned = np.where(fold == 1, (classes + 1) % 3, classes)
    after = held_out(scores, turned, fold)
    assert np.array_equal(before[fold == 1], after[fold == 1])
    assert not np.allclose(before[fold != 1], after[fold != 1])
    assert before.sum(axis=1) == pytest.approx(1)


def test_nobody_is_certain_after_a_few_pictures() -> None:
    classes = np.arange(10) % 2
    scores = np.where(classes[:, None] == np.arange(2), 1.0, -1.0)
    likest = probabilities(scores, temperature(scores, classes)).max(axis=1)
    assert likest == pytest.approx(11 / 12, abs=0.01)


# --- who is unknown


def test_strangers_reach_the_limit_as_often_as_asked() -> None:
    found = known_of(faces((20,) * 40, spread=0.5))
    likely = templates(found.vectors, found.classes, 40)
    for target in (0.2, 0.05):
        limit = classifier_unknown.limit(found.vectors, found.classes, likely, target, None)
        cosines, _ = classifier_unknown.strangers(found.vectors, found.classes, likely)
        assert np.mean(cosines >= limit.similarity) == pytest.approx(target, abs=0.01)


def test_nobody_is_a_stranger_to_their_own_template() -> None:
    found = known_of(faces((4, 4, 4)))
    likely = templates(found.vectors, found.classes, 3)
    cosines, weights = classifier_unknown.strangers(found.vectors, found.classes, likely)
    own = np.einsum("rd,rd->r", found.vectors, likely[found.classes])
    assert (cosines < own).all()
    assert weights.sum() == pytest.approx(3)


def test_every_person_counts_alike_however_many_pictures_there_are() -> None:
    cosines = np.array([0.9] * 8 + [0.5, 0.4])
    weights = np.array([1 / 8] * 8 + [1 / 2, 1 / 2])
    # Half of the people, though eight of ten pictures, are as alike as 0.9.
    assert classifier_unknown.at_rate(cosines, weights, 0.5) == pytest.approx(0.5)
    assert classifier_unknown.at_rate(cosines, weights, 0.4) == pytest.approx(0.9)
    assert classifier_unknown.at_rate(cosines, weights, 0.4) > 0.9


def test_few_people_are_not_enough_to_know_strangers_by() -> None:
    curve = Curve(
        enrolled=1, probes=1, similarity=(0.1, 0.9), log10_far=(0.0, -4.0), trials=9, people=9
    )
    calibration = Calibration(data="toys", curves={"single": curve})
    found = known_of(faces(SIX))
    likely = templates(found.vectors, found.classes, 4)
    few = classifier_unknown.limit(found.vectors, found.classes, likely, 0.04, calibration)
    # 4 % for four people is 1 % for each: two decades down the curve.
    assert few.shipped == pytest.approx(0.5)
    assert few.similarity == max(few.own, 0.5)
    enough = classifier_unknown.limit(found.vectors, found.classes, likely, 0.8, calibration)
    assert enough.shipped is None


def test_a_limit_sorts_the_known(machine: training.Trained) -> None:
    classes = known_of(faces(SIX)).classes
    held = machine.held["svm"]
    assert known(held, classes, -1.0) == known(held, classes, float(held.cosines.min()))
    assert known(held, classes, 1.1).unknown == 1.0
    middle = known(held, classes, float(np.median(held.cosines)))
    assert middle.right == pytest.approx(0.5, abs=0.05)


def test_a_persons_own_pictures_have_no_say_in_the_limit_that_they_are_told_by() -> None:
    found = known_of(faces((4, 5, 6, 7), spread=0.5))
    likely = templates(found.vectors, found.classes, 4)
    told = classifier_unknown.without_each(found.vectors, found.classes, likely, 0.2, None)
    for who in range(4):
        left = found.classes != who
        others = np.searchsorted(np.unique(found.classes[left]), found.classes[left])
        gone = np.delete(likely, who, axis=0)
        wanted = classifier_unknown.limit(found.vectors[left], others, gone, 0.2, None)
        assert told[who] == pytest.approx(wanted.similarity, abs=1e-7)


def test_a_picture_under_a_wrong_name_is_not_hidden_by_a_limit_that_it_set() -> None:
    found = faces(SIX)
    found.vectors[5] = found.vectors[8]  # one of the first person's looks like the second
    done = trained(found, "knn")
    held, classes = done.held["knn"], known_of(found).classes
    assert known(held, classes, done.classifier.least_similarity).wrong == 0
    assert known(held, classes, done.limits).wrong == pytest.approx(1 / 24)


def test_of_two_people_the_limit_itself_is_told() -> None:
    done = trained(faces((5, 5)), "svm")
    assert done.limits.tolist() == [done.classifier.least_similarity] * 2


# --- what cannot be trained on


def refusal(found: Representations, least: int | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        material(found, "here", least)
    assert caught.value.hint
    return caught.value


def test_one_person_is_no_classifier() -> None:
    assert refusal(faces((5,))).code == "one_class"


def test_a_person_with_one_picture_is_refused_by_name() -> None:
    error = refusal(faces((5, 1, 5, 1)))
    assert error.code == "single_picture"
    assert "'person 1', 'person 3' have one picture each" in error.message


def test_people_with_few_pictures_are_left_out_where_that_is_asked_for() -> None:
    found = material(faces((5, 1, 5, 2)), "here", 3)
    assert found.people == ("person 0", "person 2")
    assert found.left_out == ("person 1", "person 3")
    assert np.bincount(found.classes).tolist() == [5, 5]
    assert "Only 'person 0'" in refusal(faces((5, 4)), 5).message
    assert "Nobody" in refusal(faces((5, 4)), 6).message


def test_a_vector_without_direction_is_refused() -> None:
    found = faces((3, 3))
    found.vectors[4] = 0
    assert "row 5" in refusal(found).message


def test_copies_of_a_picture_are_counted() -> None:
    found = faces((3, 3))
    assert material(found, "here").copies == 0
    found.vectors[1], found.vectors[4] = found.vectors[0], found.vectors[0]
    assert material(found, "here").copies == 2


def test_what_would_not_fit_into_memory_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "_MOST_BYTES", 1000)
    with pytest.raises(InputError, match="24 pictures for 4 people take") as caught:
        trained(faces(SIX), "knn")
    assert caught.value.code == "too_large"


def test_people_without_a_row_are_nobodys_class() -> None:
    found = faces((3, 3))
    more = replace(found, people=(*found.people, "absent"))
    assert material(more, "here").people == found.people


def test_vectors_of_any_length_are_laid_onto_the_sphere() -> None:
    assert unit(np.array([[3, 4], [0, 0.1]], np.float32)).tolist() == pytest.approx(
        np.array([[0.6, 0.8], [0, 1]])
    )


def test_it_trains_on_what_openface_wrote(tmp_path: Path) -> None:
    found = faces((4, 4))
    write(tmp_path, found)
    (tmp_path / "representations.json").unlink()
    (tmp_path / "representations.npz").unlink()
    done = trained(read(tmp_path), "svm")
    assert done.classifier.people == found.people
    assert done.classifier.origin.model is None


# --- the picture


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(2, 2), (3,) * 14], ids=("few", "more than colours"))
def test_the_embeddings_are_drawn(tmp_path: Path, counts: tuple[int, ...]) -> None:
    found = known_of(faces(counts))
    people = tuple(f"_$x_{number}" for number in range(len(counts)))
    path = tmp_path / "faces.svg"
    classifier_plot.draw(path, found.vectors, found.classes, people, "Toys")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8").startswith("<?xml")
    plane, kept = classifier_plot.components(found.vectors)
    assert plane.shape == (sum(counts), 2)
    assert 0.1 < kept <= 1


# --- the network, without PyTorch


def layers(counts: tuple[int, ...]) -> list[Layer]:
    """Some network that batch normalisation has learnt something for."""
    random = np.random.default_rng(8)
    found = []
    for number, (inward, outward) in enumerate(pairwise(counts)):
        learnt = Normalisation(
            random.normal(size=outward),
            random.uniform(0.1, 2, outward),
            random.normal(size=outward),
            random.normal(size=outward),
            1e-5,
        )
        weights, bias = random.normal(size=(outward, inward)), random.normal(size=outward)
        found.append(Layer(weights, bias, learnt if number < len(counts) - 2 else None))
    return found


@pytest.mark.parametrize("people", [2, 5])
def test_the_kept_network_computes_what_the_trained_one_did(people: int) -> None:
    found = known_of(faces((3,) * people))
    wanted = layers((WIDTH, 12, 7, people))
    values = found.vectors.astype(np.float64)
    for layer in wanted:
        values = values @ layer.weights.T + layer.bias
        if (learnt := layer.normalisation) is not None:
            values = (values - learnt.mean) / np.sqrt(learnt.variance + learnt.epsilon)
            values = np.maximum(values * learnt.scale + learnt.shift, 0)
    estimator = assembled(wanted, found.vectors, found.classes)
    shares = estimator.predict_proba(found.vectors)
    assert shares == pytest.approx(probabilities(values, 1.0), abs=1e-4)


@pytest.mark.slow  # skops loads all of scikit-learn
def test_a_network_is_kept_and_read_back(tmp_path: Path, machine: training.Trained) -> None:
    found = known_of(faces(SIX))
    estimator = assembled(layers((WIDTH, 12, 7, 4)), found.vectors, found.classes)
    written = replace(machine.classifier, kind="mlp", estimator=estimator)
    classifier_file.write(tmp_path, written)
    back = classifier_file.read(tmp_path)
    assert back.predict(found.vectors) == written.predict(found.vectors)


def test_another_width_is_another_model(machine: training.Trained) -> None:
    with pytest.raises(ModelError, match="different models"):
        machine.classifier.predict(np.ones((1, WIDTH + 1), np.float32))


# --- the network, with PyTorch


@pytest.mark.slow
def test_the_network_learns_and_is_the_same_for_the_same_seed() -> None:
    pytest.importorskip("torch", reason="PyTorch comes with the extra [train]")
    found = known_of(faces((12,) * 6, spread=0.15))
    even = np.arange(len(found.classes)) % 2 == 0
    one, other = (network.fit(found.vectors[even], found.classes[even], 5) for _ in range(2))
    assert [len(it) for it in one.intercepts_] == [500, 150, 6]
    assert np.array_equal(one.coefs_[0], other.coefs_[0])
    said = one.predict_proba(found.vectors[~even]).argmax(axis=1)
    assert np.mean(said == found.classes[~even]) > 0.9


@pytest.mark.slow
def test_the_kept_network_is_pytorchs_own() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch comes with the extra [train]")
    found = known_of(faces((6, 6, 6)))
    built = network._built(torch, WIDTH, 3)
    network._descend(torch, built, found.vectors, found.classes, 3)
    built.eval()
    with torch.no_grad():
        wanted = torch.softmax(built(torch.from_numpy(found.vectors)), dim=1).numpy()
    estimator = assembled(network._layers(torch, built), found.vectors, found.classes)
    assert estimator.predict_proba(found.vectors) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.slow
def test_training_leaves_pytorchs_random_numbers_alone() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch comes with the extra [train]")
    torch.manual_seed(1)
    wanted = torch.rand(3).tolist()
    torch.manual_seed(1)
    found = known_of(faces((4, 4)))
    network.fit(found.vectors, found.classes, 9, 1)
    assert torch.rand(3).tolist() == wanted


def test_without_pytorch_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="needs PyTorch") as caught:
        network.check()
    assert "train" in caught.value.hint
