"""Five people before one office camera: nobody is taken for another, and who is too far is told so.

People of one camera, light and compression are more alike than strangers in press photographs, so
this is the hardest set of strangers at hand. again and no, book and school, milk and sorry are one
person each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pytest

from appliance import assemble, matching
from appliance.config import Config, ModelConfig, QualityConfig
from appliance.perception import Observation
from tests.conftest import data_folder

PERSON = {"again": 0, "no": 0, "book": 1, "school": 1, "milk": 2, "sorry": 2, "eat": 3, "hungry": 4}
EVERY = 8
# Pixels between the eyes: all frames of these recordings, so that there is something to compare.
EVEN_FAR = QualityConfig(min_eye_distance=25)
Clips = Mapping[str, Sequence[Observation]]


@pytest.fixture(scope="module", params=["mobilefacenet_dynamic", "mobilefacenet_int8"])
def config(request: pytest.FixtureRequest) -> Config:
    return Config(model=ModelConfig(name=request.param), quality=EVEN_FAR)


@pytest.fixture(scope="module")
def clips(config: Config) -> Clips:
    """Every EVERYth frame of each clip that an even laxer door would compare."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no measuring data: set APPLIANCE_DATA to a folder with clips/")
    perception = assemble.evaluation_perception(config)
    found: dict[str, list[Observation]] = {}
    for clip in PERSON:
        perception.forget()
        frames = list(assemble.one_file(folder / "clips" / "office" / f"{clip}.mkv").frames())
        seen = [perception.look(frame) for frame in frames[::EVERY]]
        found[clip] = [it for it in seen if it.embedding is not None]
    return found


def accepted(clips: Clips, config: Config, target_far: float) -> Iterator[tuple[bool, bool]]:
    """(same person, accepted) of three frames in a row of each clip against each one's template."""
    calibration = assemble.calibration(config)
    vectors = {
        clip: [it.embedding for it in seen if it.embedding] for clip, seen in clips.items() if seen
    }
    for (one, enrolled), (other, probes) in product(vectors.items(), repeat=2):
        template = matching.make_template(enrolled, config.model.name)
        for first in range(len(probes) if one != other else 0):
            match = matching.compare(template, probes[first : first + 3], calibration, target_far)
            yield PERSON[one] == PERSON[other], match.accepted


def test_at_the_shipped_rate_everybody_is_known_and_nobody_taken_for_another(
    clips: Clips, config: Config
) -> None:
    told = set(accepted(clips, config, Config().verification.target_far))
    assert told == {(True, True), (False, False)}


def test_at_a_laxer_rate_the_shipped_limits_ask_whoever_is_far_to_come_closer(
    clips: Clips, config: Config
) -> None:
    least = Config().quality.min_eye_distance
    near = {
        clip: [it for it in seen if it.quality and it.quality.eye_distance >= least]
        for clip, seen in clips.items()
    }
    assert sum(map(len, near.values())) < 0.1 * sum(map(len, clips.values()))
    assert (False, True) not in set(accepted(near, config, 1e-4))
