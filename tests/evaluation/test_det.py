"""The picture of the trade-off: its points, and where it may be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation import det
from appliance.evaluation.det import Line, check, draw, probit, save, trade_off
from appliance.evaluation.lfw import at_targets
from appliance.evaluation.rates import Trials
from tests.toys import CALIBRATION


def trials(scores: Sequence[float] | NDArray[np.float64], *, genuine: bool) -> Trials:
    values = np.asarray(scores, np.float32)
    one = np.arange(len(values), dtype=np.int32)
    return Trials(values, one, one if genuine else (one + 1) % len(values), max(len(values), 1))


def test_the_curve_passes_through_what_is_counted() -> None:
    genuine = trials([0.9, 0.8, 0.5, -np.inf], genuine=True)
    far, frr = trade_off(genuine, trials([0.6, 0.4, 0.2, 0.1], genuine=False))
    assert dict(zip(far.tolist(), frr.tolist(), strict=True)) == {
        1.0: 0.25,
        0.75: 0.25,
        0.5: 0.25,
        0.25: 0.5,
    }


def test_equal_scores_are_accepted_together() -> None:
    far, frr = trade_off(
        trials([0.5, 0.7], genuine=True), trials([0.5, 0.5, 0.5, 0.1], genuine=False)
    )
    assert set(far.tolist()) == {0.75, 1.0}
    assert frr.tolist() == [0.0] * len(frr)


def test_normal_scores_make_a_straight_line_on_these_axes() -> None:
    random = np.random.default_rng(0)
    far, frr = trade_off(
        trials(random.normal(2.5, 1, 40_000), genuine=True),
        trials(random.normal(0, 1, 40_000), genuine=False),
    )
    inside = (far > 2e-3) & (far < 0.2) & (frr > 2e-3)
    x = [probit(rate) for rate in far[inside]]
    y = [probit(rate) for rate in frr[inside]]
    slope, height = np.polyfit(x, y, 1)
    # probit(FAR) = -t and probit(FRR) = t - 2.5.
    assert (slope, height) == (pytest.approx(-1, abs=0.05), pytest.approx(-2.5, abs=0.1))
    assert probit(0.975) == pytest.approx(NormalDist().inv_cdf(0.975))


def test_a_picture_is_drawn_also_where_no_error_was_seen_or_no_trial_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    random = np.random.default_rng(0)
    many = (
        trials(random.normal(0.7, 0.1, 500), genuine=True),
        trials(random.normal(0, 0.12, 5000), genuine=False),
    )
    apart = trials([0.9] * 40, genuine=True), trials([0.0] * 40, genuine=False)
    none = trials([], genuine=True), trials([], genuine=False)
    lines = [
        Line(f"Line {number}", *pair, at_targets(*pair, CALIBRATION, enrolled=1))
        for number, pair in enumerate((many, apart, none))
    ]
    path = tmp_path / "det.png"
    path.write_text("an older picture", encoding="utf-8")
    draw(path, lines, "toys", "A caption. " * 30)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] > 1000
    # Each line has its colour, and there is more than white.
    blue = np.array([0xA5, 0x5F, 0x0B])
    assert (np.abs(picture.astype(int) - blue).sum(axis=2) < 12).sum() > 300
    assert [item.name for item in tmp_path.iterdir()] == ["det.png"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("det.txt", "is no name of a picture"),
        ("det", "is no name of a picture"),
        ("folder.png", "is no file"),
        ("nowhere/det.png", "does not exist"),
        ("locked.png", "it is read-only"),
        (f"{'x' * 300}.png", "cannot be written: file name too long"),
    ],
)
def test_where_no_picture_could_be_written_is_told_before_the_work(
    tmp_path: Path, name: str, complaint: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "locked.png").touch(mode=0o444)
    with pytest.raises(InputError, match=complaint):
        check(tmp_path / name)


def test_without_the_library_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(det, "find_spec", lambda _name: None)
    with pytest.raises(InputError) as caught:
        check(tmp_path / "det.png")
    assert caught.value.code == "missing_library"
    assert "face-access-appliance[plot]" in caught.value.hint


def test_a_disk_that_is_full_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="the extra [plot] is not installed")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure.Figure, "savefig", full)
    pair = trials([0.9, 0.8], genuine=True), trials([0.1, 0.2], genuine=False)
    lines = [Line("one", *pair, at_targets(*pair, CALIBRATION, enrolled=1))]
    with pytest.raises(InputError, match="no space left on device"):
        draw(tmp_path / "det.png", lines, "toys", "")
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_picture_can_hold_is_told(tmp_path: Path) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="the extra [plot] is not installed")
    endless = figure.Figure(figsize=(1, 60_000), dpi=150)
    with pytest.raises(InputError, match="cannot be written: image size"):
        save(endless, tmp_path / "det.png")
    assert list(tmp_path.iterdir()) == []
