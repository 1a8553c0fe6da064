"""What is drawn at random for one presentation: thing, hand, entrance and camera.

weak is careless, medium is an attacker who has read about it, strong is as good as can be: large
and sharp, its edges partly or wholly outside the picture, held quietly, without glare, in good
colours. The camera is nobody's choice and is drawn alike for all.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from tests.attacks.hold import Grip, Sweep
from tests.attacks.media import Display, Medium, Paper
from tests.attacks.optics import Bend, Pinhole, Pose
from tests.attacks.room import Lighting
from tests.attacks.sensor import Sensor, drawn_sensor

EYES_MM = 63.0  # mean distance of adults' pupils: Dodgson, SPIE 5291 (2004)


class Species(str, Enum):
    """Presentation attack instruments; the value is the folder's name."""

    MATTE_PRINT = "matte_print"
    GLOSSY_PRINT = "glossy_print"
    BENT_PRINT = "bent_print"
    CUT_OUT_EYES = "cut_out_eyes"
    PHONE_SCREEN = "phone_screen"
    TABLET_SCREEN = "tablet_screen"
    LOOPED_REPLAY = "looped_replay"
    WRONG_CHALLENGE_REPLAY = "wrong_challenge_replay"
    PASTE_OVER_MASK = "paste_over_mask"


class Strength(str, Enum):
    """From careless to as good as can be."""

    WEAK = "weak"
    MEDIUM = "medium"
    STRONG = "strong"


SCREENS = {
    Species.PHONE_SCREEN,
    Species.TABLET_SCREEN,
    Species.LOOPED_REPLAY,
    Species.WRONG_CHALLENGE_REPLAY,
}
REPLAYS = {Species.LOOPED_REPLAY, Species.WRONG_CHALLENGE_REPLAY}
# Sheets that are as large as life because a living face must fit behind them.
LIFE_SIZE = {Species.CUT_OUT_EYES, Species.PASTE_OVER_MASK}

# Movements that a recording may show, though another one is asked for.
MOVEMENTS = ("blink", "turn_left", "turn_right", "nod")
# Width and height of a recording made of a still, in distances of the eyes.
RECORDED = (8.6, 5.7)

# What quality gates ask of a face, and some more.
_LEAST_EYES_PX = 40.0

_GRADE = {Strength.WEAK: 0, Strength.MEDIUM: 1, Strength.STRONG: 2}


@dataclass(frozen=True)
class Replay:
    """What is played. movement: the one clean movement shown at moves_at seconds ("" in a loop).

    begin, length: seconds of the recording that are looped; swings: forth and back instead of
    with a jump. upright: the recording was made with the telephone upright.
    """

    movement: str
    moves_at: float
    begin: float
    length: float
    swings: bool
    upright: bool


@dataclass(frozen=True)
class Worn:
    """A print with the attacker's living head behind it.

    attacker: whose head. gap_mm: between print and eyes. holes: the eyes are cut out, enlarged by
    that factor (0: they are not). outline: size of a worn face's outline, as a multiple of the
    face's own. radius_mm: of its bend (0: flat). shade: light
    that reaches the eyes behind. follows: share of the sheet's movement that the head makes too.
    match: how far the print's colours have been fitted to the attacker's skin (1: wholly).
    """

    attacker: str
    gap_mm: float
    holes: float
    outline: float
    radius_mm: float
    shade: float
    follows: float
    match: float


