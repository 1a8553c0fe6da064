"""One training from pictures to a judged, calibrated folder of models; `train` tells of it."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from appliance import assemble
from appliance.cli.calibrate import Asked, fit_model
from appliance.cli.measuring import Effort, embed, spoil, with_model
from appliance.cli.session import Session
from appliance.config import CPU_DELEGATE, Config
from appliance.errors import InputError, ModelError
from appliance.evaluation.cache import Cache
from appliance.evaluation.calibrate import require_enough
from appliance.evaluation.dataset import Dataset, load, people_sha256, word_hashes
from appliance.evaluation.embed import Embedded, known_faces
from appliance.evaluation.fingerprints import keys
from appliance.evaluation.handicap import LEAST_FACES, measured
from appliance.evaluation.manifest_file import merge
from appliance.evaluation.protocols import gather
from appliance.evaluation.workers import Workers
from appliance.host import available_memory_mb
from appliance.training import aligned, export, verdict
from appliance.training.comparison import Change, compared
from appliance.training.crops import cut_out, features, mirrored
from appliance.training.files import unwritten
from appliance.training.fit import Epoch, Faces, Fitted, embedded, fit
from appliance.training.fit import Settings as Course
from appliance.training.graph import Graph
from appliance.training.people import Split, alike, only, split
from appliance.training.tail import Plan, Tail, Tune, plan
from appliance.types import Floats, Landmarks, Pixels
from appliance.vision.interpreter import TfliteModel, network_input
from appliance.vision.manifest import Entry, Manifest

# Faces on which the exported files are compared with PyTorch.
_COMPARED = 200
# People whose pictures are spoilt to see how quality moves similarities: each takes seconds, and a
# few hundred are enough (evaluation.handicap).
_SPOILT = 400
# What the trained part is fed with is held in memory, and training on it takes as much again.
_SHARE_OF_MEMORY = 0.5
# Where the system does not tell how much there is.
_MEMORY_MB = 4000.0

Indices = np.ndarray[Any, np.dtype[np.int64]]
# Shows the course of training: a context that gives what hears of every epoch.
Show = Callable[[int], AbstractContextManager[Callable[[Epoch], None]]]


@dataclass(frozen=True)
class Order:
    """What was asked for. train, steer: shares of the people; the rest judges.

    out: the folder to make; None: nothing is written.
    """

    model: str
    name: str
    tune: Tune
    course: Course
    train: float
    steer: float
    out: Path | None
    describe: str | None


@dataclass(frozen=True, eq=False)
class Ground:
    """What training begins with.

    eight_bit: the int8 file of the same network. before: what became of every picture, by the
    network as it is. usable: rows of `dataset.pictures` that a door would take. alike: how many
    people got the part of another whose name or photograph is the same.
    """

    config: Config
    models: Manifest
    parent: Entry
    graph: Graph
    eight_bit: Graph
    cut: Plan
    dataset: Dataset
    before: Sequence[Embedded]
    usable: Indices
    people: Split
    alike: int

    @property
    def person(self) -> Indices:
        """(pictures,) whose each picture is."""
        return np.array([picture.person for picture in self.dataset.pictures])

    def rows(self, people: Indices) -> Indices:
        """The usable pictures of some people."""
        return self.usable[np.isin(self.person[self.usable], people)]


@dataclass(frozen=True, eq=False)
class Trained:
    """The outcome of training. samples: (crops of people who judge, what PyTorch makes of them)."""

    tail: Tail
    fitted: Fitted
    samples: tuple[Sequence[Pixels], Floats]


@dataclass(frozen=True, eq=False)
class Workshop:
    """What was ordered, what it was trained from, and its files, which are staged in `draft`."""

    order: Order
    ground: Ground
    files: tuple[export.Exported, ...]
    draft: Path


@dataclass(frozen=True, eq=False)
class Judged:
    """The files, how near each is to PyTorch, and what the people who judge say, by file's name."""

    parity: Mapping[str, export.Parity]
    changes: Mapping[str, Sequence[Change]]


