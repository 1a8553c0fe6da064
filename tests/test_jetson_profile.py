"""systemd/jetson.yaml: a config that is valid as it stands, and what it means."""

from __future__ import annotations

import re
from pathlib import Path

from appliance import assemble
from appliance.config import load
from tests.conftest import ROOT

PROFILE = ROOT / "systemd" / "jetson.yaml"


def test_it_is_a_valid_config_with_the_door_unconfigured() -> None:
    config = load(PROFILE)
    assert (config.camera.driver, config.camera.sensor) == ("gstreamer", 0)
    assert (config.model.name, config.model.delegate) == ("mobilefacenet", "tensorrt")
    assert config.door.driver is None


def test_its_model_can_be_run_by_tensorrt() -> None:
    config = load(PROFILE)
    models = assemble.manifest(config)
    entry = models.entry(config.model.name, "embedder")
    assert entry.twin is not None
    assert entry.calibration is not None
    assert len(models.read(entry.twin)) == entry.twin.bytes


def test_with_the_comment_signs_taken_away_the_door_is_configured(tmp_path: Path) -> None:
    text = PROFILE.read_text(encoding="utf-8")
    text = re.sub(r"^  # (driver|chip|pin):", r"  \1:", text, flags=re.MULTILINE)
    (file := tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    door = load(file).door
    assert (door.driver, door.chip, door.pin) == ("gpiozero", "tegra234-gpio", 144)