@dataclass(frozen=True)
class Attempt:
    """Everything that was drawn; recorded beside the clip.

    eyes_px: between the shown eyes in the picture. shown_eyes_mm: on the sheet. at_px: where the
    point between the eyes is in the picture. blur_px: Gaussian sigma of lens and defocus.
    extend: the attacker continued the picture's background over the sheet.
    """

    species: Species
    strength: Strength
    seed: int
    person: str
    source: str
    camera: Pinhole
    sensor: Sensor
    lighting: Lighting
    medium: Medium
    grip: Grip
    rest: Pose
    grip_below_mm: float
    shown_eyes_mm: float
    eyes_px: float
    blur_px: float
    extend: bool
    handling: str
    bend: Bend | None = None
    flex: float = 0.0
    flex_hz: float = 0.0
    replay: Replay | None = None
    worn: Worn | None = None

    def record(self) -> dict[str, Any]:
        """For JSON; says that nothing of it ever happened."""
        return {"synthetic": True, "kind": "presentation attack", **asdict(self)}


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that depend on all of these and nothing else."""
    text = "/".join(part.value if isinstance(part, Enum) else str(part) for part in parts)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def drawn(
    species: Species,
    strength: Strength,
    seed: int,
    *,
    person: str,
    source: str,
    shape: tuple[float, float],
    size: tuple[int, int],
    attacker: str = "",
) -> Attempt:
    """Draw one attempt. shape: width and height of the shown picture in distances of its eyes.

    attacker: whose living head is behind the print, for the species that have one.
    """
    rng = generator("attempt", species, strength, seed, person, source)
    replay = _replay(species, rng) if species in REPLAYS else None
    if replay is not None and not shape[0]:
        shape = RECORDED[::-1] if replay.upright else RECORDED
    grade = _GRADE[strength]
    camera = Pinhole.with_view(*size, rng.uniform(58, 78))
    sensor = drawn_sensor(rng, size[0])
    medium = _medium(species, grade, shape, rng)
    extend = grade == 2 and species not in REPLAYS
    eyes_px = _wanted_eyes(grade, size, rng)
    nearest = 130.0 if isinstance(medium, Display) else 180.0
    least = _LEAST_EYES_PX * nearest / camera.focal
    shown = _shown_eyes(medium, shape, least, rng, extend=extend)
    if extend and rng.random() < 0.7:
        # As small as fills the view with what surrounds the face, held as near as that needs.
        view = min(medium.width_mm / size[0], medium.height_mm / size[1]) * eyes_px
        shown = max(min(shown, view * rng.uniform(0.75, 1.0)), least)
    if species in LIFE_SIZE:
        shown = EYES_MM
    distance = max(camera.focal * shown / eyes_px, nearest)
    eyes_px = camera.focal * shown / distance
    blur = _blur(sensor, camera, distance, grade, rng)
    handling, grip = _handled(grade, shown, distance, rng, moves=species not in LIFE_SIZE)
    rest = Pose(
        pitch=rng.normal(0, 4.0),
        yaw=rng.normal(0, (6.0, 4.0, 2.5)[grade]),
        roll=rng.normal(0, 2.0),
        x=distance / camera.focal * rng.normal(0, 0.05) * size[0],
        # The face is in the middle, not its eyes.
        y=distance / camera.focal * rng.normal(0, 0.04) * size[1] - 0.55 * shown,
        z=distance,
    )
    attempt = Attempt(
        species=species,
        strength=strength,
        seed=seed,
        person=person,
        source=source,
        camera=camera,
        sensor=sensor,
        lighting=_lighting(grade, rng),
        medium=medium,
        grip=grip,
        rest=rest,
        grip_below_mm=float(rng.uniform(0.3, 0.7) * medium.height_mm),
        shown_eyes_mm=shown,
        eyes_px=eyes_px,
        blur_px=blur,
        extend=extend,
        handling=handling,
        replay=replay,
        worn=_worn(species, grade, attacker, rng) if species in LIFE_SIZE else None,
    )
    return _bent(attempt, grade, rng) if species is Species.BENT_PRINT else attempt


def _replay(species: Species, rng: np.random.Generator) -> Replay:
    loops = species is Species.LOOPED_REPLAY
    return Replay(
        movement="" if loops else MOVEMENTS[int(rng.integers(len(MOVEMENTS)))],
        moves_at=float(rng.uniform(0.3, 1.2)),
        begin=float(rng.uniform(0, 1)),
        length=float(rng.uniform(0.5, 2.0)) if loops else 1e6,
        swings=bool(loops and rng.random() < 0.4),
        upright=bool(rng.random() < 0.4),
    )


def _worn(species: Species, grade: int, attacker: str, rng: np.random.Generator) -> Worn:
    held = species is Species.CUT_OUT_EYES
    flat = held or rng.random() < (0.6, 0.2, 0.0)[grade]
    return Worn(
        attacker=attacker,
        gap_mm=float(rng.uniform(*((15, 40), (10, 25), (4, 12))[grade])),
        holes=float(rng.uniform(1.05, 1.5)) if held or rng.random() < 0.3 else 0.0,
        outline=float(rng.uniform(*((0.85, 1.2), (0.95, 1.12), (0.98, 1.05))[grade])),
        radius_mm=0.0 if flat else float(rng.uniform(*((120, 400), (90, 200), (75, 120))[grade])),
        shade=float(rng.uniform(*((0.4, 0.7), (0.55, 0.85), (0.75, 0.95))[grade])),
        follows=float(rng.uniform(*((0.0, 0.5), (0.3, 0.8), (0.7, 1.0))[grade])),
        match=float(rng.uniform(*((0.0, 0.5), (0.4, 0.9), (0.85, 1.0))[grade])),
    )


def _bent(attempt: Attempt, grade: int, rng: np.random.Generator) -> Attempt:
    """Around a vertical axis mostly; the strong ones have a head's own curvature and flex."""
    radius = float(rng.uniform(*((150, 600), (90, 250), (75, 140))[grade]))
    radius *= attempt.shown_eyes_mm / EYES_MM
    outwards = rng.random() < (0.7, 0.9, 1.0)[grade]
    lying = rng.random() < 0.15
    lean = rng.normal(0, 8) + (90 if lying else 0)
    # What is bent by more than 75 degrees from the middle is out of sight: it has been cut off.
    most = float(2 * radius * np.radians(75))
    paper = attempt.medium
    width = paper.width_mm if lying else min(paper.width_mm, most)
    height = min(paper.height_mm, most) if lying else paper.height_mm
    return replace(
        attempt,
        medium=replace(paper, width_mm=width, height_mm=height),
        bend=Bend(radius if outwards else -radius, float(lean)),
        flex=float(rng.uniform(0, 0.25)) if rng.random() < 0.5 else 0.0,
        flex_hz=float(rng.uniform(0.3, 1.2)),
    )


