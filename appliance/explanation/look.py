"""Everything that the stages say about one picture, gathered for people.

The stages are the appliance's own, handed in; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from appliance import matching
from appliance.explanation import gradients, pictures, strokes
from appliance.explanation.distances import Alike, of_cosine
from appliance.explanation.points68 import of_mesh
from appliance.perception import Perception
from appliance.ports import Detector
from appliance.types import (
    Box,
    Embedding,
    FaceCrop,
    Floats,
    Frame,
    Landmarks,
    Match,
    Person,
    Pixels,
    Quality,
)
from appliance.vision.manifest import Calibration
from appliance.vision.mesh import eye_centres
from appliance.vision.warp import warp

# HOG's score from which on it reports a face, and from which on its doubts are shown.
HOG_SURE, HOG_DOUBT = 0.0, -0.5
# A doubt that overlaps more than this with what was found is the same face once more.
_SAME = 0.3
# dlib's frontal detector looks through a window of this many pixels.
_WINDOW = 80
# The most cells along the longer side of the whole picture's histograms, and how large they are
# drawn: within these bounds so that the longer side has about so many pixels.
_MOST_CELLS, _CELL_SIDES, _DRAWN = 75, (16, 40), 1200
# The face's own: the window with this many cells around it.
_RIM_CELLS, _FACE_CELL_SIDE = 2, 40

Points68 = Callable[[Pixels, Landmarks], Floats]


@dataclass(frozen=True)
class Tools:
    """What looks. detectors: by name; `hog` among them, reporting from `HOG_DOUBT` on.

    points68: another predictor of the 68 points, (68, 2) in frame pixels; None: there is none.
    """

    perception: Perception
    detectors: Mapping[str, Detector]
    points68: Points68 | None = None


@dataclass(frozen=True, eq=False)
class Face:
    """What was found out about the face that is explained.

    crop: what the embedder was given. embedding: with the face's quality, whatever that is.
    points, theirs: (68, 2) in frame pixels, read off the mesh, and the other predictor's.
    """

    landmarks: Landmarks
    quality: Quality
    crop: FaceCrop
    embedding: Embedding
    points: Floats
    theirs: Floats | None

    @property
    def gap(self) -> float | None:
        """Median gap between both sets of 68 points, in distances between the eyes."""
        if self.theirs is None:
            return None
        left, right = eye_centres(self.landmarks.points)
        gaps = np.linalg.norm(self.points - self.theirs, axis=1)
        return float(np.median(gaps) / max(float(np.linalg.norm(right - left)), 1e-6))


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen in one picture. face: of the largest of `faces`; None where there is none.

    found: by detector; doubted: what HOG scored below its threshold and nobody found.
    """

    frame: Frame
    found: Mapping[str, Sequence[Box]]
    doubted: Sequence[Box]
    faces: Sequence[Landmarks]
    face: Face | None


@dataclass(frozen=True)
class Compared:
    """One comparison. name: an enrolled person's, or what the other picture is called."""

    name: str
    alike: Alike
    match: Match


def look(tools: Tools, frame: Frame, smallest: float) -> Seen:
    """Run every stage on a picture. smallest: the width of a face in pixels, for the detectors."""
    raw = {name: each.detect(frame.bgr, smallest) for name, each in tools.detectors.items()}
    sure = {name: [box for box in boxes if box.score >= HOG_SURE] for name, boxes in raw.items()}
    found: dict[str, Sequence[Box]] = {**raw, "hog": sure["hog"]}
    known = [box for boxes in found.values() for box in boxes]
    doubted = [
        box
        for box in raw["hog"]
        if box.score < HOG_SURE and not any(box.overlap(other) > _SAME for other in known)
    ]
    faces = tools.perception.search(frame)
    face = _of(tools, frame, faces[0]) if faces else None
    return Seen(frame, found, doubted, faces, face)


def _of(tools: Tools, frame: Frame, landmarks: Landmarks) -> Face:
    perception = tools.perception
    quality = perception.describe(frame, landmarks, embed=False).quality
    if quality is None:  # `describe` measures every face that it is given
        raise TypeError("the pipeline did not measure the face's quality")
    crop = perception.stages.alignment.crop(frame.bgr, landmarks)
    embedding = replace(perception.stages.embedder.embed(crop), quality=quality)
    theirs = tools.points68(frame.bgr, landmarks) if tools.points68 else None
    return Face(landmarks, quality, crop, embedding, of_mesh(landmarks), theirs)


