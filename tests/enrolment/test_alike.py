"""Whom a new face looks like among those who are enrolled."""

from __future__ import annotations

import pytest

from appliance.enrolment.alike import likeness, look_alikes
from appliance.matching import make_template
from appliance.types import Embedding, Person, Template
from tests.fakes import START
from tests.toys import ALICE, BOB, CALIBRATION, FINGERPRINT, MODEL, vector_of


def template(who: int, seed: int = 0, like: int | None = None, share: float = 0.0) -> Template:
    """Five pictures; like, share: how much of somebody else's features they have."""
    own = [vector_of(who, seed=seed + at) for at in range(5)]
    if like is not None:
        own = [(1 - share) * vector + share * vector_of(like, spread=0) for vector in own]
    return make_template([Embedding(vector, FINGERPRINT) for vector in own], MODEL)


def person(name: str, of: Template) -> Person:
    return Person(name, of, START, START)


def test_the_same_face_under_another_name_is_told() -> None:
    enrolled = [person("alice", template(ALICE)), person("bob", template(BOB))]
    (found,) = look_alikes(template(ALICE, seed=50), enrolled, CALIBRATION, 1e-5)
    assert (found.name, found.accepted) == ("alice", True)
    assert found.similarity > 0.9
    # Nobody measured whether fewer strangers come as close.
    assert found.far_is_bound
    assert found.far == pytest.approx(1e-5)


def test_strangers_are_not() -> None:
    enrolled = [person("bob", template(BOB))]
    assert look_alikes(template(ALICE, seed=50), enrolled, CALIBRATION, 1e-5) == []


def test_a_sister_is_mentioned_though_no_door_would_take_her_for_alice() -> None:
    sister = template(BOB, like=ALICE, share=0.33)
    (found,) = look_alikes(sister, [person("alice", template(ALICE))], CALIBRATION, 1e-5)
    assert not found.accepted
    assert 1e-5 < found.far <= 1e-3
    assert not found.far_is_bound


def test_the_most_alike_comes_first() -> None:
    enrolled = [
        person("cousin", template(BOB, like=ALICE, share=0.4)),
        person("alice", template(ALICE)),
    ]
    found = look_alikes(template(ALICE, seed=50), enrolled, CALIBRATION, 1e-5)
    assert [item.name for item in found] == ["alice", "cousin"]


def test_another_model_s_template_is_never_compared() -> None:
    mine = template(ALICE)
    other = Template(mine.vectors, mine.mean, "another", "an0ther")
    assert likeness(mine, person("alice", other), CALIBRATION, 1e-5) is None
    assert look_alikes(mine, [person("alice", other)], CALIBRATION, 1e-5) == []


def test_poor_faces_must_be_more_alike_to_be_remarkable() -> None:
    """Strangers look more alike when their faces are small; what that adds is taken off."""
    sister, alice = template(BOB, like=ALICE, share=0.33), person("alice", template(ALICE))
    plain = likeness(sister, alice, CALIBRATION, 1e-5)
    poor = likeness(sister, alice, CALIBRATION, 1e-5, off=0.15)
    assert plain is not None
    assert poor is not None
    assert plain.similarity == poor.similarity
    assert plain.far < 1e-3 < poor.far
    assert look_alikes(sister, [alice], CALIBRATION, 1e-5, off=0.15) == []
    # Nor would the door take them for her.
    assert not any(
        item.accepted
        for item in look_alikes(sister, [alice], CALIBRATION, 1e-2, off=plain.similarity)
    )