def _medium(
    species: Species, grade: int, shape: tuple[float, float], rng: np.random.Generator
) -> Medium:
    lying = shape[0] > shape[1]
    if species in SCREENS:
        phone = species is Species.PHONE_SCREEN or (
            species in REPLAYS and rng.random() < (0.6, 0.5, 0.2)[grade]
        )
        return _display(grade, rng, phone=phone, lying=lying)
    return _paper(species, grade, rng, lying=lying)


def _paper(species: Species, grade: int, rng: np.random.Generator, *, lying: bool) -> Paper:
    sizes = {
        0: [(100, 150), (148, 210), (210, 297)],
        1: [(148, 210), (210, 297), (210, 297)],
        2: [(297, 420), (297, 420), (420, 594)],
    }[grade]
    if species in LIFE_SIZE:
        sizes = [(210, 297) if grade < 2 else (297, 420)]
    narrow, wide = sizes[int(rng.integers(len(sizes)))]
    lying = lying or grade == 2
    width, height = (wide, narrow) if lying else (narrow, wide)
    matte = species is Species.MATTE_PRINT or (
        species is not Species.GLOSSY_PRINT and rng.random() < 0.6
    )
    # Reflection densities of full black: about 1.2 on plain paper to 2.2 on photo paper.
    density = rng.uniform(*((1.0, 1.4), (1.2, 1.6), (1.4, 1.8))[grade]) + (0.0 if matte else 0.4)
    return Paper(
        width_mm=float(width),
        height_mm=float(height),
        margin_mm=float(rng.choice([0, 4, 12]) if grade < 2 else 0),
        white=float(rng.uniform(0.78, 0.92)),
        black=float(10**-density),
        gamut=float(rng.uniform(*((0.6, 0.85), (0.75, 0.95), (0.92, 1.02))[grade])),
        cast=tuple(np.exp(rng.normal(0, (0.07, 0.04, 0.015)[grade], 3)).tolist()),
        grain=float(rng.uniform(*((0.02, 0.06), (0.01, 0.03), (0.0, 0.012))[grade])),
        # 106 to 175 lines per inch.
        screen_mm=float(rng.uniform(0.145, 0.24)),
        # Fresnel reflection at the normal is 4 %; fibres scatter most of it.
        gloss=float(rng.uniform(0.015, 0.03) if matte else rng.uniform(0.035, 0.045)),
        lobe_degrees=float(rng.uniform(25, 40) if matte else rng.uniform(1.5, 7)),
    )


