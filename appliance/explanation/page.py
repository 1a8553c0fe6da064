"""The explanation as one page of HTML, its pictures inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.explanation.markup import POLICY, STYLE, figure, number, table, text

_SECTIONS: Final = {
    "found": "Where a face is",
    "hog": "What HOG sees",
    "landmarks": "Landmarks",
    "quality": "Quality",
    "crop": "The aligned crop",
    "embedding": "The embedding",
    "nearest": "Nearest people",
    "like": "The other picture",
    "distances": "Distances",
}
_DETECTORS: Final = {"hog": "HOG", "haar": "Haar", "blazeface": "BlazeFace", "mmod": "MMOD"}
_MEASURES: Final = {
    "eye_distance": "Distance between the eyes",
    "sharpness": "Sharpness",
    "brightness": "Brightness",
    "clipped": "Burnt out",
    "yaw": "Yaw (to the picture's right)",
    "pitch": "Pitch (downwards)",
    "roll": "Roll (clockwise)",
}
_WHAT_HOG_DOES: Final = (
    "HOG (histograms of oriented gradients) forgets colour and light. It cuts the picture into "
    "cells of 8 by 8 pixels and counts in each, in which directions the edges run. A stroke is "
    "such an edge: the lighter, the more it counts. The detector compares patterns of strokes, "
    "through a window of 10 by 10 cells, with those of faces."
)

# The upper end of the calibration's curves: beyond it a rate is a bound, not a measurement.
_HALF: Final = 0.5

Report = Mapping[str, Any]
Pictures = Mapping[str, bytes]


def draw(report: Report, files: Pictures) -> bytes:
    """The page. report: as `explain.json` has it. files: PNG files by their names."""
    parts = {
        "found": _found(report, files),
        "hog": _hog(report, files),
        "landmarks": _landmarks(report, files),
        "quality": _quality(report),
        "crop": _crop(report, files),
        "embedding": _embedding(report, files),
        "nearest": _nearest(report, files),
        "like": _like(report, files),
        "distances": _distances(report),
    }
    bodies = {name: "\n".join(part) for name, part in parts.items()}
    shown = {name: body for name, body in bodies.items() if body}
    links = (f'<a href="#{name}">{_SECTIONS[name]}</a>' for name in shown)
    title = f"What the appliance sees in {report['picture']}"
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(title)}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<header><h1>{text(title)}</h1>",
        *_lead(report),
        f'<nav aria-label="Sections">{"".join(links)}</nav></header><main>',
        *(
            f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">'
            f"{_SECTIONS[name]}</h2>\n{body}\n</section>"
            for name, body in shown.items()
        ),
        "</main>",
        *_foot(report),
        "</body></html>\n",
    ]
    return "\n".join(lines).encode("utf-8", "backslashreplace")


# --- sections -----------------------------------------------------------------------------


def _lead(report: Report) -> Iterator[str]:
    faces = len(report["faces"])
    size = f"{report['width']} by {report['height']} pixels."
    if report["decision"] == "no_face":
        yield f'<p class="lead"><span class="bad">No face was found.</span> {size}</p>'
        return
    count = "One face was found" if faces == 1 else f"{faces} faces were found"
    which = (
        ""
        if faces == 1
        else " The largest, marked below, is explained; a door wants one person alone."
    )
    good = report["quality"]["good"] and faces == 1
    several = ["several faces"] if faces > 1 else []
    faults = ", ".join([*several, *(it.replace("_", " ") for it in report["quality"]["faults"])])
    word = "A door would compare it" if good else f"A door would refuse it: {text(faults)}"
    mark = "good" if good else "bad"
    yield f'<p class="lead">{count}. <span class="{mark}">{word}.</span>{which} {size}</p>'


def _found(report: Report, files: Pictures) -> Iterator[str]:
    boxes = report["detections"]
    doubts = report["hog_doubts"]["boxes"]
    counts = ", ".join(f"{_DETECTORS[name]} {len(found)}" for name, found in boxes.items())
    dashed = f" Dashed: {len(doubts)} that HOG was not sure of." if doubts else ""
    yield figure(
        files,
        "detections.png",
        f"The picture with a box around each face that a detector found: {counts}.{dashed}",
        f"Boxes and scores. {counts}.{dashed}",
        "wide",
    )
    rows = [
        (_DETECTORS[name], number(it["score"], 2), _place(it), "found")
        for name, found in boxes.items()
        for it in found
    ]
    rows += [("HOG", number(it["score"], 2), _place(it), "not sure") for it in doubts]
    rows += [("Mesh", number(it["score"], 2), _place(it), "confirmed") for it in report["faces"]]
    heads = ("By", "Score", "Left, top, width, height (pixels)", "")
    if not rows:
        yield "<p>No detector found anything, and HOG had no doubts either.</p>"
        return
    yield from table("What was found, and how surely", heads, rows, numbers={1})
    yield "<p class='faint'>Scores cannot be compared between detectors. "
    told = (f"{_DETECTORS[name]}: {text(meaning)}" for name, meaning in report["scores"].items())
    yield f"{'. '.join(told)}. Mesh: probability that there is a face at all.</p>"


def _hog(report: Report, files: Pictures) -> Iterator[str]:
    yield f"<p>{_WHAT_HOG_DOES}</p>"
    if "hog_face.png" in files:
        yield figure(
            files,
            "hog_face.png",
            "Left: the face in grey, with the detector's window around it. Right: the same as "
            "strokes: arcs of the brows, bars of the eyes and the mouth, the round of the chin.",
            "The window on the face, as it is and as HOG sees it. The frame is the detector's "
            "window of 80 pixels; around it two more cells.",
            "wide",
        )
    scale = report["hog"]["scale"]
    yield figure(
        files,
        "hog.png",
        "The whole picture as short light strokes on dark ground, one bundle a cell, which "
        "follow the outlines of what is in it.",
        f"The whole picture, scaled to {scale:.3g} of its size before it was cut into cells"
        + (", as the detector has it when it finds the face." if "quality" in report else "."),
        "wide",
    )


def _landmarks(report: Report, files: Pictures) -> Iterator[str]:
    if "landmarks" not in report:
        return
    landmarks = report["landmarks"]
    gap, both = landmarks["gap68"], landmarks["predictor68"] is not None
    crosses = (
        f" Crosses: dlib's predictor; the median gap is {gap:.3f} distances between the eyes."
        if both
        else ""
    )
    yield '<div class="row">'
    yield figure(
        files,
        "mesh.png",
        "The face with 468 dots on it: warm and light at the tip of the nose, dark at the ears. "
        "Five rings: both eyes, the tip of the nose, both corners of the mouth.",
        "The mesh: 468 points, lighter where nearer to the camera. It is sure by "
        f"{landmarks['mesh']['presence']:.3f} that this is a face. The five rings are the points "
        "that align it.",
        "half",
    )
    yield figure(
        files,
        "landmarks68.png",
        "The face with 68 numbered dots, joined along jaw, brows, nose, eyes and lips.",
        f"The 68 points of iBUG 300-W, read off the mesh.{crosses}",
        "half",
    )
    yield "</div>"


def _quality(report: Report) -> Iterator[str]:
    if "quality" not in report:
        return
    rows = []
    for name, row in report["quality"]["measures"].items():
        mark = '<span class="good">ok</span>' if row["ok"] else '<span class="bad">no</span>'
        rows.append((_MEASURES[name], number(row["value"], 3), row["unit"], _limits(row), mark))
    heads = ("Measure", "Value", "Unit", "Wanted", "")
    yield from table("Measured of the face, and what a door wants", heads, rows, {1}, raw={4})
    if "cut_off" in report["quality"]["faults"]:
        yield '<p class="bad">Too much of the face lies beyond the edge of the picture.</p>'


def _crop(report: Report, files: Pictures) -> Iterator[str]:
    if "crop" not in report:
        return
    size, name = report["crop"]["size"], report["crop"]["alignment"]
    yield '<div class="row">'
    yield figure(
        files,
        "aligned.png",
        f"The face turned upright, cut to {size} by {size} pixels.",
        f"All that the network gets: {size} by {size} pixels, aligned by {name}.",
        "small pixels",
    )
    yield figure(
        files,
        "aligned_points.png",
        "The same crop, with rings where eyes, nose and mouth are to lie."
        if name == "five_point_112"
        else "The same crop, enlarged.",
        "The places that the network was trained to find eyes, nose and mouth in: face and rings "
        "agree as well as one turn, one scale and one shift can make them."
        if name == "five_point_112"
        else "The same, enlarged.",
        "small",
    )
    yield "</div>"


def _embedding(report: Report, files: Pictures) -> Iterator[str]:
    if "embedding" not in report:
        return
    told = report["embedding"]
    yield (
        f"<p>{text(told['model'])} turns the crop into {told['dimensions']} numbers whose squares "
        "add up to 1: a point on a sphere. Faces of one person lie near each other on it. No "
        "number means anything by itself.</p>"
    )
    yield figure(
        files,
        "embedding.png",
        f"{told['dimensions']} squares in rows of 16, from blue for the least number over white "
        "for zero to red for the largest.",
        "The embedding, row by row: red above zero, blue below.",
        "half pixels",
    )


def _nearest(report: Report, files: Pictures) -> Iterator[str]:
    if "nearest" not in report:
        return
    told = report["nearest"]
    others = ", ".join(told["other_model"])
    if not told["enrolled"]:
        yield "<p>Nobody is enrolled.</p>"
        return
    if told["people"]:
        rows = [_comparison(item) for item in told["people"]]
        caption = f"The nearest of {told['enrolled']} enrolled"
        yield from _comparisons(caption, "Person", rows)
        yield from _worth(told["people"][0])
        yield '<div class="row">'
        first = told["people"][0]["name"]
        yield _pair(files, "nearest", f"The template of {first}", told["people"][0]["similarity"])
        yield "</div>"
    if others:
        yield (
            f"<p>Enrolled with another model or alignment, and so never compared: {text(others)}."
            "</p>"
        )


def _like(report: Report, files: Pictures) -> Iterator[str]:
    like = report.get("like")
    if like is None:
        return
    if like["decision"] == "no_face":
        yield f'<p class="bad">No face was found in {text(like["picture"])}.</p>'
        return
    if "compared" not in like:
        yield f"<p>There is no face to compare the one in {text(like['picture'])} with.</p>"
        yield _aligned(files, like["picture"])
        return
    yield from _comparisons("One picture against one", "Picture", [_comparison(like["compared"])])
    yield from _worth(like["compared"])
    yield '<div class="row">'
    yield _aligned(files, like["picture"])
    name = f"The embedding of {like['picture']}"
    yield _pair(files, "like", name, like["compared"]["similarity"])
    yield "</div>"


def _distances(report: Report) -> Iterator[str]:
    told = report["distances"]
    yield (
        "<p>The cosine, the Euclidean distance <var>d</var> and its square say the same of unit "
        "vectors: <strong><var>d</var>&sup2; = 2 &minus; 2 cos</strong>, so cos = 1 &minus; "
        "<var>d</var>&sup2;/2. The cosine goes from 1 (the same) to &minus;1, the squared distance "
        "from 0 to 4. A threshold on one is a threshold on all, but only for the network it was "
        "found for:</p>"
    )
    rows = [(it["who"].replace("`", ""), it["of"], *_ways(it)) for it in told["known_thresholds"]]
    heads = ("Threshold of", "Stated as", "Cosine", "Squared distance", "Distance")
    yield from table("Thresholds that people come with", heads, rows, numbers={2, 3, 4})


def _foot(report: Report) -> Iterator[str]:
    yield "<footer>"
    held = "show somebody's face and hold what it is recognised by: biometric data"
    if report["decision"] == "no_face":
        held = "hold the picture, and whoever is in it"
    yield (
        f"<p class='faint'>This page and the files beside it {held}. Delete them when they have "
        "served.</p>"
    )
    made = f"face-access-appliance {report['version']}"
    print_ = report.get("embedding", {}).get("fingerprint")
    mark = f", model and alignment <code>{text(print_)}</code>" if print_ else ""
    yield f"<p class='faint'>Made by {text(made)}{mark}.</p></footer>"


# --- parts --------------------------------------------------------------------------------


def _aligned(files: Pictures, picture: str) -> str:
    face = f"The face in {picture}, aligned."
    return figure(files, "like.png", face, f"{picture}, aligned.", "small pixels")


def _pair(files: Pictures, stem: str, title: str, cosine: float) -> str:
    second = "nearest.png" if stem == "nearest" else "like_embedding.png"
    return figure(
        files,
        second,
        f"{title}: squares from blue to red, as above.",
        f"{title}, on the same scale as the embedding above.",
        "half pixels",
    ) + figure(
        files,
        f"{stem}_product.png",
        "The products of both, number by number: red where they agree, blue where they do not.",
        f"The products of both, number by number: red where they agree. Their sum is the cosine, "
        f"{cosine:.3f}.",
        "half pixels",
    )


def _comparisons(caption: str, who: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    heads = (
        who,
        "Cosine",
        "Squared distance",
        "Distance",
        "Threshold (cosine)",
        "Threshold (squared)",
        "",
    )
    yield from table(caption, heads, rows, numbers={1, 2, 3, 4, 5}, raw={6})


def _comparison(item: Report) -> tuple[str, ...]:
    mark = (
        '<span class="good">reaches it</span>'
        if item["accepted"]
        else '<span class="bad">does not</span>'
    )
    squared = item["threshold_squared_distance"]
    limits = number(item["threshold"], 3), "none" if squared is None else number(squared, 3)
    return (item["name"], *_ways(item), *limits, mark)


def _worth(item: Report) -> Iterator[str]:
    """The threshold belongs to a false-accept rate, and so does the similarity."""
    handicap = (
        f" The picture is poor, which raises the threshold by {item['handicap']:.3f}."
        if item["handicap"] >= 0.0005
        else ""
    )
    beyond = (
        " No two faces, not even two prints of one picture, are so alike."
        if item["threshold_squared_distance"] is None
        else ""
    )
    yield (
        f"<p>The threshold is that of one comparison with one person who is claimed, at a "
        f"false-accept rate of {item['target_far']:g}, derived from the model's calibration."
        f"{handicap}{beyond} {_strangers(item)}.</p>"
    )


def _strangers(item: Report) -> str:
    """How many strangers come as close; the calibration ends at a half and at its lowest rate."""
    if item["far"] >= _HALF:
        return "Every second stranger comes as close as this, or more of them"
    bound = "at most " if item["far_is_bound"] else ""
    return f"Strangers come as close as this at a rate of {bound}{item['far']:.2g}"


def _ways(item: Report) -> tuple[str, str, str]:
    return (
        number(item["similarity"], 3),
        number(item["squared_distance"], 3),
        number(item["distance"], 3),
    )


def _limits(row: Report) -> str:
    low, high = row["low"], row["high"]
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}".replace("-", "\u2212")


def _place(box: Report) -> str:
    return ", ".join(f"{box[edge]:.0f}" for edge in ("left", "top", "width", "height"))
