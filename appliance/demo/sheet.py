"""The contact sheet: one card a picture, with what the appliance saw in it and decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from appliance.demo.story import Account, Step
from appliance.errors import InputError
from appliance.perception import Observation
from appliance.types import Decision, Pixels, Region
from appliance.vision.warp import apply, region_matrix, warp

CARD_WIDTH, CARD_HEIGHT = 640, 330
MARGIN = 16
PICTURE = 300
CROP = 112

# Blue, green, red.
PAPER = (250, 250, 248)
CARD = (255, 255, 255)
INK = (40, 36, 32)
FAINT = (140, 134, 128)
GREEN = (84, 150, 40)
RED = (60, 50, 200)
MESH = (200, 170, 40)

Lines = Sequence[tuple[str, tuple[int, int, int]]]


def draw(account: Account) -> Pixels:
    """The whole sheet, (height, width, 3) uint8 BGR."""
    shown = [*account.enrolled[:1], *account.enrolled[-1:]]  # of a recording: first and last
    cards = [_enrolled_card(item, account) for item in shown]
    cards += [_step_card(step) for step in account.steps]
    columns = 2
    rows = -(-len(cards) // columns)
    width = columns * CARD_WIDTH + (columns + 1) * MARGIN
    height = rows * CARD_HEIGHT + (rows + 1) * MARGIN
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    for number, card in enumerate(cards):
        top = MARGIN + (number // columns) * (CARD_HEIGHT + MARGIN)
        left = MARGIN + (number % columns) * (CARD_WIDTH + MARGIN)
        sheet[top : top + CARD_HEIGHT, left : left + CARD_WIDTH] = card
    return sheet


def save(account: Account, path: Path) -> None:
    """Write the sheet as PNG. InputError when the place cannot be written."""
    _, encoded = cv2.imencode(".png", draw(account))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"The contact sheet {path} cannot be written: {reason}.",
            hint="Give a folder that this user may write to with --out.",
        ) from error


def _enrolled_card(seen: Observation, account: Account) -> Pixels:
    lines = [
        ("ENROLLED" if not seen.faults else "NOT USED", INK if not seen.faults else RED),
        (seen.frame.source, FAINT),
        *_measures(seen),
        (f"template of {account.template.count}", FAINT),
    ]
    return _card(seen, lines)


def _step_card(step: Step) -> Pixels:
    verdict = step.verdict
    yes = verdict is not None and verdict.decision is Decision.ACCEPT
    word = "REFUSED FILE" if verdict is None else verdict.decision.value.upper().replace("_", " ")
    lines: list[tuple[str, tuple[int, int, int]]] = [
        (word, GREEN if yes else RED),
        (step.title, INK),
        (step.source, FAINT),
    ]
    if verdict is not None and verdict.match is not None:
        match = verdict.match
        lines.append((f"similarity {match.similarity:.3f}", INK))
        lines.append((f"threshold  {match.threshold:.3f}", INK))
        lines.append((f"target FAR {match.target_far:.0e}", FAINT))
    if verdict is not None and verdict.liveness.score is not None:
        live = verdict.liveness
        lines.append((f"{live.state.value} {live.score:.2f}, {step.profile}", INK))
        if live.reasons:
            lines.append((live.reasons[0].value.replace("_", " "), RED))
    opened = any(event.state.value == "unlocked" for event in step.lock)
    lines.append(("door opened" if opened else "door stayed shut", GREEN if opened else RED))
    return _card(step.seen, lines)


def _measures(seen: Observation) -> Lines:
    if seen.quality is None:
        return [(", ".join(fault.value for fault in seen.faults), RED)]
    quality = seen.quality
    return [
        (f"eyes {quality.eye_distance:.0f} px apart", INK),
        (f"yaw {quality.yaw:+.0f}, pitch {quality.pitch:+.0f}", INK),
        (f"sharpness {quality.sharpness:.2f}", INK),
    ]


def _card(seen: Observation | None, lines: Lines) -> Pixels:
    card = np.full((CARD_HEIGHT, CARD_WIDTH, 3), CARD, np.uint8)
    cv2.rectangle(card, (0, 0), (CARD_WIDTH - 1, CARD_HEIGHT - 1), (226, 224, 220), 1)
    inner = (CARD_HEIGHT - PICTURE) // 2
    if seen is None:
        _text(card, "not a picture", (inner + 60, CARD_HEIGHT // 2), FAINT, 0.6)
    else:
        picture = _annotated(seen)
        card[inner : inner + PICTURE, inner : inner + PICTURE] = picture
    left = inner + PICTURE + MARGIN
    if seen is not None and seen.crop is not None:
        # Below the longest lines.
        low = CARD_HEIGHT - inner
        card[low - CROP : low, CARD_WIDTH - inner - CROP : CARD_WIDTH - inner] = seen.crop.bgr
    for number, (text, colour) in enumerate(lines):
        scale = 0.75 if number == 0 else 0.5
        _text(card, text, (left, inner + 22 + number * 30), colour, scale)
    return card


def _annotated(seen: Observation) -> Pixels:
    """The picture around its faces, with their boxes and meshes, as a square."""
    region = _around(seen)
    factor = PICTURE / region.side
    square = warp(seen.frame.bgr, region_matrix(region, PICTURE), PICTURE)
    for face in seen.faces:
        points = apply(region_matrix(region, PICTURE), face.points[:, :2])
        for x, y in points:
            cv2.circle(square, (round(float(x)), round(float(y))), 1, MESH, -1, cv2.LINE_AA)
        low, high = points.min(axis=0), points.max(axis=0)
        corners = [(round(float(x)), round(float(y))) for x, y in (low, high)]
        cv2.rectangle(square, corners[0], corners[1], GREEN, 1 if factor < 1 else 2, cv2.LINE_AA)
    return square


def _around(seen: Observation) -> Region:
    """The first face with room around it, or the whole picture."""
    if not seen.faces:
        side = max(seen.frame.width, seen.frame.height)
        return Region(seen.frame.width / 2, seen.frame.height / 2, side)
    boxes = [face.box for face in seen.faces]
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right = max(box.left + box.width for box in boxes)
    bottom = max(box.top + box.height for box in boxes)
    return Region((left + right) / 2, (top + bottom) / 2, 2.2 * max(right - left, bottom - top))


def _text(
    card: Pixels, text: str, place: tuple[int, int], colour: tuple[int, int, int], scale: float
) -> None:
    # OpenCV's fonts hold ASCII only.
    plain = text.encode("ascii", "replace").decode()
    thickness = 2 if scale > 0.7 else 1
    cv2.putText(card, plain, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
