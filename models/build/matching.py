"""Ways of comparing that might be better, measured by cross-validation over people.

Thresholds are those that keep the false-accept rate on the very people that are judged, who are a
half of all, drawn anew in each round. Nothing is fitted, so nothing of the other half is used: the
rounds only show how much a figure owes to who happened to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import FaceCrop
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.interpreter import TfliteModel, network_input
from appliance.vision.manifest import Entry, load
from appliance.vision.quality import SKIN, sharpness
from models.build.gallery import Gallery, find_faces
from models.build.job import Job

MODEL = "mobilefacenet_dynamic"
TARGETS = (1e-3, 1e-4, 1e-5)
ROUNDS = 3
ENROLLED = 5

Vectors = NDArray[np.float32]
Weights = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Faces:
    """What the variants work on: one row for each face.

    straight, mirrored: (n, dimensions) as the network gives them, not normalised.
    person: (n,) indices. sharp: (n,) see appliance.vision.quality.
    """

    straight: Vectors
    mirrored: Vectors
    person: NDArray[np.int64]
    sharp: Weights

    def of(self, people: NDArray[np.int64]) -> Faces:
        """Return the faces of some people."""
        mask = np.isin(self.person, people)
        return Faces(self.straight[mask], self.mirrored[mask], self.person[mask], self.sharp[mask])


@dataclass(frozen=True)
class Variant:
    """One way: what a face's vector is, how several weigh, and how a template is compared.

    vectors: (n, dimensions) unit vectors. weights: (n,). compare: from (n, ENROLLED) similarities
    to the template's faces and (n,) to their mean to one score each.
    """

    name: str
    vectors: Callable[[Faces], Vectors]
    weights: Callable[[Faces], Weights]
    compare: Callable[[Vectors, Vectors], Vectors]
    several_only: bool = False


def unit(vectors: Vectors) -> Vectors:
    """Normalise rows."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def _straight(faces: Faces) -> Vectors:
    return unit(faces.straight)


def _both(faces: Faces) -> Vectors:
    return unit(unit(faces.straight) + unit(faces.mirrored))


def _equal(faces: Faces) -> Weights:
    return np.ones(len(faces.person))


def _length(faces: Faces) -> Weights:
    return np.asarray(np.linalg.norm(faces.straight, axis=1), np.float64)


def _sharpness(faces: Faces) -> Weights:
    return faces.sharp


def _mean(_: Vectors, to_mean: Vectors) -> Vectors:
    return to_mean


def _best(to_each: Vectors, _: Vectors) -> Vectors:
    return np.asarray(to_each.max(axis=1), np.float32)


def _half_best(to_each: Vectors, to_mean: Vectors) -> Vectors:
    return np.asarray((to_each.max(axis=1) + to_mean) / 2, np.float32)


VARIANTS = (
    Variant("as shipped", _straight, _equal, _mean),
    Variant("mirrored too", _both, _equal, _mean),
    Variant("best of the template", _straight, _equal, _best, several_only=True),
    Variant("best and mean", _straight, _equal, _half_best, several_only=True),
    Variant("by vector length", _straight, _length, _mean, several_only=True),
    Variant("by sharpness", _straight, _sharpness, _mean, several_only=True),
)


def print_matching(job: Job) -> None:
    """Print the false-reject rates of every variant, for one, five to one and five to three."""
    faces = _faces(find_faces(job), job)
    people = np.unique(faces.person)
    halves = [
        faces.of(half)
        for number in range(ROUNDS)
        for half in np.array_split(np.random.default_rng(number).permutation(people), 2)
    ]
    click.echo(f"{len(faces.person)} faces of {len(people)} people; {len(halves)} halves of them.")
    columns = [f"{rate:.0e}" for rate in TARGETS]
    click.echo(f"{'FRR in % at a FAR of':<24}" + " ".join(f"{name:>9}" for name in columns))
    for variant in VARIANTS:
        for label, rates in _rates(variant, halves).items():
            cells = " ".join(f"{100 * rate:9.2f}" for rate in rates)
            click.echo(f"{variant.name:<20} {label:<3}" + cells)


