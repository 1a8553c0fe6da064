"""QR codes: what is drawn can be read again, also small, turned and in a picture of a room."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from appliance.claims import badge
from appliance.errors import InputError
from appliance.types import Frame, Pixels
from appliance.vision import qr
from appliance.vision.motion import MotionGate
from tests.fakes import FakeClock

TEXT = "FAA1:ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def room(seed: int = 0) -> Pixels:
    """Something to look at without a code: 1280x720, noisy, bright and dark."""
    random = np.random.default_rng(seed)
    small = random.integers(40, 200, size=(9, 16, 3), dtype=np.uint8)
    large = cv2.resize(small, (1280, 720), interpolation=cv2.INTER_LINEAR)
    noise = random.integers(0, 12, size=large.shape, dtype=np.uint8)
    return np.asarray(large, dtype=np.uint8) + noise


def held_up(text: str, *, side: int, angle: float = 0.0, shift: float = 0.0) -> Pixels:
    """The room with a badge in its middle, or some pixels off."""
    scene, code = room(), cv2.cvtColor(qr.draw(text), cv2.COLOR_GRAY2BGR)
    scale = side / code.shape[0]
    middle = (code.shape[1] / 2, code.shape[0] / 2)
    turn = np.asarray(cv2.getRotationMatrix2D(middle, angle, scale), dtype=np.float64)
    turn[:, 2] += (640 + shift - code.shape[1] / 2, 360 - shift - code.shape[0] / 2)
    where = cv2.warpAffine(np.full(code.shape[:2], 255, np.uint8), turn, (1280, 720))
    # Each camera pixel averages over what it covers.
    soft = cv2.GaussianBlur(code, (0, 0), max(0.4 / scale, 0.1))
    paper = cv2.warpAffine(soft, turn, (1280, 720))
    scene[where > 128] = paper[where > 128]
    return scene


def test_what_is_drawn_can_be_read() -> None:
    picture = cv2.cvtColor(qr.draw(TEXT), cv2.COLOR_GRAY2BGR)
    assert qr.QrReader().read(np.asarray(picture, dtype=np.uint8)) == TEXT


def test_the_margin_is_the_standards() -> None:
    picture = qr.draw(TEXT)
    assert picture.shape[0] == picture.shape[1]
    assert set(np.unique(picture)) == {0, 255}
    dark = np.nonzero((picture == 0).any(axis=0))[0]
    assert (dark.min(), picture.shape[0] - 1 - dark.max()) == (48, 48)


@pytest.mark.parametrize("angle", [0, 8, -20, 90, 180])
def test_a_badge_that_is_held_up_is_read_within_a_few_frames(angle: float) -> None:
    """Single frames may fail, where modules fall between pixels; a hand is never still."""
    hands = (held_up(TEXT, side=260, angle=angle, shift=it) for it in (0, 0.6, 1.3, 2.2))
    found = [qr.QrReader().read(frame) for frame in hands]
    assert set(found) <= {TEXT, None}
    assert found.count(TEXT) >= 2


def test_a_room_without_a_code_says_nothing() -> None:
    assert [qr.QrReader().read(room(seed)) for seed in range(3)] == [None] * 3


def test_a_long_code_is_none_of_ours() -> None:
    picture = cv2.cvtColor(qr.draw("A" * 101), cv2.COLOR_GRAY2BGR)
    assert qr.QrReader().read(np.asarray(picture, dtype=np.uint8)) is None
    with pytest.raises(InputError):
        qr.draw("A" * 10_000)


def test_a_png_is_a_picture() -> None:
    content = np.frombuffer(qr.png(qr.draw(TEXT)), dtype=np.uint8)
    again = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    assert again is not None
    assert np.array_equal(again, qr.draw(TEXT))


@settings(max_examples=15, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 60), st.integers(1, 90), st.just(3)),
        elements=st.sampled_from([0, 255]),
        fill=st.nothing(),
    )
)
def test_whatever_the_picture_reading_never_raises(picture: Pixels) -> None:
    text = qr.QrReader().read(picture)
    assert text is None or 0 < len(text) <= 100


def test_a_spoilt_code_never_raises_and_is_never_another_badge() -> None:
    random, reader = np.random.default_rng(0), qr.QrReader()
    clean = cv2.cvtColor(qr.draw(TEXT), cv2.COLOR_GRAY2BGR)
    for _ in range(40):
        spoilt = np.asarray(clean, dtype=np.uint8).copy()
        for _ in range(int(random.integers(1, 12))):
            y, x = (int(it) // 12 * 12 for it in random.integers(0, spoilt.shape[0] - 24, size=2))
            spoilt[y : y + 24, x : x + 24] = random.choice([0, 255])
        assert reader.read(spoilt) in {None, TEXT} or not badge.is_badge(reader.read(spoilt) or "")


def test_codes_are_looked_for_while_something_moves_and_shortly_after() -> None:
    looked: list[Pixels] = []

    def read(bgr: Pixels) -> str:
        looked.append(bgr)
        return TEXT

    watch = badge.BadgeWatch(MotionGate().moved, read, FakeClock())
    still = room()
    found = [watch.look(Frame(still, at, "camera")) for at in (0.0, 1.0, 2.9, 3.1, 10.0)]
    assert len(looked) == 3
    assert found == [TEXT, TEXT, TEXT, None, None]
    assert watch.look(Frame(room(1), 11.0, "camera")) == TEXT


def test_other_peoples_codes_are_not_handed_on() -> None:
    watch = badge.BadgeWatch(lambda _: True, lambda _: "https://example.org/", FakeClock())
    assert watch.look(Frame(room(), 0.0, "camera")) is None


@pytest.mark.parametrize("scale", [1, 2])
def test_a_sheet_full_of_patterns_holds_nobody_up(scale: int) -> None:
    """One of OpenCV's detectors does not come back from the smaller one for minutes."""
    ring = np.full((9, 9), 255, np.uint8)
    ring[1:8, 1:8], ring[2:7, 2:7], ring[3:6, 3:6] = 0, 255, 0
    large = np.kron(ring, np.ones((scale, scale), np.uint8))
    sheet = np.tile(large, (360 // len(large), 640 // len(large)))
    assert qr.QrReader().read(np.repeat(sheet[:, :, None], 3, axis=2)) is None


def test_reading_that_takes_long_is_paused() -> None:
    clock = FakeClock()

    def read(_: Pixels) -> str:
        clock.advance(0.5)
        return TEXT

    watch = badge.BadgeWatch(lambda _: True, read, clock)
    found = []
    for _ in range(12):
        found.append(watch.look(Frame(room(), clock.monotonic(), "camera")) is not None)
        clock.advance(0.5)
    assert found == [True, *[False] * 9, True, False]