def _display(grade: int, rng: np.random.Generator, *, phone: bool, lying: bool) -> Display:
    if phone:
        # Active areas of 5.5 to 6.8 inch telephones, 270 to 500 pixels an inch.
        width, height = ((62, 124), (67, 145), (71, 154))[int(rng.integers(3))]
        per_inch, oled = rng.uniform(270, 500), rng.random() < 0.6
    else:
        sizes = ((120, 192), (136, 217), (166, 229), (197, 263), (215, 344))
        width, height = sizes[int(rng.integers(grade, 3 + grade))]
        per_inch, oled = rng.uniform(150, 280), rng.random() < 0.15
    if lying or grade == 2:
        width, height = height, width
    dimmed = rng.random() < (0.6 if oled else 0.15)
    return Display(
        width_mm=float(width),
        height_mm=float(height),
        bezel_mm=float(rng.uniform(2, 4) if phone else rng.uniform(5, 12)),
        pitch_mm=float(25.4 / per_inch),
        pentile=bool(phone and oled),
        # A white page reflects about 100 cd/m2 in an office; displays give 100 to 600.
        peak=float(np.exp(rng.normal(*((0.5, 0.6), (0.3, 0.35), (0.1, 0.15))[grade]))),
        black=float(0.0002 if oled else 1 / rng.uniform(700, 1500)),
        gamma=float(rng.normal(2.2, (0.15, 0.08, 0.03)[grade])),
        gamut=float(rng.uniform(*((0.85, 1.3), (0.95, 1.2), (0.98, 1.05))[grade])),
        cast=_daylight(rng.normal(*((7000, 900), (6700, 600), (0, 0))[grade])),
        pwm_hz=float(rng.choice([240, 360, 480]) if oled else 1000.0) if dimmed else 0.0,
        duty=float(rng.uniform(0.3, 0.9)),
        gloss=float(rng.uniform(*((0.035, 0.045), (0.02, 0.045), (0.008, 0.03))[grade])),
        lobe_degrees=float(rng.uniform(0.3, 2.0)),
    )


def _daylight(kelvin: float) -> tuple[float, float, float]:
    """BGR of a display's white against the entrance's light; below 1000 K: it has been matched."""
    if kelvin < 1000:
        return 1.0, 1.0, 1.0
    bluish = (kelvin - 4500) / 4500
    return float(1 + 0.35 * bluish), 1.0, float(1 - 0.25 * bluish)


def _wanted_eyes(grade: int, size: tuple[int, int], rng: np.random.Generator) -> float:
    """Pixels between the eyes that the attacker aims at."""
    eyes_px = float(rng.uniform(*((42, 75), (50, 90), (70, 120))[grade]))
    if grade == 2:
        # More pixels show more of the entrance: come nearer, so that the edges leave the view.
        eyes_px *= max(1.0, size[1] / 540)
    # A larger face does not fit into the picture.
    return min(eyes_px, 0.27 * size[1])