def prepare(session: Session, order: Order, folder: Path, effort: Effort) -> Ground:
    """Read, embed and split the people. InputError and ModelError before anything long is begun."""
    config = _on_cpu(with_model(session.config, order.model))
    models = assemble.manifest(config)
    parent = models.entry(order.model, "embedder")
    require_trainable(parent)
    assemble.aligner(config)
    graph = Graph(models.read(parent), parent.name)
    eight_bit = export.eight_bit_original(models, parent)
    _refuse_taken(models, order.name)
    _refuse_crops(folder)
    dataset = load(folder)
    before = embed(session, config, dataset, effort)
    rows = [row for row, it in enumerate(before) if it.fault is None and it.vector is not None]
    person = np.array([dataset.pictures[row].person for row in rows], np.int64)
    each = np.bincount(person, minlength=len(dataset.people))
    vectors = [vector for row in rows if (vector := before[row].vector) is not None]
    together = alike(dataset.people, np.array(vectors), person)
    people = split(each.tolist(), order.train, order.steer, order.course.seed, together)
    ground = Ground(
        config,
        models,
        parent,
        graph,
        Graph(models.read(eight_bit), eight_bit.name),
        plan(graph, order.tune),
        dataset,
        before,
        np.array(rows, np.int64),
        people,
        len(together) - len(np.unique(together)),
    )
    if order.out is not None:
        _require_calibration(ground)
    return ground


def require_trainable(parent: Entry) -> None:
    """ModelError for a network that training cannot begin from."""
    if (parent.precision, parent.runtime) != ("float32", "tflite"):
        raise ModelError(
            f"{parent.name} is stored as {parent.precision}; training begins from float32.",
            hint="Train openface or mobilefacenet; the int8 file is made from it.",
            code="not_trainable",
        )
    # Those it was trained on would be dealt out anew: some would judge it, and calibrate it.
    if parent.training is not None:
        raise ModelError(
            f"{parent.name} has been trained on some people already, who cannot judge it.",
            hint=f"Begin from {parent.training.parent}, with all the pictures at once.",
            code="not_trainable",
        )


def _on_cpu(config: Config) -> Config:
    """On the CPU whatever the door uses: these are the files that others are judged by."""
    model = config.model.model_copy(update={"delegate": CPU_DELEGATE})
    return config.model_copy(update={"model": model})


def _refuse_taken(models: Manifest, name: str) -> None:
    files = {Path(entry.file).stem for entry in models.entries.values()}
    for taken in (name, f"{name}_int8"):
        if taken in files or taken in models.entries:
            raise InputError(
                f"There is a model called {taken!r} in {models.folder} already.",
                hint="Give the new one another name with --name.",
                code="name_taken",
            )


def _refuse_crops(folder: Path) -> None:
    """Crops are aligned in one way or another; here the network's own aligns, never a mixture."""
    try:
        records = [*folder.glob(aligned.FILE), *folder.glob(f"*/{aligned.FILE}")]
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}.") from error
    if records:
        raise InputError(
            f"{records[0].parent} holds crops that `appliance dataset align` made; training aligns "
            "the pictures itself, as the door does, and measures their quality.",
            hint="Give the folder of the pictures that they were cut from.",
            code="aligned_folder",
        )


def _require_calibration(ground: Ground) -> None:
    """InputError where the people held back could not calibrate what would come out."""
    held = only(ground.dataset, ground.people.held_back)
    fates = [ground.before[row] for row in _rows_of(ground, ground.people.held_back)]
    try:
        _require_enough(held, fates)
    except InputError as error:
        raise InputError(
            f"The people held back are too few to calibrate a door's thresholds: {error.message}",
            hint="Give more pictures, train on a smaller share of the people (--train-share), or "
            "look at the error rates alone with --dry-run.",
            code="too_few_trials",
        ) from None


def _require_enough(held: Dataset, fates: Sequence[Embedded]) -> None:
    require_enough(gather(held, fates))
    pictures = zip(held.pictures, fates, strict=True)
    seen = len({picture.person for picture, fate in pictures if fate.vector is not None})
    if seen < LEAST_FACES:
        raise InputError(
            f"{seen} people with a face are held back, and {LEAST_FACES} are needed to tell how "
            "quality moves similarities."
        )


