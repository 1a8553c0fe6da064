"""The pictures of an explanation as files, by their names."""

from __future__ import annotations

from appliance.explanation import pictures
from appliance.explanation.look import Face, Hog, Seen, hog
from appliance.types import Box, Floats, Pixels


def of_picture(seen: Seen) -> tuple[dict[str, bytes], Hog]:
    """detections.png, hog.png and, of a face, hog_face.png; and what the second was made of."""
    gradients = hog(seen)
    drawn = {
        "detections.png": pictures.detections(
            seen.frame.bgr, seen.found, seen.doubted, _chosen(seen)
        ),
        "hog.png": gradients.whole,
    }
    if gradients.window is not None:
        drawn["hog_face.png"] = gradients.window
    return _files(drawn), gradients


def _chosen(seen: Seen) -> Box | None:
    """Which face is explained, where there are several."""
    return seen.faces[0].box if len(seen.faces) > 1 else None


def of_face(seen: Seen, face: Face) -> dict[str, bytes]:
    """The landmarks, the crop as the network gets it and with its aims, and the embedding."""
    bgr, crop = seen.frame.bgr, face.crop
    return _files(
        {
            "mesh.png": pictures.mesh(bgr, face.landmarks),
            "landmarks68.png": pictures.sixty_eight(bgr, face.landmarks, face.points, face.theirs),
            "aligned.png": crop.bgr,
            "aligned_points.png": pictures.aims(crop.bgr, pictures.target_of(crop.alignment)),
            "embedding.png": pictures.vector(face.embedding.vector, _full(face)),
        }
    )


def of_other(face: Face, other: Floats, names: tuple[str, str]) -> dict[str, bytes]:
    """Another embedding on the same scale, and the products whose sum is the cosine.

    other: (dimensions,) a unit vector. names: of both files.
    """
    mine = face.embedding.vector
    product = mine * other
    drawn = (
        pictures.vector(other, _full(face)),
        pictures.vector(product, float(abs(product).max())),
    )
    return _files(dict(zip(names, drawn, strict=True)))


def of_like(other: Face) -> dict[str, bytes]:
    """The other picture's face as the network gets it."""
    return _files({"like.png": other.crop.bgr})


def _full(face: Face) -> float:
    return float(abs(face.embedding.vector).max())


def _files(drawn: dict[str, Pixels]) -> dict[str, bytes]:
    return {name: pictures.png(picture) for name, picture in drawn.items()}
