"""A user's own anti-spoof network, from config.yaml to the verdict on a frame."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from appliance import assemble, config, doctor
from appliance.config import Config, OwnLivenessModel
from appliance.errors import ConfigError, ModelError
from appliance.liveness.appearance import TIGHT, AppearanceCheck
from appliance.liveness.network import Network, recipe_of
from appliance.types import Frame
from appliance.vision import manifest
from tests.portraits import face, network, picture

SHIPPED = manifest.shipped_folder() / "antispoof.tflite"
SUM = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
# The shipped network as if it were somebody's own, shown the tight square only.
OWN = {"file": str(SHIPPED), "sha256": SUM, "crop": 1.4, "outside": "black", "live_index": 0}


def parsed(**keys: object) -> Config:
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return config.parse(f"liveness:\n  profile: passive\n  model:\n{lines}")


def score(settings: Config, name: str) -> float:
    watch = assemble.liveness(settings)
    assert watch is not None
    frame = Frame(picture(name), 0.0, name, still=True)
    watch.see(frame, face(name))
    return watch.check(frame, face(name)).cues["appearance"]


def test_its_score_takes_the_place_of_the_shipped_networks() -> None:
    entry = manifest.load(manifest.shipped_folder()).entry("antispoof")
    same = Network("antispoof", network("antispoof"), recipe_of(entry))
    alone = AppearanceCheck(same, (TIGHT,), assemble.APPEARANCE_THRESHOLDS)
    wanted = alone.score(picture("biden.jpg"), face("biden.jpg"))
    assert score(parsed(**OWN), "biden.jpg") == pytest.approx(wanted, abs=1e-6)
    turned = score(parsed(**OWN | {"higher_is_live": "false"}), "biden.jpg")
    assert turned == pytest.approx(1 - wanted, abs=1e-6)


def test_doctor_tells_of_one_that_does_not_fit() -> None:
    # Alone of all checks: the others look at this machine.
    check = doctor._outcome("liveness", doctor._liveness, parsed(**OWN | {"live_index": 3}))
    assert check.status is doctor.Status.FAIL
    assert "3 number(s)" in check.detail


def test_what_is_measured_with_it_names_it() -> None:
    found = assemble.liveness_identity(parsed(**OWN))
    assert found["antispoof.tflite"] == SUM
    assert "antispoof" not in found


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sha256": "'" + "0" * 64 + "'"}, SUM),
        ({"live_index": 3}, "3 number(s)"),
        ({"output": 1}, "1 output(s)"),
        ({"activation": "none"}, "no probability"),
        ({"file": "nowhere.tflite"}, "nowhere.tflite"),
    ],
)
def test_one_that_does_not_fit_is_refused_when_the_pipeline_is_built(
    keys: dict[str, object], told: str
) -> None:
    with pytest.raises(ModelError) as refused:
        assemble.liveness(parsed(**OWN | keys))
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sha256": "abc"}, "liveness.model.sha256"),
        ({"crop": 0}, "liveness.model.crop"),
        ({"live_index": -1}, "liveness.model.live_index"),
        ({"live_index": "yes"}, "a number is expected"),
        ({"mean": "[1, 2]"}, "one number or three are expected, not 2"),
        ({"scale": 0}, "shows the network nothing"),
        ({"activation": "softmx"}, "liveness.model.activation"),
        ({"attack": 0.7}, "attack must not be above live"),
        ({"chanels": "rgb"}, "liveness.model.chanels is not a known key"),
        ({"actvation": "none"}, "did you mean activation?"),
    ],
)
def test_faults_of_its_section_are_told_by_key(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed(**OWN | keys)
    assert told in refused.value.message


def test_what_nobody_can_guess_has_no_default() -> None:
    with pytest.raises(ConfigError) as refused:
        config.parse("liveness: {model: {colour: rgb}}")
    for key in ("file", "sha256", "crop", "live_index"):
        assert f"liveness.model.{key} is missing" in refused.value.message


def test_numbers_are_for_all_channels_or_each() -> None:
    found = parsed(**OWN | {"mean": 127.5, "scale": "[0.1, 0.2, 0.3]"}).liveness.model
    assert isinstance(found, OwnLivenessModel)
    assert (found.mean, found.scale) == ((127.5,), (0.1, 0.2, 0.3))


def test_its_path_begins_at_the_config_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"liveness:\n  model: {{file: own.tflite, sha256: {SUM}, crop: 2.7, live_index: 1}}\n",
        encoding="utf-8",
    )
    found = config.load(file).liveness.model
    assert found is not None
    assert found.file == tmp_path / "own.tflite"