def _faces(gallery: Gallery, job: Job) -> Faces:
    manifest = load(job.models)
    entry = manifest.entry(MODEL, "embedder")
    model = TfliteModel(manifest.read(entry), name=MODEL, threads=1)
    straight, mirrored, sharp = [], [], []
    with click.progressbar(range(len(gallery)), label="Embedding") as numbers:
        for number in numbers:
            crop = FIVE_POINT_112.crop(*gallery.face(number))
            straight.append(_raw(model, entry, crop.bgr))
            mirrored.append(_raw(model, entry, np.ascontiguousarray(crop.bgr[:, ::-1])))
            sharp.append(_sharp(crop))
    return Faces(np.stack(straight), np.stack(mirrored), gallery.person, np.array(sharp))


def _raw(model: TfliteModel, entry: Entry, bgr: NDArray[np.uint8]) -> Vectors:
    return np.asarray(model.run(network_input(bgr, entry))[0][0], np.float32)


def _sharp(crop: FaceCrop) -> float:
    return sharpness(np.asarray(cv2.cvtColor(crop.bgr[SKIN], cv2.COLOR_BGR2GRAY), np.uint8))


def _rates(variant: Variant, halves: list[Faces]) -> Mapping[str, Weights]:
    """(TARGETS,) mean FRR over the halves, by protocol."""
    results: dict[str, Weights] = {}
    if not variant.several_only:
        results["1:1"] = np.mean([_frr(*_single(variant, half)) for half in halves], axis=0)
    for probes in (1, 3):
        trials = [_frr(*_templates(variant, half, probes)) for half in halves]
        results[f"{ENROLLED}:{probes}"] = np.mean(trials, axis=0)
    return results


def _frr(genuine: Vectors, impostor: Vectors) -> Weights:
    ranked = np.sort(impostor)[::-1]
    least = [ranked[max(int(far * ranked.size), 1) - 1] for far in TARGETS]
    return np.array([(genuine < threshold).mean() for threshold in least])


def _single(variant: Variant, faces: Faces) -> tuple[Vectors, Vectors]:
    vectors = variant.vectors(faces)
    row, column = np.triu_indices(len(vectors), 1)
    scores = (vectors @ vectors.T)[row, column]
    same = faces.person[row] == faces.person[column]
    return scores[same], scores[~same]


def _templates(variant: Variant, faces: Faces, probes: int) -> tuple[Vectors, Vectors]:
    """Scores of everybody's first ENROLLED faces against all later groups of `probes`."""
    vectors, weights = variant.vectors(faces), variant.weights(faces)
    everybody = [np.flatnonzero(faces.person == person) for person in np.unique(faces.person)]
    enrolled = [mine[:ENROLLED] for mine in everybody if len(mine) >= ENROLLED + probes]
    groups = [
        group
        for mine in everybody
        for group in np.split(mine[: len(mine) // probes * probes], len(mine) // probes or 1)
        if len(group) == probes
    ]
    fused = np.stack([_fused(vectors[group], weights[group]) for group in groups])
    first = np.array([group[0] for group in groups])
    genuine, impostor = [], []
    for chosen in enrolled:
        template = _fused(vectors[chosen], weights[chosen])
        scores = variant.compare(fused @ vectors[chosen].T, fused @ template)
        own = faces.person[first] == faces.person[chosen[0]]
        genuine.append(scores[own & (first > chosen[-1])])
        impostor.append(scores[~own])
    return np.concatenate(genuine), np.concatenate(impostor)


def _fused(vectors: Vectors, weights: Weights) -> Vectors:
    return unit(np.asarray((vectors * weights[:, None]).sum(axis=0), np.float32))
