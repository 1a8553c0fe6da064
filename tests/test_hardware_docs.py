"""What docs/hardware.md and its pages and drawings say is what config and code say."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from gpiozero.pins.pi import PiBoardInfo
from pydantic import BaseModel

from appliance import door_watch
from appliance.acceptance.plan import STEPS
from appliance.config import Config, DoorConfig, parse
from appliance.hardware.inputs import Wiring
from docs.drawings import lines, place, sums
from docs.drawings.book import FOLDER, SHEETS
from docs.drawings.pen import SIZES, WIDTH, text_width
from docs.drawings.tables import TABLES, refreshed
from tests.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = [DOCS / "hardware.md", *sorted(FOLDER.glob("*.md"))]
NAMES = sorted(SHEETS)
SVG = "{http://www.w3.org/2000/svg}"
# Header of a Raspberry Pi 4 Model B, as gpiozero knows it.
PI_4 = 0xB03111


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: Box, slack: float = 0.0) -> bool:
        return (
            self.left - slack <= other.left
            and self.top - slack <= other.top
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def drawn(name: str) -> ET.Element:
    return ET.parse(FOLDER / f"{name}.svg").getroot()  # noqa: S314 - the project's own files


def texts(root: ET.Element) -> list[tuple[str, Box]]:
    """Every text with the box it needs in the widest of the fonts named."""
    found = []
    for element in root.iter(f"{SVG}text"):
        words, (style, *rest) = element.text or "", element.attrib["class"].split()
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        width, size = text_width(words, style), SIZES[style]  # type: ignore[index]
        left = x - {"middle": width / 2, "end": width}.get("".join(rest), 0.0)
        found.append((words, Box(left, y - 0.76 * size, left + width, y + 0.24 * size)))
    return found


def boxes(root: ET.Element, kind: str) -> list[Box]:
    found = []
    for element in root.iter(f"{SVG}rect"):
        if element.attrib.get("class") == kind:
            x, y, width, height = (
                float(element.attrib[it]) for it in ("x", "y", "width", "height")
            )
            found.append(Box(x, y, x + width, y + height))
    return found


def wires(root: ET.Element) -> list[Box]:
    """Every straight piece of wire, as the box that its stroke covers."""
    found = []
    for element in root.iter(f"{SVG}path"):
        if element.attrib.get("class") != "wire" or " h" in element.attrib["d"]:
            continue
        points = [
            (float(x), float(y))
            for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", element.attrib["d"])
        ]
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            assert x1 == x2 or y1 == y2, "wires run level or upright"
            found.append(
                Box(min(x1, x2) - 1.5, min(y1, y2) - 1.5, max(x1, x2) + 1.5, max(y1, y2) + 1.5)
            )
    return found


# --- the drawings as drawings ---------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_is_what_the_script_draws(name: str) -> None:
    written = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert written == SHEETS[name]().svg(), "run python -m docs.drawings"


def test_no_other_drawing_lies_there() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.svg")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_tells_those_who_do_not_see_it(name: str) -> None:
    root = drawn(name)
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    assert len(title.text or "") > 10
    assert len(description.text or "") > 100


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_is_legible_on_dark_and_light_pages(name: str) -> None:
    root = drawn(name)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    paper = next(root.iter(f"{SVG}rect")).attrib
    # An opaque paper as large as the drawing, and letters of 12 pixels where it is shown at 830.
    assert (float(paper["width"]), float(paper["height"])) == (width, height) == (WIDTH, height)
    assert re.fullmatch(r"#[0-9a-f]{6}", paper["fill"])
    assert min(SIZES.values()) * 830 / width >= 12


@pytest.mark.parametrize("name", NAMES)
def test_no_text_leaves_its_box_or_meets_another(name: str) -> None:
    root = drawn(name)
    height = float(root.attrib["viewBox"].split()[3])
    found = texts(root)
    frames = [Box(8, 8, WIDTH - 8, height - 8), *boxes(root, "panel"), *boxes(root, "part")]
    for words, box in found:
        middle = (box.top + box.bottom) / 2
        for frame in frames:
            begins = Box(box.left, middle, box.left, middle)
            ends = Box(box.right, middle, box.right, middle)
            if frame.holds(begins) or frame.holds(ends):
                assert frame.holds(box), f"{words!r} leaves {frame}"
    for (one, a), (other, b) in itertools.combinations(found, 2):
        assert not a.meets(b), f"{one!r} meets {other!r}"


@pytest.mark.parametrize("name", NAMES)
def test_no_wire_runs_through_a_text(name: str) -> None:
    root = drawn(name)
    # Parts are opaque and lie above the wires.
    parts = boxes(root, "part")
    open_texts = [it for it in texts(root) if not any(part.holds(it[1]) for part in parts)]
    for (words, box), wire in itertools.product(open_texts, wires(root)):
        assert not box.meets(wire), f"a wire runs through {words!r}"


@pytest.mark.parametrize("name", NAMES)
def test_each_drawing_stands_in_a_page_with_words_for_it(name: str) -> None:
    assert any(
        re.search(
            rf"!\[[^\]]{{20,}}\]\((hardware/)?{name}\.svg\)", page.read_text(encoding="utf-8")
        )
        for page in PAGES
    )


# --- lines, levels, resistors ---------------------------------------------------------------


def test_the_header_is_the_boards() -> None:
    header = PiBoardInfo.from_revision(PI_4).headers["J8"]
    for number, pin in header.pins.items():
        told = re.match(r"GPIO(\d+)", pin.name)
        if told:
            assert lines.PINS[int(told[1])] == number
        else:
            name = {"3V3": "3.3 V", "5V": "5 V"}.get(pin.name, pin.name)
            assert lines.SUPPLY_PINS[number] == name


def test_no_line_is_given_twice_and_none_that_the_board_needs() -> None:
    numbers = [it.number for it in lines.ALL]
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(lines.OTHER_USES)


def test_what_is_switched_rests_while_the_board_starts() -> None:
    assert not [it for it in lines.OUTPUTS if it.pulled_up]


def test_the_page_explains_the_pulls_of_the_drawing() -> None:
    page = " ".join((FOLDER / "lines.md").read_text(encoding="utf-8").split())
    up = lines.PULLED_UP
    assert (
        f"pulls lines 0 to {max(up)} up and lines {max(up) + 1} to {max(lines.PINS)} down" in page
    )
    assert sorted(up) == list(range(max(up) + 1))


@pytest.mark.parametrize(
    "name", ["strike", "magnet", "contact", "exit", "keypad", "indicators", "tamper"]
)
def test_lines_and_pins_of_a_drawing_belong_together(name: str) -> None:
    labels = [words for words, _ in texts(drawn(name))]
    pairs = [
        (int(words.removeprefix("GPIO ")), labels[at + 1])
        for at, words in enumerate(labels)
        if re.fullmatch(r"GPIO \d+", words)
    ]
    assert pairs
    known = {it.number for it in lines.ALL}
    for number, pin in pairs:
        assert pin == f"pin {lines.PINS[number]}"
        assert number in known
    for at, words in enumerate(labels):
        if words in {"GND", "5 V"} and labels[at + 1].startswith("pin "):
            assert lines.SUPPLY_PINS[int(labels[at + 1].removeprefix("pin "))] == words


def test_the_first_tests_configuration_is_that_of_the_drawings() -> None:
    (block,) = re.findall(
        r"```yaml\n(.*?)```", (DOCS / "hardware.md").read_text(encoding="utf-8"), re.DOTALL
    )
    config = parse(block)
    for line in (*lines.OUTPUTS, *lines.INPUTS):
        section, key = line.key.split(".")
        assert getattr(getattr(config, section), key) == line.number, line.key
    assert list(config.claims.keypad_rows) == [it.number for it in lines.ROWS]
    assert list(config.claims.keypad_columns) == [it.number for it in lines.COLUMNS][:3]


def test_the_lamps_have_the_same_lines_on_their_own_page() -> None:
    page = (DOCS / "feedback.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    told = yaml.safe_load(block)["feedback"]
    for line in lines.OUTPUTS[1:]:
        assert told[line.key.removeprefix("feedback.")] == line.number
    for said in (lines.LAMP_SERIES, lines.BASE_SERIES):
        assert said.replace(" Ω", " ohms").replace(" kΩ", " kilohm") in page


def keys(model: type[BaseModel]) -> dict[str, Any]:
    """Every key of the configuration as section.key, with its default."""
    found: dict[str, Any] = {}
    for section, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            for key, value in inner.model_fields.items():
                found[f"{section}.{key}"] = value.default
    return found


def told_everywhere() -> str:
    """All words of pages and drawings."""
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    return "\n".join(pages + [words for name in NAMES for words, _ in texts(drawn(name))])


def test_every_key_that_is_named_exists() -> None:
    known = keys(Config)
    sections = {key.split(".")[0] for key in known}
    named = set(re.findall(rf"\b((?:{'|'.join(sections)})\.[a-z_]+)\b", told_everywhere()))
    files = {f"{section}.{end}" for section in sections for end in ("svg", "md", "py", "yaml")}
    assert len(named - files) > 15
    assert not named - files - set(known)


@pytest.mark.parametrize("key", ["contact_open", "request_to_exit_pressed", "tamper_alarm"])
def test_levels_are_the_defaults(key: str) -> None:
    default = DoorConfig.model_fields[key].default
    levels = set(re.findall(rf"(?<!`){key}: (high|low)", told_everywhere()))
    assert default in levels
    drawing = {
        "contact_open": "contact",
        "request_to_exit_pressed": "exit",
        "tamper_alarm": "tamper",
    }
    said = " ".join(words for words, _ in texts(drawn(drawing[key])))
    assert f"{key}: {default}" in said


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("exit", door_watch.EXIT_HOLD_S),
        ("contact", door_watch.CONTACT_HOLD_S),
        ("tamper", door_watch.TAMPER_HOLD_S),
    ],
)
def test_the_time_that_a_level_must_stand(name: str, seconds: float) -> None:
    told = f"{seconds * 1000:.0f} ms"
    assert f"A level counts after {told}." in " ".join(words for words, _ in texts(drawn(name)))
    assert told in (FOLDER / "wiring.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strike", lines.PULL_DOWN),
        ("magnet", lines.PULL_DOWN),
        ("contact", lines.SERIES),
        ("exit", lines.SERIES),
        ("tamper", lines.SERIES),
        ("keypad", f"{lines.SERIES} in each"),
        ("indicators", lines.LAMP_SERIES),
        ("indicators", lines.BASE_SERIES),
    ],
)
def test_resistors_are_those_of_the_pages(name: str, value: str) -> None:
    assert value in [words for words, _ in texts(drawn(name))]
    for page in ("parts", "wiring"):
        assert value.removesuffix(" in each") in (FOLDER / f"{page}.md").read_text(encoding="utf-8")


def test_a_contact_that_is_joined_reads_as_low_on_every_board() -> None:
    for pull in (33_000, 50_000, 73_000):
        assert sums.low_level(1000, pull) < 0.11
    assert sums.low_level(1000 + 9000, 33_000) < 0.8
    # With 10 kΩ besides, and another 1 kΩ of contact and cable.
    assert sums.low_level(1000, 1 / (1 / 33_000 + 1 / 10_000)) == pytest.approx(0.38, abs=0.01)
    assert sums.low_level(2000, 1 / (1 / 33_000 + 1 / 10_000)) < 0.8
    # A keypad's key has a row's and a column's resistor.
    assert sums.low_level(2000, 33_000) < 0.8


def test_a_cut_wire_reads_as_the_pages_say() -> None:
    # Where nothing joins a line to ground the chip pulls it up.
    wiring, levels = Wiring(), DoorConfig.model_fields
    assert wiring.contact_open_high is (levels["contact_open"].default == "high") is True
    assert wiring.tamper_high is (levels["tamper_alarm"].default == "high") is True
    assert wiring.exit_pressed_high is (levels["request_to_exit_pressed"].default == "high")
    assert wiring.exit_pressed_high is False


# --- tables and sums ------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == refreshed(text), "run python -m docs.drawings"


def test_every_table_stands_in_a_page() -> None:
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert sorted(re.findall(r"<!-- table: (\w+) -->", told)) == sorted(TABLES)


def test_sight() -> None:
    # A lens of 90 degrees has a focal length of half the picture's width.
    assert sums.focal_pixels(90, 1280) == pytest.approx(640)
    assert sums.other_angle(90, 1280, 1280) == pytest.approx(90)
    assert sums.eye_pixels(1.0, 640) == pytest.approx(40.32)
    assert sums.distance_of(sums.eye_pixels(1.7, 900), 900) == pytest.approx(1.7)
    assert sums.angle_seen(sums.focal_pixels(66, 1000), 1000) == pytest.approx(66)
    assert sums.across_of_diagonal(90, 1, 0) == pytest.approx(90)


def test_who_stands_nearer_than_the_nearest_is_cut_off() -> None:
    # From the middle, half of what must be seen fills half of the angle.
    near = sums.closest(60, 1.10, 1.80, 1.425)
    assert near == pytest.approx((1.80 + sums.ABOVE - 1.425) / math.tan(math.radians(30)))
    assert sums.tilt(near, 1.10, 1.80, 1.425) == pytest.approx(0)
    # From the middle the heads lie farthest apart, but from elsewhere the look is steeper.
    assert sums.closest(60, 1.10, 1.80, 1.0) < near
    assert sums.steepest(1.0, 1.10, 1.80, 1.0) > sums.steepest(1.0, 1.10, 1.80, 1.425)
    at = sums.closest(40, 1.10, 1.80, 1.6)
    seen = math.atan2(1.95 - 1.6, at) - math.atan2(0.90 - 1.6, at)
    assert math.degrees(seen) == pytest.approx(40)
    # Nobody is cut off by a lens that shows more than there is to be seen.
    assert sums.closest(60, 1.10, 1.10, 4.0) == 0
    assert sums.steepest(1.0, 1.10, 1.85, 2.5) == pytest.approx(54.5, abs=0.1)
    assert sums.steepest(1.0, 1.10, 1.10, 1.10) == 0


def test_the_limits_of_the_place_are_those_of_the_configuration() -> None:
    page = " ".join((FOLDER / "place.md").read_text(encoding="utf-8").split())
    quality, detector = Config().quality, Config().detector
    for told in (
        f"{quality.min_eye_distance:g} pixels between the eyes",
        f"focal length / {quality.min_eye_distance:g}",
        f"grey level of {quality.min_brightness:g} to {quality.max_brightness:g}",
        f"{quality.max_clipped:.0%}".replace("%", " %"),
        f"`quality.max_pitch` ({quality.max_pitch:g}°)",
        f"`quality.max_yaw` ({quality.max_yaw:g}°)",
        f"`detector.farthest: {detector.farthest:g}`",
    ):
        assert told in page, told
    camera = Config().camera
    assert f"{camera.width} x {camera.height}" in page
    near = sums.closest(place.ANGLE, place.LOWEST, place.HIGHEST, place.CAMERA)
    steepest = sums.steepest(near, place.LOWEST, place.HIGHEST, place.CAMERA)
    assert f"the steepest look in the example is {steepest:.0f}°" in page
    tall, small = (sums.steepest(1.0, eyes, eyes, 2.5) for eyes in (place.HIGHEST, place.LOWEST))
    assert f"{tall:.0f}° for the tallest and {small:.0f}° for the lowest" in page


def test_the_example_of_the_drawing_looks_within_the_limits() -> None:
    quality = Config().quality
    near = sums.closest(place.ANGLE, place.LOWEST, place.HIGHEST, place.CAMERA)
    assert sums.steepest(near, place.LOWEST, place.HIGHEST, place.CAMERA) < quality.max_pitch
    assert quality.min_eye_distance == place.LEAST_EYES
    assert near < sums.distance_of(place.LEAST_EYES, sums.focal_pixels(place.ANGLE, place.WIDTH))


def test_cables() -> None:
    # 20 m of 0.5 mm² at 0.5 A, as the page works out; twice the length loses twice as much.
    assert sums.voltage_drop(20, 0.5, 0.5) == pytest.approx(0.69, abs=0.005)
    assert sums.voltage_drop(40, 0.5, 0.5) == pytest.approx(2 * sums.voltage_drop(20, 0.5, 0.5))
    assert sums.voltage_drop(20, 0.5, 0.5, celsius=60) == pytest.approx(0.69 * 1.157, abs=0.005)


def test_a_higher_clamp_releases_sooner() -> None:
    times = [
        sums.release_time(2.0, 24.0, 12.0, clamp=clamp, holds=0.05) for clamp in (0.7, 18.0, 30.0)
    ]
    assert times == sorted(times, reverse=True)
    # Without a clamp the current dies by L / R alone.
    assert sums.release_time(2.0, 24.0, 12.0, clamp=0.0, holds=math.exp(-1)) == pytest.approx(
        2 / 24
    )


def test_batteries() -> None:
    assert sums.hold_up(7, 12, 8.4, 1.0) == pytest.approx(10)
    assert sums.hold_up(7, 12, (0.6 + 0.25) * 5.1 / 0.85, 0.64) == pytest.approx(10.5, abs=0.05)


def test_blur() -> None:
    assert sums.blur(0.5, 1 / 30, 986, 1.0) == pytest.approx(16, abs=0.5)
    assert sums.blur(0.5, 1 / 100, 986, 1.0) == pytest.approx(5, abs=0.1)


# --- commissioning --------------------------------------------------------------------------


def test_the_checklist_names_steps_of_the_acceptance() -> None:
    page = (FOLDER / "commissioning.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[-2]
        for line in page.splitlines()
        if line.startswith("| ☐ |") and line.count("|") == 5
    ]
    named = {key for cell in rows for key in re.findall(r"`(\w+)`", cell)}
    steps = {step.key for step in STEPS}
    assert len(named) > 20
    assert not named - steps
    machine_only = {
        "identity",
        "system_service",
        "network",
        "backup",
        "service_stopped",
        "service_running",
        "claim_sole_user",
    }
    assert steps - named <= machine_only, "a step of the acceptance is missing from the checklist"