def _rows_of(ground: Ground, people: Indices) -> Indices:
    """All pictures of some people, usable or not, in the order of `people.only`."""
    return np.flatnonzero(np.isin(ground.person, people))


def learn(session: Session, order: Order, ground: Ground, effort: Effort, show: Show) -> Trained:
    """Cut out the faces, run them up to the cut, train. Ctrl-C ends only the training."""
    train, steer, judge = (
        ground.rows(part)
        for part in (ground.people.train, ground.people.steer, ground.people.judge)
    )
    some = judge[:: max(1, len(judge) // _COMPARED)]
    size = math.prod(ground.graph.shape(ground.cut.tensor)[1:]) * 4
    require_memory(size * (2 * len(train) + len(steer)), len(train) + len(steer))
    crops = _crops(session, ground, np.concatenate([train, steer, some]), effort)
    network = TfliteModel(ground.graph.cut(ground.cut.tensor), name="cut", threads=1)
    of = partial(_features, session, ground, network)
    learnt, steering, sample = (
        [crops[row] for row in rows if row in crops] for rows in (train, steer, some)
    )
    person = ground.person
    faces = Faces(
        of(learnt, "Faces to train on"),
        person[[row for row in train if row in crops]],
        of([mirrored(crop) for crop in learnt], "The same mirrored"),
    )
    held = Faces(of(steering, "Faces to steer by"), person[[row for row in steer if row in crops]])
    sampled = of(sample, "Faces to compare")
    tail = Tail(ground.graph, ground.cut)
    with show(order.course.epochs) as tell:
        fitted = fit(tail, faces, held, order.course, tell)
    return Trained(tail, fitted, (sample, embedded(tail, sampled)))


def require_memory(needed: int, faces: int) -> None:
    """InputError where so many bytes for so many faces would leave too little for the rest."""
    available = available_memory_mb()
    most = (_MEMORY_MB if available is None else available) * _SHARE_OF_MEMORY
    if needed / 1e6 > most:
        raise InputError(
            f"Training this part of the network on {faces:,} faces holds {needed / 1e6:,.0f} MB of "
            f"them in memory, where {most:,.0f} MB at most can be had.",
            hint="Train less of the network (--tune last), or on fewer pictures.",
            code="too_large",
        )


def _crops(session: Session, ground: Ground, rows: Indices, effort: Effort) -> dict[int, Pixels]:
    """The aligned crops of pictures, by row."""
    paths = [ground.dataset.pictures[row].path for row in rows]
    tasks: list[tuple[Path, Landmarks | None]] = [(path, None) for path in paths]
    if effort.cache is not None:
        mark = keys(ground.config, ground.models, ground.parent)
        known = known_faces(paths, Cache(effort.cache, mark, session.say))
        tasks = [
            (path, found.landmarks if found else None)
            for path, found in zip(paths, known, strict=True)
        ]
    build = partial(assemble.evaluation_perception, ground.config)
    workers = Workers(build, assemble.one_file, effort.workers)
    with session.progress("Cutting out faces", len(tasks)) as advance:
        found_crops = cut_out(tasks, workers, advance)
    return {int(row): crop for row, crop in zip(rows, found_crops, strict=True) if crop is not None}


def _features(
    session: Session, ground: Ground, network: TfliteModel, crops: Sequence[Pixels], label: str
) -> Floats:
    with session.progress(label, len(crops)) as advance:
        return features(crops, network, ground.parent, advance)


def files_of(order: Order, ground: Ground, trained: Trained) -> tuple[export.Exported, ...]:
    """The float32 and the int8 file, not yet written."""
    words = f"{ground.parent.name}, {order.tune} trained by triplets"
    return export.exported(trained.tail, ground.graph, ground.eight_bit, order.name, words)


@contextmanager
def workshop(order: Order, ground: Ground, trained: Trained) -> Iterator[Workshop]:
    """A folder beside the one that will be made, and nothing of it is left. InputError."""
    files = files_of(order, ground, trained)
    parent = Path(tempfile.gettempdir()) if order.out is None else order.out.resolve().parent
    try:
        draft = Path(tempfile.mkdtemp(prefix=".training-", dir=parent))
    except OSError as error:
        raise unwritten(parent, error) from error
    try:
        yield Workshop(order, ground, files, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def judge(session: Session, shop: Workshop, trained: Trained, effort: Effort) -> Judged:
    """Stage the files as a folder of models, and run each as a door would, on those who judge."""
    order, ground, files, draft = shop.order, shop.ground, shop.files, shop.draft
    crops, wanted = trained.samples
    inputs = np.concatenate([network_input(crop, ground.parent) for crop in crops])
    parity = {made.name: export.parity(made, inputs, wanted) for made in files}
    export.staged(ground.models, ground.parent, files, _training(order, ground, trained), draft)
    held = only(ground.dataset, ground.people.held_back)
    rows = _rows_of(ground, ground.people.held_back)
    judging = np.isin(ground.person[rows], ground.people.judge) & np.isin(rows, ground.usable)
    person = ground.person[rows][judging]
    before = np.stack([_vector(ground.before[row]) for row in rows[judging]])
    changes = {}
    for made in files:
        found = embed(session, _of(ground.config, draft, made.name), held, effort)
        after = np.stack([_vector(found[place]) for place in np.flatnonzero(judging)])
        changes[made.name] = compared(before, after, person)
    return Judged(parity, changes)


def _vector(of: Embedded) -> Floats:
    if of.vector is None:
        raise InputError(
            "A picture changed while it was trained on.",
            hint="Leave the pictures as they are and run the command again.",
            code="changed_picture",
        )
    return of.vector


def calibrate(session: Session, shop: Workshop, judged: Judged, effort: Effort) -> dict[str, Any]:
    """Measure the thresholds of each staged file on everybody held back, and write them to it.

    judged: nobody may object to it (training.verdict).
    """
    order, ground, files, draft = shop.order, shop.ground, shop.files, shop.draft
    held = only(ground.dataset, ground.people.held_back)
    manifest = draft / export.MANIFEST
    export.acquitted(draft, {name: verdict.tables(rates) for name, rates in judged.changes.items()})
    words = order.describe or f"{len(held.pictures)} pictures of {len(held.people)} people"
    words += "; people whom the network was not trained on"
    pays = _handicaps(session, order, _of(ground.config, draft, files[0].name), held, effort)
    told = {}
    for made in files:
        first = {"data": words, "curves": {}, "handicaps": pays}
        merge(manifest, manifest, made.name, first)
        config = _of(ground.config, draft, made.name)
        asked = Asked(words, manifest, keep_handicaps=True)
        done = fit_model(session, config, held, effort, asked)
        merge(manifest, manifest, made.name, done.calibration)
        told[made.name] = done.told
    return told


def _handicaps(
    session: Session, order: Order, config: Config, held: Dataset, effort: Effort
) -> dict[str, dict[str, list[float]]]:
    """What small and unsharp faces pay, on some of the people held back.

    Of the float32 file: the int8 one is the same network, as near to it as their parity says, and
    its curves are measured with what is found here.
    """
    generator = np.random.default_rng(order.course.seed)
    some = np.sort(generator.permutation(len(held.people))[:_SPOILT])
    found = measured(spoil(session, config, only(held, some), effort))
    return {measure: risen.table() for measure, risen in found.items()}


def _of(config: Config, folder: Path, name: str) -> Config:
    model = config.model.model_copy(update={"directory": folder, "name": name})
    return config.model_copy(update={"model": model})


def _training(order: Order, ground: Ground, trained: Trained) -> dict[str, Any]:
    """What the manifest says of it, plain values."""
    seen = only(ground.dataset, ground.people.train)
    pictures = order.describe or f"{len(seen.pictures)} pictures of {len(seen.people)} people"
    return {
        "description": f"{ground.parent.description} Its {order.tune} trained further by triplets "
        f"on {pictures}.",
        "weights_licence": f"{ground.parent.weights_licence}, changed by training on pictures "
        "whose terms apply too",
        "parent": ground.parent.name,
        "parent_sha256": ground.parent.sha256,
        "tune": order.tune,
        "margin": order.course.margin,
        "rate": order.course.rate,
        "seed": order.course.seed,
        "epoch": trained.fitted.best.number,
        "people": len(seen.people),
        "people_sha256": people_sha256(seen),
        "people_hashes": word_hashes(seen),
    }
