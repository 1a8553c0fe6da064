"""Faces as a network is fed with them: cut out in processes, run up to the trained part here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from appliance.evaluation.embed import find
from appliance.evaluation.workers import Workers, each, open_first, perception
from appliance.types import Floats, Landmarks, Pixels
from appliance.vision.interpreter import Network, network_input
from appliance.vision.manifest import Entry

# A picture, and where its face is where that is known already.
_Task = tuple[Path, Landmarks | None]


def cut_out(
    tasks: Sequence[_Task], workers: Workers, progress: Callable[[], None]
) -> list[Pixels | None]:
    """The aligned crop of each picture's face, (size, size, 3) BGR, in order.

    workers: build a pipeline whose alignment is the network's. None: no face is there.
    """
    crops: list[Pixels | None] = []
    for crop in each(_crop_task, tasks, workers):
        crops.append(crop)
        progress()
    return crops


def _crop_task(task: _Task) -> Pixels | None:
    path, landmarks = task
    frame = open_first(path)
    if frame is None:
        return None
    place = landmarks or find(perception(), frame).landmarks
    return None if place is None else perception().stages.alignment.crop(frame.bgr, place).bgr


def mirrored(crop: Pixels) -> Pixels:
    """The crop as a mirror shows it."""
    return np.ascontiguousarray(crop[:, ::-1])


def features(
    crops: Sequence[Pixels], network: Network, entry: Entry, progress: Callable[[], None]
) -> Floats:
    """(n, height, width, channels) float32: what the network up to the cut makes of each crop."""
    height, width, channels = network.output_shapes[0][1:]
    found = np.empty((len(crops), height, width, channels), np.float32)
    for place, crop in enumerate(crops):
        found[place] = network.run(network_input(crop, entry))[0][0]
        progress()
    return found