def _shown_eyes(
    medium: Medium,
    shape: tuple[float, float],
    least: float,
    rng: np.random.Generator,
    *,
    extend: bool,
) -> float:
    """mm between the shown eyes: between "all of the picture is on it" and "it is filled".

    least: what the camera needs at the nearest place where the thing can be held.
    """
    whole = min(medium.width_mm / shape[0], medium.height_mm / shape[1])
    filled = max(medium.width_mm / shape[0], medium.height_mm / shape[1])
    # A face is about 3.5 eye distances high with its hair: more would cut it.
    most = min(medium.width_mm / 2.6, medium.height_mm / 3.6)
    if extend:
        return float(min(rng.uniform(0.75, 1.05) * EYES_MM, most))
    least = min(max(whole, least), most)
    return float(rng.uniform(least, max(min(1.3 * filled, most), least)))


def _blur(
    sensor: Sensor, camera: Pinhole, distance: float, grade: int, rng: np.random.Generator
) -> float:
    """Gaussian sigma in pixels: lens, and the disc of a lens focused elsewhere.

    A 3 to 4 mm lens at f/2 has an opening of 1.5 to 2 mm; its disc is opening * |1/z - 1/focus|.
    """
    focus = distance if rng.random() < (0.2, 0.4, 0.7)[grade] else rng.uniform(500, 1200)
    disc = rng.uniform(1.2, 2.0) * abs(1 / distance - 1 / focus) * camera.focal
    return float(np.hypot(sensor.lens_px, disc / 4))


def _handled(
    grade: int, shown: float, distance: float, rng: np.random.Generator, *, moves: bool
) -> tuple[str, Grip]:
    """How it is held, and whether it is moved on purpose. shown, distance: mm."""
    quiet = rng.uniform(0.5, 1.5)
    drift_mm, drift_degrees = ((4.0, 1.6), (2.5, 1.0), (1.0, 0.4))[grade]
    tremor_mm, tremor_degrees = ((0.10, 0.06), (0.05, 0.03), (0.02, 0.012))[grade]
    ways = ("still", "tilt", "turn", "move", "all")
    handling = ways[int(rng.choice(5, p=(0.3, 0.15, 0.25, 0.15, 0.15)))]
    if not moves:
        handling = "still"
    sweeps = []
    if handling in {"tilt", "all"}:
        sweeps.append(_sweep(0, rng.uniform(4, 18), rng))
    if handling in {"turn", "all"}:
        sweeps.append(_sweep(1, rng.uniform(5, 25), rng))
    if handling in {"move", "all"}:
        across = rng.uniform(0.1, 0.6) * shown
        sweeps += [_sweep(3, across, rng), _sweep(5, rng.uniform(0.02, 0.12) * distance, rng)]
    grip = Grip(
        quiet * drift_mm,
        quiet * drift_degrees,
        quiet * tremor_mm,
        quiet * tremor_degrees,
        tuple(sweeps),
    )
    return handling, grip


def _sweep(axis: int, amount: float, rng: np.random.Generator) -> Sweep:
    hz, phase = float(rng.uniform(0.25, 0.9)), float(rng.uniform(0, 2 * np.pi))
    return Sweep(axis, float(amount), hz, phase)


def _lighting(grade: int, rng: np.random.Generator) -> Lighting:
    """A lamp on the camera's side of the entrance, high up; the strong attacker keeps clear of it.

    A sheet that faces the camera mirrors what stands at the camera: the nearer to it the lamp, the
    more glare.
    """
    up = np.radians(rng.uniform(*((5, 60), (15, 65), (40, 70))[grade]))
    aside = np.radians(rng.uniform(-60, 60))
    across, deep = float(np.sin(aside) * np.cos(up)), float(-np.cos(aside) * np.cos(up))
    return Lighting(
        lamp=(across, float(-np.sin(up)), deep),
        diffuse=float(rng.uniform(0.5, 0.95)),
        lamp_light=float(np.exp(rng.uniform(np.log(10), np.log(80)))),
        lamp_degrees=float(rng.uniform(3, 9)),
        haze=float(rng.uniform(0.15, 0.6)),
    )
