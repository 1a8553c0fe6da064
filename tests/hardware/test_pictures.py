"""Picture files: upright, three channels of eight bits, or refused in a sentence."""

from __future__ import annotations

import resource
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import InputError
from appliance.hardware import headers
from appliance.hardware.headers import Damaged, Kind, exif_orientation, header_of, kind_of
from appliance.hardware.pictures import decode_picture
from appliance.types import Pixels
from tests.hardware import picture_files as make

# How a camera that was held so stores the picture QUARTERS (the inverse of turning it upright).
STORED = {
    1: make.QUARTERS,
    2: make.QUARTERS[:, ::-1],
    3: make.QUARTERS[::-1, ::-1],
    4: make.QUARTERS[::-1],
    5: make.QUARTERS.transpose(1, 0, 2),
    6: np.rot90(make.QUARTERS, 1),
    7: make.QUARTERS[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(make.QUARTERS, -1),
}


def _near(picture: Pixels, expected: Pixels, tolerance: int = 12) -> bool:
    """Equal but for what lossy compression changes, away from edges."""
    if picture.shape != expected.shape or picture.dtype != np.uint8:
        return False
    difference = np.abs(picture.astype(int) - expected.astype(int))
    return bool(np.median(difference) <= tolerance and (difference > 60).mean() < 0.1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_jpeg_is_turned_upright(orientation: int, order: str) -> None:
    stored = make.encoded(np.ascontiguousarray(STORED[orientation]))
    data = make.jpeg_with_exif(stored, make.tiff(orientation, order))
    picture = decode_picture(data, "held.jpg")
    assert _near(picture, make.QUARTERS)
    assert picture.flags.c_contiguous
    # OpenCV agrees about what each number means.
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert by_opencv is not None
    assert np.array_equal(picture, by_opencv)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_png_is_turned_upright(orientation: int) -> None:
    stored = make.encoded(np.ascontiguousarray(STORED[orientation]), ".png")
    picture = decode_picture(make.png_with_exif(stored, make.tiff(orientation)), "held.png")
    assert np.array_equal(picture, make.QUARTERS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_webp_is_turned_upright(orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation])
    height, width = stored.shape[:2]
    data = make.webp_with_exif(make.encoded(stored, ".webp"), make.tiff(orientation), width, height)
    assert _near(decode_picture(data, "held.webp"), make.QUARTERS)


@pytest.mark.parametrize("block", [b"", b"II*\0", make.tiff(0), make.tiff(9), make.tiff(6, kind=7)])
def test_a_senseless_orientation_is_no_orientation(block: bytes) -> None:
    data = make.jpeg_with_exif(make.encoded(make.QUARTERS), block)
    assert _near(decode_picture(data, "odd.jpg"), make.QUARTERS)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
def test_grey_and_colour_become_three_channels(extension: str) -> None:
    grey = cv2.cvtColor(make.QUARTERS, cv2.COLOR_BGR2GRAY)
    spread = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    assert _near(decode_picture(make.encoded(make.QUARTERS, extension), "a"), make.QUARTERS)
    assert _near(decode_picture(make.encoded(grey, extension), "b"), np.asarray(spread, np.uint8))


def test_a_progressive_jpeg_is_read_to_its_last_scan() -> None:
    _, data = cv2.imencode(".jpg", make.noise(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert decode_picture(data.tobytes(), "p.jpg").shape == (120, 160, 3)


def test_a_jpeg_with_restarts_and_something_behind_its_end_is_whole() -> None:
    _, data = cv2.imencode(".jpg", make.noise(), [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])
    assert decode_picture(data.tobytes() + b"motion photo trailer", "m.jpg").shape == (120, 160, 3)


def test_sixteen_bits_are_scaled_and_not_cut() -> None:
    deep = make.QUARTERS.astype(np.uint16) * 257
    assert np.array_equal(decode_picture(make.encoded(deep, ".png"), "deep.png"), make.QUARTERS)
    grey = np.full((4, 4), 32896, np.uint16)
    assert decode_picture(make.encoded(grey, ".png"), "grey.png")[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_transparency_is_laid_on_white(depth: type[np.unsignedinteger]) -> None:
    top = np.iinfo(depth).max
    bgra = np.zeros((2, 3, 4), depth)
    bgra[:, 1, 3] = top // 2 + 1
    bgra[:, 2] = (top, 0, 0, top)
    picture = decode_picture(make.encoded(bgra, ".png"), "cut-out.png")
    assert picture.tolist() == [[[255, 255, 255], [127, 127, 127], [255, 0, 0]]] * 2


def test_a_palette_is_resolved() -> None:
    picture = decode_picture(make.palette_png(), "palette.png")
    assert picture[0, [0, 7]].tolist() == [[255, 0, 0], [0, 0, 255]]


def test_cmyk_becomes_bgr() -> None:
    blue, green, red = decode_picture(make.red_cmyk_jpeg(), "print.jpg")[4, 4].tolist()
    assert max(blue, green) < 4
    assert red > 250


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_file_that_breaks_off_is_refused(extension: str, share: float) -> None:
    data = make.encoded(make.noise(), extension)
    with pytest.raises(InputError, match=r"cut.* is (a damaged|not a picture)") as caught:
        decode_picture(data[: int(len(data) * share)], f"cut{extension}")
    assert caught.value.exit_code == 3


def test_a_jpeg_whose_middle_is_missing_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    data = make.encoded(make.noise())
    with pytest.raises(InputError, match="a part of its data is missing"):
        decode_picture(data[: len(data) // 2] + b"\xff\xd9", "hole.jpg")
    assert capfd.readouterr().err == ""


def test_a_png_whose_middle_was_altered_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(make.encoded(make.noise(), ".png"))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(InputError, match="wrong checksum"):
        decode_picture(bytes(data), "altered.png")
    assert capfd.readouterr().err == ""


def test_data_that_cannot_be_decoded_is_refused_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="cannot be decoded"):
        decode_picture(make.png_claiming(100, 100), "short.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("width", "height"), [(20_000, 20_000), (20_000, 1_000), (1, 12_001), (8_000, 7_000)]
)
def test_a_huge_picture_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=f"too large: {width} x {height} pixels"):
        decode_picture(make.png_claiming(width, height), "bomb.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="has no pixels"):
        decode_picture(make.png_claiming(0, 5), "flat.png")


def test_a_large_phone_picture_is_read() -> None:
    data = make.encoded(np.full((3000, 4000, 3), 90, np.uint8))
    assert decode_picture(data, "phone.jpg").shape == (3000, 4000, 3)


def test_a_size_that_changes_behind_the_header_is_refused() -> None:
    data = make.encoded(make.noise())
    frame = data.index(b"\xff\xc0")
    twice = data[:2] + data[frame : frame + 5] + struct.pack(">HH", 8, 8)
    twice += data[frame + 9 : frame + 19] + data[2:]
    with pytest.raises(InputError, match="damaged"):
        decode_picture(twice, "two-headed.jpg")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
    ],
)
def test_kinds_that_are_known_but_not_read_are_named(head: bytes, name: str) -> None:
    with pytest.raises(InputError, match=f"is a {name} picture, which cannot be read") as caught:
        decode_picture(head, "x")
    assert "Convert it to JPEG" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"hello, world\n", b"BM is no bitmap", b"RIFF....WAVE"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"note\.jpg is not a picture or a video") as caught:
        decode_picture(data, "note.jpg")
    assert "JPEG" in caught.value.hint


SEEDS = [make.encoded(make.QUARTERS, extension) for extension in (".jpg", ".png", ".webp", ".bmp")]
SEEDS += [
    make.jpeg_with_exif(SEEDS[0], make.tiff(6)),
    make.png_with_exif(SEEDS[1], make.tiff(6)),
    make.webp_with_exif(SEEDS[2], make.tiff(6), 64, 48),
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_raise_nothing_but_an_input_error(data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        # Most of what matters is in the first bytes.
        place = data.draw(st.integers(0, min(len(seed), 120) - 1) | st.integers(0, len(seed) - 1))
        seed[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(seed)) | st.just(len(seed)))
    try:
        picture = decode_picture(bytes(seed[:cut]), "x")
    except InputError:
        return
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([kind for kind in Kind if kind.is_picture]), st.binary(max_size=400))
def test_random_bytes_behind_any_signature_are_damaged(kind: Kind, tail: bytes) -> None:
    start = {Kind.JPEG: b"\xff\xd8\xff", Kind.PNG: b"\x89PNG\r\n\x1a\n", Kind.BMP: b"BM"}
    try:
        header = header_of(kind, start.get(kind, b"RIFF\0\0\0\0WEBP") + tail)
    except Damaged:
        return
    assert 1 <= header.orientation <= 8


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"II*\0", b"MM\0*", b""]), st.binary(max_size=100))
def test_random_exif_is_an_orientation(start: bytes, tail: bytes) -> None:
    assert 1 <= exif_orientation(start + tail) <= 8


@given(st.binary(max_size=headers.HEAD))
def test_random_bytes_are_of_some_kind(head: bytes) -> None:
    assert kind_of(head) in Kind