def nearest(
    face: Face, people: Sequence[Person], calibration: Calibration, target_far: float
) -> tuple[list[Compared], list[str]]:
    """Everybody who can be compared with the face, most similar first, and who cannot.

    The second are the names of those whom another model or alignment enrolled. Each comparison
    is judged as one of 1:1.
    """
    probe = face.embedding
    same = [it for it in people if it.template.fingerprint == probe.fingerprint]
    others = [it.name for it in people if it.template.fingerprint != probe.fingerprint]
    found = []
    for person in same:
        match = matching.compare(person.template, [probe], calibration, target_far)
        found.append(Compared(person.name, of_cosine(match.similarity), match))
    return sorted(found, key=lambda it: -it.match.similarity), others


def compared(one: Face, other: Face, name: str, calibration: Calibration, far: float) -> Compared:
    """Two pictures' faces, one against one. far: the target. name: the other picture's."""
    template = matching.make_template([other.embedding], name)
    match = matching.compare(template, [one.embedding], calibration, far)
    return Compared(name, of_cosine(match.similarity), match)


# --- what HOG sees ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Hog:
    """The gradients' histograms drawn. scale: of the picture that they were counted in.

    window: the face as the detector's window has it, in grey beside its histograms; None: no face.
    """

    whole: Pixels
    scale: float
    window: Pixels | None


def hog(seen: Seen) -> Hog:
    """Draw the histograms of the whole picture and of the window around the face.

    The picture is scaled as HOG finds the face: so that it fits the detector's window. Without a
    face, and where the picture would become too large, it has `_MOST_CELLS` cells.
    """
    bgr = seen.frame.bgr
    most = _MOST_CELLS * gradients.CELL / max(bgr.shape[:2])
    box = window_of(seen)
    scale = min(most, _WINDOW / max(box.width, 1.0)) if box is not None else most
    grey = _grey(bgr, scale)
    found = gradients.normalised(gradients.histograms(grey))
    side = min(max(_DRAWN // max(found.shape[:2]), _CELL_SIDES[0]), _CELL_SIDES[1])
    whole = strokes.draw(found, side)
    return Hog(whole, scale, _window(bgr, box) if box is not None else None)


def window_of(seen: Seen) -> Box | None:
    """Where HOG's window lies on the face: HOG's own box, else a square around the mesh."""
    if seen.face is None:
        return None
    around = seen.face.landmarks.box
    own = max(seen.found["hog"], key=around.overlap, default=None)
    if own is not None and own.overlap(around) > _SAME:
        return own
    side = max(around.width, around.height)
    x, y = around.centre
    return Box(x - side / 2, y - side / 2, side, side)


def _window(bgr: Pixels, box: Box) -> Pixels:
    """(side, 2 * side + gap, 3): the window and its rim in grey, and what HOG makes of it."""
    scale = _WINDOW / max(box.width, 1.0)
    cells = _WINDOW // gradients.CELL + 2 * _RIM_CELLS
    side = cells * gradients.CELL
    x, y = box.centre
    matrix = np.array(
        [[scale, 0, (side - 1) / 2 - scale * x], [0, scale, (side - 1) / 2 - scale * y]]
    )
    crop = warp(bgr, matrix, side)
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
    drawn = strokes.draw(gradients.normalised(gradients.histograms(grey)), _FACE_CELL_SIDE)
    shown = cv2.resize(crop, drawn.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    plain = cv2.cvtColor(cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    edge = _RIM_CELLS * _FACE_CELL_SIDE
    inside = Box(edge, edge, len(drawn) - 2 * edge, len(drawn) - 2 * edge)
    halves = [np.asarray(half, np.uint8) for half in (plain, drawn)]
    for half in halves:
        pictures.framed(half, inside, pictures.COLOURS["hog"])
    gap = np.full((len(drawn), _FACE_CELL_SIDE // 2, 3), 255, np.uint8)
    return np.hstack([halves[0], gap, halves[1]])


def _grey(bgr: Pixels, scale: float) -> Pixels:
    least = gradients.CELL
    size = max(round(bgr.shape[1] * scale), least), max(round(bgr.shape[0] * scale), least)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.cvtColor(cv2.resize(bgr, size, interpolation=way), cv2.COLOR_BGR2GRAY), np.uint8
    )
