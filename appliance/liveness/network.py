"""An anti-spoof network, the shipped one or a user's own: how it is fed, and what it answers.

Whatever a network was trained to give, here it becomes log-odds of life: 0 is as likely as not.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats, Pixels
from appliance.vision.manifest import Entry

Activation = Literal["softmax", "sigmoid", "none"]

# Log-odds beyond this say no more: exp(15) is one in three million.
MOST = 15.0
# How far a number that should be a probability may lie outside 0 to 1 by rounding alone.
_ROUNDING = 1e-3
_FIT = "Set liveness.model to what the network was trained with; docs/liveness.md tells each key."


class Model(Protocol):
    """What runs a network; `vision.interpreter.TfliteModel` does."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of its one picture."""
        ...

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Of each output."""
        ...

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        """All outputs for one picture."""
        ...


@dataclass(frozen=True)
class Recipe:
    """What a network is fed, and which of the numbers that it gives means life.

    colour: the order of its three channels. mean, scale: x = (pixel - mean) * scale for pixels
    0..255, one number or three in that order. output: which of its outputs. index: which number
    of that output. activation: what makes probabilities of them: softmax over all of the output's
    numbers, sigmoid of that one, or none where it already is a probability. higher_is_live: False
    where the number tells of an attack.
    """

    colour: Literal["rgb", "bgr"] = "bgr"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    output: int = 0
    index: int = 0
    activation: Activation = "softmax"
    higher_is_live: bool = True


def recipe_of(entry: Entry) -> Recipe:
    """How the manifest says that a shipped network is fed and read."""
    wanted = entry.input
    return Recipe(
        colour="rgb" if wanted.colour == "rgb" else "bgr",
        mean=(wanted.mean,),
        scale=(wanted.scale,),
        index=entry.output.live_index or 0,
        activation=entry.output.activation or "none",
    )


class Network:
    """One network with its recipe, run on square crops of its own size."""

    def __init__(self, name: str, model: Model, recipe: Recipe) -> None:
        """name: for messages. ModelError where model and recipe do not fit each other.

        One crop is judged at once: what gives no usable number is refused here, not at a door.
        """
        self._name = name
        self._model = model
        self._recipe = recipe
        self._planar = _is_planar(name, model.input_shape)
        self.size = model.input_shape[2]
        _require_the_number(name, model.output_shapes, recipe)
        self._mean = np.array(recipe.mean, np.float32)
        self._scale = np.array(recipe.scale, np.float32)
        self.log_odds(np.full((self.size, self.size, 3), 127, np.uint8))

    def log_odds(self, bgr: Pixels) -> float:
        """How much more likely life is than an attack, -MOST to MOST.

        bgr: (size, size, 3) uint8. ModelError when the network's answer is no number.
        """
        recipe = self._recipe
        numbers = self._model.run(self._tensor(bgr))[recipe.output].reshape(-1).astype(np.float64)
        if not np.isfinite(numbers).all():
            raise ModelError(
                f"The liveness model {self._name} gave a number that is not finite.", hint=_FIT
            )
        found = self._odds(numbers)
        return float(np.clip(found if recipe.higher_is_live else -found, -MOST, MOST))

    def _tensor(self, bgr: Pixels) -> Floats:
        """(1, size, size, 3) float32, or (1, 3, size, size) where the network wants planes."""
        ordered = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if self._recipe.colour == "rgb" else bgr
        values = (ordered.astype(np.float32) - self._mean) * self._scale
        laid = values.transpose(2, 0, 1) if self._planar else values
        return np.ascontiguousarray(laid[np.newaxis], dtype=np.float32)

    def _odds(self, numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        index, activation = self._recipe.index, self._recipe.activation
        chosen = float(numbers[index])
        if activation == "sigmoid":
            return chosen
        if activation == "softmax":
            others = np.delete(numbers, index)
            most = float(others.max())
            return chosen - most - float(np.log(np.exp(others - most).sum()))
        if not -_ROUNDING <= chosen <= 1 + _ROUNDING:
            raise ModelError(
                f"The liveness model {self._name} gave {chosen:.4g}, which is no probability, and "
                "activation is none.",
                hint=_FIT,
            )
        least = 1 / (1 + math.exp(MOST))
        share = min(max(chosen, least), 1 - least)
        return math.log(share / (1 - share))


def _is_planar(name: str, shape: tuple[int, ...]) -> bool:
    """Whether channels come first. ModelError where it takes no single square colour picture."""
    if len(shape) == 4 and shape[0] == 1 and shape[2] > 3:
        if shape[3] == 3 and shape[1] == shape[2]:
            return False
        if shape[1] == 3 and shape[2] == shape[3]:
            return True
    raise ModelError(
        f"The liveness model {name} takes an input of shape {_spelt(shape)}, not one square "
        "colour picture.",
        hint="Convert it with a fixed input such as 1 x 80 x 80 x 3.",
    )


def _require_the_number(name: str, shapes: list[tuple[int, ...]], recipe: Recipe) -> None:
    if recipe.output >= len(shapes):
        raise ModelError(
            f"The liveness model {name} has {len(shapes)} output(s), and number {recipe.output}, "
            "counted from 0, is asked for.",
            hint=_FIT,
        )
    shape = shapes[recipe.output]
    count = math.prod(shape)
    # An output with a number per pixel is a map, of which no one number is the answer.
    if count > max(shape, default=0):
        raise ModelError(
            f"The liveness model {name} gives an output of shape {_spelt(shape)}, not one row of "
            "numbers.",
            hint="Choose another output with liveness.model.output, or convert the model anew.",
        )
    if recipe.index >= count:
        raise ModelError(
            f"The liveness model {name} gives {count} number(s), and number {recipe.index}, "
            "counted from 0, is asked for.",
            hint=_FIT,
        )
    if recipe.activation == "softmax" and count < 2:
        raise ModelError(
            f"The liveness model {name} gives a single number, of which softmax makes nothing.",
            hint="Set liveness.model.activation to sigmoid, or to none where it is a probability.",
        )


def _spelt(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape) or "nothing"


def read_own(path: Path, sha256: str) -> bytes:
    """The bytes of a user's own network, which are those that were hashed.

    That is why it does not matter who else may write the file: a changed one is refused.
    ModelError where there is none or it has another sum.
    """
    named = f"The liveness model {path}, which liveness.model.file names,"
    try:
        content = path.expanduser().read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{named} does not exist.", hint="Give the file's path.", code="missing_model"
        ) from None
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ModelError(
            f"{named} cannot be read: {why}.", hint="It must be a file that this user may read."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{named} is not the one that the config vouches for: its SHA-256 is {found}.",
            hint="If you put it there yourself, write that sum to liveness.model.sha256.",
            code="changed_model",
        )
    return content
