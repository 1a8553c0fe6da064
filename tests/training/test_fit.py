"""Training on people who are made up: it learns, it stops, it keeps the best."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.errors import InputError, ModelError
from appliance.training import export
from appliance.training import fit as course
from appliance.training.comparison import Rejected
from appliance.training.fit import Epoch, Faces, Settings, batches, embedded, fit, triplet_loss
from appliance.training.graph import Graph
from appliance.training.mining import costs, semi_hard, squared_distances
from appliance.training.tail import Tail, Tune, plan
from appliance.vision.interpreter import TfliteModel
from appliance.vision.manifest import Manifest, load, shipped_folder

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra [train])")
# Loading PyTorch alone takes seconds.
pytestmark = pytest.mark.slow

Floats = NDArray[np.float32]
PARENT, EIGHT_BIT = "mobilefacenet", "mobilefacenet_dynamic"
QUICK = Settings(epochs=12, patience=12, rate=3e-3, batch=64, threads=1)


@pytest.fixture(scope="module")
def models() -> Manifest:
    return load(shipped_folder())


@pytest.fixture(scope="module")
def graph(models: Manifest) -> Graph:
    return Graph(models.read(models.entry(PARENT)), PARENT)


def people(seed: int, people: int = 24, each: int = 4) -> Faces:
    """Faces at the cut before the last layer, (1, 1, 512): a person is a direction and noise.

    The noise is the same for everybody and loud, so a linear layer can learn to pass it over.
    """
    generator = np.random.default_rng(seed)
    noise = np.random.default_rng(99).normal(size=(4, 512))
    person = np.repeat(np.arange(people), each)
    features = generator.normal(size=(people, 512))[person]
    features += generator.normal(size=(len(person), 4)) @ noise
    return Faces(features.reshape(-1, 1, 1, 512).astype(np.float32), person)


def trained(graph: Graph, tune: Tune, settings: Settings) -> tuple[Tail, Any, list[Epoch]]:
    tail = Tail(graph, plan(graph, tune))
    heard: list[Epoch] = []
    fitted = fit(tail, people(1), people(2), settings, heard.append)
    return tail, fitted, heard


@pytest.mark.parametrize("tune", ["head", "last"])
def test_it_learns_what_people_held_back_gain_by(graph: Graph, tune: Tune) -> None:
    tail, fitted, heard = trained(graph, tune, QUICK)
    assert [epoch.number for epoch in heard] == list(range(len(heard)))
    assert list(fitted.epochs) == heard
    assert fitted.best.number > 0
    assert fitted.best.frr == min(epoch.frr for epoch in heard) < heard[0].frr
    # What is left in the network is the best epoch, not the last.
    held = people(2)
    again = fit(tail, people(1), held, replace(QUICK, epochs=1, rate=1e-7), lambda _: None)
    assert again.epochs[0].frr == fitted.best.frr


def test_the_same_seed_gives_the_same_network_bit_for_bit(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many that PyTorch adds the triplets' gradients up in several threads.
    many, held = people(1, 150, 6), people(2)
    networks = []
    for seed in (3, 3, 3, 4):
        # Each epoch is taken for better than the one before: what was trained is what is kept.
        told = iter([Rejected(0.5, 0.5), Rejected(0.4, 0.4)])
        monkeypatch.setattr(course, "frr", lambda *_, told=told: next(told))
        tail = Tail(graph, plan(graph, "last"))
        often = replace(QUICK, epochs=1, rate=1e-4, seed=seed, batch=900, threads=2)
        fit(tail, many, held, often, lambda _: None)
        networks.append(tail.snapshot())
    one, *same, third = networks
    assert all((one[name] == again[name]).all() for again in same for name in one)
    assert any((one[name] != third[name]).any() for name in one)


def test_training_that_leaves_the_numbers_behind_keeps_nothing(graph: Graph) -> None:
    with pytest.raises(InputError, match="went astray") as refused:
        trained(graph, "last", replace(QUICK, rate=float("inf")))
    assert refused.value.code == "training_diverged"


def test_training_ends_when_nothing_is_gained_any_more(graph: Graph) -> None:
    _, fitted, _ = trained(graph, "last", replace(QUICK, epochs=50, patience=1, rate=1e-7))
    assert fitted.epochs[-1].number == fitted.best.number + 1


def test_those_with_most_of_the_pictures_do_not_steer_alone(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([Rejected(0.5, 0.5), Rejected(0.4, 0.6), Rejected(0.6, 0.1), Rejected(0.1, 0.4)])
    monkeypatch.setattr(course, "frr", lambda *_: next(told))
    _, fitted, _ = trained(graph, "last", replace(QUICK, epochs=3))
    assert [epoch.frr_pairs for epoch in fitted.epochs] == [0.5, 0.4, 0.6, 0.1]
    assert fitted.best.number == 2


def test_ctrl_c_keeps_the_best_so_far(graph: Graph) -> None:
    tail = Tail(graph, plan(graph, "last"))

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    fitted = fit(tail, people(1), people(2), QUICK, interrupt)
    assert fitted.interrupted
    assert fitted.best.number in {1, 2}
    assert len(fitted.epochs) == 3


def test_ctrl_c_before_anything_was_learnt_ends_it(graph: Graph) -> None:
    def interrupt(_: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Tail(graph, plan(graph, "last")), people(1), people(2), QUICK, interrupt)


def test_the_loss_is_that_of_the_paper() -> None:
    generator = np.random.default_rng(0)
    raw = generator.normal(size=(20, 8))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    distances = squared_distances(vectors)
    found = semi_hard(distances, np.arange(20) // 4)
    given = torch.from_numpy(vectors)
    loss = triplet_loss(given, found.anchor, found.positive, found.negative, Settings())
    assert float(loss) == pytest.approx(float(costs(distances, found).mean()), abs=1e-6)


def test_batches_hold_everybody_with_two_pictures_once() -> None:
    person = np.repeat(np.arange(30), [*range(1, 11)] * 3)
    settings = Settings(batch=40, each_person=6)
    seen: list[int] = []
    for rows in batches(person, settings, np.random.default_rng(0)):
        assert len(set(rows.tolist())) == len(rows)
        counts = np.bincount(person[rows], minlength=30)
        assert counts.max() <= 6
        assert (counts > 0).sum() > 1
        seen += np.flatnonzero(counts).tolist()
    several = {one for one in range(30) if (person == one).sum() >= 2}
    assert several <= set(seen)
    assert len([one for one in seen if one in several]) == len(several)


@pytest.fixture(scope="module")
def crops(models: Manifest) -> Floats:
    shape = models.entry(PARENT).input.shape
    return np.random.default_rng(5).uniform(-1, 1, (3, *shape[1:])).astype(np.float32)


@pytest.mark.parametrize("tune", ["head", "last", "stage"])
def test_what_is_exported_is_what_was_trained(
    models: Manifest, graph: Graph, crops: Floats, tune: Tune
) -> None:
    of = plan(graph, tune)
    cut = TfliteModel(graph.cut(of.tensor), name="cut", threads=1)
    features = np.concatenate([cut.run(crop[np.newaxis])[0] for crop in crops])
    tail = Tail(graph, of)
    generator = np.random.default_rng(7)
    moved = {
        name: value + 0.02 * value.std() * generator.normal(size=value.shape).astype(np.float32)
        for name, value in tail.snapshot().items()
    }
    begun = embedded(tail, features)
    tail.restore({name: value.astype(np.float32) for name, value in moved.items()})
    wanted = embedded(tail, features)
    eight_bit = Graph(models.read(models.entry(EIGHT_BIT)), EIGHT_BIT)
    full, small = export.exported(tail, graph, eight_bit, "tuned", "a test")
    assert export.parity(full, crops, wanted).least > 0.99999
    assert export.parity(small, crops, wanted).least > 0.98
    assert (full.file, small.file) == ("tuned.tflite", "tuned_int8.tflite")
    assert len(small.content) < len(full.content) / 2
    # And it is another network than the one that training began with.
    assert (begun * wanted).sum(axis=1).min() < 0.9999


def test_a_file_that_computes_something_else_is_refused(
    models: Manifest, graph: Graph, crops: Floats
) -> None:
    made = export.Exported("tuned", "float32", models.read(models.entry(PARENT)))
    wrong = np.ones((len(crops), 192), np.float32) / np.float32(np.sqrt(192))
    with pytest.raises(ModelError, match="computes something else") as refused:
        export.parity(made, crops, wrong)
    assert refused.value.code == "not_the_same"
    with pytest.raises(ModelError, match="computes something else"):
        export.parity(made, crops, np.full_like(wrong, np.nan))
