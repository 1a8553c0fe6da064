"""What is compared: the appliance's appearance check, parts of it, and another network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.assemble import APPEARANCE_THRESHOLDS
from appliance.liveness.appearance import SHIPPED, TIGHT, AppearanceCheck, Context, Thresholds
from appliance.liveness.network import Network, Recipe, recipe_of
from appliance.types import Floats
from appliance.vision import manifest
from appliance.vision.interpreter import TfliteModel
from models.build.faces import load
from models.build.fetch import obtain
from models.build.job import MODELS

# FaceAntiSpoofing's publisher calls an attack what scores 0.2 or more of one.
RIVALS_THRESHOLDS = Thresholds(attack=0.8, live=0.8)
# It takes more than ten times as long, and is wrong so often that few faces tell.
RIVALS_MOST = 24


@dataclass(frozen=True)
class Subject:
    """One way to judge a face. most: of a material's faces, spread over them; None: all."""

    name: str
    check: AppearanceCheck
    most: int | None = None


class LeafScore:
    """FaceAntiSpoofing's two outputs as the one number that its publisher makes of them.

    It is a tree whose eight leaves each give a score of an attack, and a mask of which leaf the
    picture belongs to (Liu et al., "Deep Tree Learning for Zero-shot Face Anti-Spoofing", 2019).
    """

    def __init__(self, model: TfliteModel) -> None:
        self._model = model

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, 256, 256, 3)."""
        return self._model.input_shape

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """One number."""
        return [(1, 1)]

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        """The probability of an attack."""
        scores, mask = self._model.run(tensor)
        found = float((np.abs(scores) * mask).sum())
        return (np.array([[min(max(found, 0.0), 1.0)]], np.float32),)


def shipped_network(model: TfliteModel | None = None) -> Network:
    """The network of the manifest, or another file of the same one."""
    entry = manifest.load(MODELS).entry("antispoof", "liveness")
    return Network(entry.name, model or load(MODELS / entry.file), recipe_of(entry))


def shipped(network: Network) -> list[Subject]:
    """As it is shipped, and what each part of that does alone."""
    tight_inside = Context(TIGHT.side, outside="inside")
    wide = SHIPPED[-1]
    return [
        _subject("shipped", network, SHIPPED),
        _subject("tight, black", network, (TIGHT,)),
        _subject("tight, inside", network, (tight_inside,)),
        _subject("wide, inside", network, (wide,)),
    ]


def rivals(cache: Path) -> list[Subject]:
    """FaceAntiSpoofing, on the face alone and with a little around it."""
    model = LeafScore(load(obtain("antispoof_rival", cache)))
    recipe = Recipe("rgb", scale=(1 / 255,), activation="none", higher_is_live=False)
    network = Network("FaceAntiSpoofing", model, recipe)
    return [
        _subject(f"FAS x{side}", network, (Context(side),), RIVALS_THRESHOLDS, RIVALS_MOST)
        for side in (1.0, 1.3)
    ]


def _subject(
    name: str,
    network: Network,
    contexts: Sequence[Context],
    thresholds: Thresholds = APPEARANCE_THRESHOLDS,
    most: int | None = None,
) -> Subject:
    return Subject(name, AppearanceCheck(network, contexts, thresholds), most)
