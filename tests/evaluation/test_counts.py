"""Shares of pictures, independent or not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appliance.evaluation.counts import BOOTSTRAP, EXACT, share_of_pictures
from appliance.evaluation.rates import exact_interval


def test_one_picture_a_person_gives_the_exact_interval() -> None:
    happened = np.arange(100) < 2
    share = share_of_pictures(happened, np.arange(100, dtype=np.int32), 100)
    assert (share.value, share.pictures, share.method) == (0.02, 100, EXACT)
    # The textbook's 2 of 100.
    assert share.interval == pytest.approx((0.0024, 0.0704), abs=5e-5)


def test_pictures_of_the_same_people_are_less_sure_than_they_look() -> None:
    # Of 50 people with ten pictures each, five are always missed: 50 of 500, but only five of 50.
    person = np.repeat(np.arange(50, dtype=np.int32), 10)
    share = share_of_pictures(person < 5, person, 50)
    assert share.value == pytest.approx(0.1)
    assert share.method == BOOTSTRAP
    naive = exact_interval(50, 500)
    assert share.interval[1] - share.interval[0] > 2 * (naive[1] - naive[0])
    assert share.interval == pytest.approx(exact_interval(5, 50), abs=0.05)


def test_nothing_seen_is_no_proof_of_nothing() -> None:
    pairs, alone = np.repeat(np.arange(50, dtype=np.int32), 2), np.arange(50, dtype=np.int32)
    # Three in all the people, however many pictures they have, and the textbook's 0 of 50.
    for person, bound in ((pairs, 0.06), (alone, 0.0711)):
        share = share_of_pictures(person < 0, person, 50)
        assert share.value == 0
        assert share.interval == pytest.approx((0.0, bound), abs=1e-4)


def test_without_pictures_there_is_no_share() -> None:
    share = share_of_pictures(np.zeros(0, bool), np.zeros(0, np.int32), 0)
    assert math.isnan(share.value)
    assert share.interval == (0.0, 1.0)
