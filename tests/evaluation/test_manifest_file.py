"""A manifest whose calibration changes and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.errors import ModelError
from appliance.evaluation.manifest_file import check_writable, merge, with_calibrations, write
from tests.conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = (ROOT / "models" / "manifest.toml").read_text(encoding="utf-8")
CURVES = {
    "single": {
        "enrolled": 1,
        "probes": 1,
        "trials": 3,
        "people": 2,
        "similarity": [0.1, 0.2],
        "log10_far": [-1.0, -2.0],
    }
}


def test_the_shipped_manifest_is_kept_to_the_byte_where_nothing_is_new() -> None:
    former = tomllib.loads(SHIPPED)["models"]["mobilefacenet"]["calibration"]
    assert with_calibrations(SHIPPED, {}) == SHIPPED
    assert with_calibrations(SHIPPED, {"mobilefacenet": former}) == SHIPPED


def test_only_what_was_measured_changes() -> None:
    new = with_calibrations(SHIPPED, {"mobilefacenet": {"data": "others", "curves": CURVES}})
    assert new.splitlines()[0] == SHIPPED.splitlines()[0]
    assert new.startswith("#")
    before, after = tomllib.loads(SHIPPED), tomllib.loads(new)
    calibration = after["models"]["mobilefacenet"]["calibration"]
    assert (calibration["data"], calibration["curves"]) == ("others", CURVES)
    # What the measurement does not name stays: what a poor picture pays, for one.
    former = before["models"]["mobilefacenet"].pop("calibration")
    assert after["models"]["mobilefacenet"].pop("calibration").keys() == former.keys()
    assert before == after
    assert list(before["models"]) == list(after["models"])
    # And once more gives the same bytes.
    again = with_calibrations(new, {"mobilefacenet": {"data": "others", "curves": CURVES}})
    assert again == new


def test_a_model_that_had_no_calibration_gets_one() -> None:
    text = 'schema = 1\n\n[models.a]\nfile = "a.tflite"\n'
    new = tomllib.loads(with_calibrations(text, {"a": {"data": "d", "curves": CURVES}}))
    assert new["models"]["a"] == {
        "file": "a.tflite",
        "calibration": {"data": "d", "curves": CURVES},
    }


def test_the_file_is_replaced_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    (link := tmp_path / "link.toml").symlink_to(path)
    write(link, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert {item.name for item in tmp_path.iterdir()} == {"manifest.toml", "link.toml"}


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text("old", encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.evaluation.manifest_file.os.fsync", full)
    with pytest.raises(ModelError, match="no space left on device") as caught:
        write(path, "new")
    assert caught.value.code == "manifest_not_written"
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("folder", "is no file"),
        ("nowhere/m.toml", "does not exist"),
        ("locked", "is read-only"),
        ("photo.jpg", "is there and no manifest"),
        ("other.toml", "is there and no manifest"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, name: str, complaint: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "locked").touch(mode=0o444)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "other.toml").write_text("a = 1\n", encoding="utf-8")
    with pytest.raises(ModelError, match=complaint):
        check_writable(tmp_path / name)


def test_a_new_file_may_be_written(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.toml")
    write(tmp_path / "new.toml", "text")
    assert (tmp_path / "new.toml").read_text(encoding="utf-8") == "text"


def test_a_calibration_that_would_not_be_read_again_is_refused() -> None:
    falling = {"single": {**CURVES["single"], "log10_far": [-1.0, float("nan")]}}
    with pytest.raises(ModelError, match="calibration of mobilefacenet is none") as caught:
        with_calibrations(SHIPPED, {"mobilefacenet": {"data": "others", "curves": falling}})
    assert caught.value.code == "bad_calibration"


def test_a_manifest_that_became_unreadable_meanwhile_is_told_and_left(tmp_path: Path) -> None:
    (path := tmp_path / "manifest.toml").write_text("[models", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        merge(path, path, "a", {"data": "d", "curves": CURVES})
    assert path.read_text(encoding="utf-8") == "[models"
