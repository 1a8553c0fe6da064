"""What was seen as one JSON object: for scripts, for the page, and for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.explanation.distances import CONVERSION, KNOWN, Alike, of_threshold
from appliance.explanation.look import HOG_DOUBT, HOG_SURE, Compared, Face, Seen
from appliance.types import Box, Match, Quality
from appliance.vision.quality import QualityLimits

FORMAT = 1

# What a detector's score is; none can be compared with another's.
SCORES: Mapping[str, str] = {
    "hog": f"margin of its classifier; a face from {HOG_SURE:g} on",
    "haar": "weight of the last stage of its cascade; a face where all stages agree",
    "blazeface": "probability above the 0.7 that it must reach",
    "mmod": "margin of its network; a face from 0 on",
}


def seen_json(seen: Seen) -> dict[str, Any]:
    """The picture and what was found in it."""
    frame = seen.frame
    return {
        "picture": frame.source,
        "width": frame.width,
        "height": frame.height,
        "decision": "no_face" if seen.face is None else "explained",
        "detections": {name: [_box(box) for box in boxes] for name, boxes in seen.found.items()},
        "scores": {name: SCORES[name] for name in seen.found},
        "hog_doubts": {"from": HOG_DOUBT, "boxes": [_box(box) for box in seen.doubted]},
        "faces": [_box(face.box) for face in seen.faces],
    }


def face_json(face: Face, limits: QualityLimits, model: str) -> dict[str, Any]:
    """What was found out about one face. model: the embedder's name."""
    return {
        "landmarks": {
            "mesh": {"points": len(face.landmarks.points), "presence": _4(face.landmarks.presence)},
            "points68": _points(face.points),
            "predictor68": None if face.theirs is None else _points(face.theirs),
            "gap68": None if face.gap is None else _4(face.gap),
        },
        "quality": quality_json(face.quality, limits),
        "crop": {"alignment": face.crop.alignment, "size": int(face.crop.bgr.shape[0])},
        "embedding": {
            "model": model,
            "fingerprint": face.embedding.fingerprint,
            "dimensions": int(face.embedding.vector.size),
        },
    }


def quality_json(quality: Quality, limits: QualityLimits) -> dict[str, Any]:
    """Each measure with its limits, and what would be refused. low, high: None where open."""
    measures = {
        "eye_distance": ("pixels", limits.min_eye_distance, None),
        "sharpness": ("", limits.min_sharpness, None),
        "brightness": ("0 to 255", limits.min_brightness, limits.max_brightness),
        "clipped": ("share of pixels", None, limits.max_clipped),
        "yaw": ("degrees", -limits.max_yaw, limits.max_yaw),
        "pitch": ("degrees", -limits.max_pitch, limits.max_pitch),
        "roll": ("degrees", -limits.max_roll, limits.max_roll),
    }
    rows = {
        name: {
            "value": _4(value := float(getattr(quality, name))),
            "unit": unit,
            "low": low,
            "high": high,
            "ok": (low is None or value >= low) and (high is None or value <= high),
        }
        for name, (unit, low, high) in measures.items()
    }
    faults = [fault.value for fault in quality.faults]
    return {"good": quality.good, "faults": faults, "measures": rows}


def compared_json(item: Compared) -> dict[str, Any]:
    """One comparison, in all three ways of saying how alike two faces are."""
    return {"name": item.name, **alike_json(item.alike), **_match(item.match)}


def nearest_json(found: Sequence[Compared], others: Sequence[str], most: int) -> dict[str, Any]:
    """The nearest people. others: the names of those whom another model enrolled."""
    return {
        "enrolled": len(found) + len(others),
        "people": [compared_json(item) for item in found[:most]],
        "other_model": list(others),
    }


def distances_json() -> dict[str, Any]:
    """The conversion, and what it makes of thresholds that people come with."""
    known = [{"who": it.who, "of": it.of, **alike_json(it.alike)} for it in KNOWN]
    return {"conversion": CONVERSION, "known_thresholds": known}


def alike_json(alike: Alike) -> dict[str, float]:
    """similarity: the cosine."""
    return {
        "similarity": round(alike.cosine, 5),
        "squared_distance": round(alike.squared, 5),
        "distance": round(alike.distance, 5),
    }


def _match(match: Match) -> dict[str, Any]:
    limit = of_threshold(match.threshold)
    return {
        "threshold": round(match.threshold, 5),
        "threshold_squared_distance": None if limit is None else round(limit.squared, 5),
        "target_far": match.target_far,
        "far": match.far,
        "far_is_bound": match.far_is_bound,
        "handicap": round(match.handicap, 5),
        "accepted": match.accepted,
    }


def _box(box: Box) -> dict[str, float]:
    edges = {name: round(getattr(box, name), 1) for name in ("left", "top", "width", "height")}
    return {**edges, "score": _4(box.score)}


def _points(points: Any) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in points]


def _4(value: float) -> float:
    return round(float(value), 4)
