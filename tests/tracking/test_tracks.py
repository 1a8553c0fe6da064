"""Who is followed from frame to frame, and who each of them is taken for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from appliance.errors import StoreError
from appliance.matching import make_template
from appliance.perception import Perception
from appliance.tracking.drawing import draw, label, plain
from appliance.tracking.identity import Identity, Known
from appliance.tracking.lookback import Lookback
from appliance.tracking.record import Record
from appliance.tracking.tracks import Look, Seen, Tracker
from appliance.tracking.visits import Visits
from appliance.types import Box, Embedding, FaceCrop, Fault, Frame, Match, Person
from tests.fakes import START
from tests.toys import (
    ALICE,
    BOB,
    CALIBRATION,
    CAROL,
    FINGERPRINT,
    MODEL,
    Toy,
    ToyEmbedder,
    mesh_in,
    scene,
    toy_perception,
    vector_of,
)


class CountingEmbedder(ToyEmbedder):
    """Counts what it embeds."""

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, crop: FaceCrop) -> Embedding:
        self.asked += 1
        return super().embed(crop)


def person(name: str, who: int, fingerprint: str = FINGERPRINT) -> Person:
    faces = [Embedding(vector_of(who, seed=10 * who + n), fingerprint) for n in range(5)]
    return Person(name, make_template(faces, MODEL), START, START)


PEOPLE = (person("alice", ALICE), person("bob", BOB))


def tracker(perception: Perception | None = None, people: Sequence[Person] = PEOPLE) -> Tracker:
    return Tracker(perception or toy_perception(), Known(people, CALIBRATION, 1e-3))


def film(*faces: Sequence[Toy], start: float = 0.0, fps: int = 10, take: int = 0) -> list[Frame]:
    """Frames that show these faces, one after the other. take: another one has other looks."""
    return [scene(start + number / fps, *shown, seed=take) for number, shown in enumerate(faces)]


def dimmed(frame: Frame) -> Frame:
    """The same, too dark to be compared."""
    bgr = frame.bgr // (1, 6, 20)
    return replace(frame, bgr=bgr.astype(np.uint8))


def told(look: Look) -> list[tuple[int, str | None, str]]:
    return [(seen.track, seen.name, seen.state) for seen in look.seen]


def story(frames: Iterable[Frame], by: Tracker | None = None) -> list[list[tuple[int, str | None]]]:
    """Per frame: the tracks and their names."""
    by = by or tracker()
    return [[(seen.track, seen.name) for seen in by.look(frame).seen] for frame in frames]


def left(who: int, x: float = 80.0) -> Toy:
    return Toy(who, x=x, width=80)


def right(who: int, x: float = 240.0) -> Toy:
    return Toy(who, x=x, width=80)


def test_everybody_in_a_frame_has_a_track_and_a_name() -> None:
    (look,) = (tracker().look(frame) for frame in film([left(ALICE), right(BOB)]))
    assert {(name, state) for _, name, state in told(look)} == {
        ("alice", "named"),
        ("bob", "named"),
    }
    assert [seen.track for seen in look.seen] == [1, 2]
    assert look.searched
    assert set(look.began) == {1, 2}


def test_a_stranger_is_unknown_and_told_with_the_nearest() -> None:
    (look,) = (tracker().look(frame) for frame in film([left(CAROL)]))
    (seen,) = look.seen
    assert (seen.name, seen.state) == (None, "unknown")
    assert seen.identity is not None
    assert seen.identity.nearest in {"alice", "bob"}
    assert seen.identity.match is not None
    assert seen.identity.match.similarity < seen.identity.match.threshold


def test_where_nobody_is_enrolled_everybody_is_unknown() -> None:
    (look,) = (tracker(people=()).look(frame) for frame in film([left(ALICE)]))
    assert told(look) == [(1, None, "unknown")]


def test_each_comparison_gets_its_share_of_the_target_rate() -> None:
    known = Known(PEOPLE, CALIBRATION, 1e-3)
    match = known.identified([Embedding(vector_of(ALICE), FINGERPRINT)]).match
    assert match is not None
    assert match.target_far == pytest.approx(1e-3 / len(PEOPLE))


def test_a_template_of_another_model_is_refused_before_any_frame() -> None:
    with pytest.raises(StoreError, match="cannot be compared"):
        tracker(people=[person("old", ALICE, fingerprint="another")])


def test_a_walker_keeps_the_track_and_is_embedded_few_times() -> None:
    embedder = CountingEmbedder()
    by = tracker(toy_perception(embedder=embedder))
    walk = film(*[[left(ALICE, x=80 + 4 * step)] for step in range(30)], fps=30)
    assert set(map(tuple, story(walk, by))) == {((1, "alice"),)}
    # Three at the beginning, and one half a second later: is it still she?
    assert embedder.asked <= 5


def test_two_who_walk_keep_their_numbers() -> None:
    walk = film(*[[left(ALICE, x=60 + 3 * n), right(BOB, x=260 - 3 * n)] for n in range(20)])
    pairs = {seen for shown in story(walk) for seen in shown}
    assert len(pairs) == 2
    assert {name for _, name in pairs} == {"alice", "bob"}


def test_who_comes_back_is_the_same_track_and_another_is_not() -> None:
    there: list[Toy] = [left(ALICE)]
    nobody: list[Toy] = []
    frames = film(there, there, nobody, nobody, nobody, [right(ALICE)])
    assert [shown[0] for shown in story(frames) if shown] == [(1, "alice")] * 3
    frames = film(there, there, nobody, nobody, nobody, [left(BOB)])
    assert [shown[0] for shown in story(frames) if shown][-1] == (2, "bob")


def test_who_comes_back_after_long_begins_a_new_track() -> None:
    frames = [*film([left(ALICE)]), *film([], start=0.1), *film([left(ALICE)], start=9.0)]
    assert story(frames) == [[(1, "alice")], [], [(2, "alice")]]


def test_a_blurred_face_is_followed_and_told_as_blurred_until_it_is_clear() -> None:
    by = tracker()
    blurred = Toy(ALICE, sharp=False)
    looks = [by.look(frame) for frame in film([blurred], [blurred], [Toy(ALICE)])]
    assert [told(look)[0] for look in looks] == [
        (1, None, "blurred"),
        (1, None, "blurred"),
        (1, "alice", "named"),
    ]


def test_a_track_that_slid_onto_somebody_else_becomes_another_one() -> None:
    # The same place, another face of the same looks, and no frame between: the mesh follows on.
    frames = film(*[[left(ALICE)]] * 4, *[[left(BOB)]] * 6)
    told = [seen for (seen,) in story(frames)]
    assert told[:4] == [(1, "alice")] * 4
    # Looked at again at the search at 0.5 s, and once more before it is believed.
    assert told[5:] == [(1, None), *[(2, "bob")] * 4]


def test_across_a_cut_nobody_inherits_a_name() -> None:
    for after, name in ((BOB, "bob"), (CAROL, None)):
        frames = [
            *film(*[[left(ALICE)]] * 3),
            *film(*[[left(after)]] * 4, start=0.3, take=1),
        ]
        told = [seen for (seen,) in story(frames)]
        assert told == [*[(1, "alice")] * 3, *[(2, name)] * 4]


def test_a_cut_within_one_persons_picture_keeps_track_and_name() -> None:
    frames = [*film(*[[left(ALICE)]] * 3), *film(*[[left(ALICE)]] * 3, start=0.3, take=1)]
    assert story(frames) == [[(1, "alice")]] * 6


@pytest.mark.parametrize("away", [0, 3])
def test_who_takes_the_place_unseen_has_the_number_and_not_the_name(away: int) -> None:
    blurred = [Toy(BOB, x=80, width=80, sharp=False)]
    frames = [
        *film(*[[left(ALICE)]] * 3, *[[]] * away),
        *film(*[blurred] * 7, *[[left(BOB)]] * 4, start=0.3 + away / 10, take=1),
    ]
    told = [shown[0] for shown in story(frames) if shown]
    assert told[:3] == [(1, "alice")] * 3
    assert set(told[3:10]) == {(1, None)}
    assert told[-1] == (2, "bob")


def test_who_turns_away_and_back_bears_the_name_again() -> None:
    blurred = [Toy(ALICE, x=80, width=80, sharp=False)]
    frames = film(*[[left(ALICE)]] * 3, *[blurred] * 2, *[[left(ALICE)]] * 3)
    assert story(frames) == [
        *[[(1, "alice")]] * 3,
        *[[(1, None)]] * 2,
        *[[(1, "alice")]] * 3,
    ]


def test_a_name_is_not_borne_for_long_where_nothing_can_be_compared() -> None:
    first, *rest = film(*[[left(ALICE)]] * 30)
    frames = [first, *map(dimmed, rest[:24]), *rest[24:]]
    assert story(frames) == [*[[(1, "alice")]] * 20, *[[(1, None)]] * 5, *[[(1, "alice")]] * 5]


class LookalikeEmbedder(ToyEmbedder):
    """Carol is like Alice enough to be one track, and too little to bear her name."""

    def embed(self, crop: FaceCrop) -> Embedding:
        seen = super().embed(crop)
        if round(float(np.median(crop.bgr[36:100, 28:84, 0])) / 10) != CAROL:
            return seen
        mixed = 0.5 * vector_of(ALICE, spread=0.0) + seen.vector
        return Embedding((mixed / np.linalg.norm(mixed)).astype(np.float32), FINGERPRINT)


def test_a_lookalike_does_not_take_over_the_name() -> None:
    perception = toy_perception(embedder=LookalikeEmbedder())
    strict = Tracker(perception, Known(PEOPLE, CALIBRATION, 1e-5))
    frames = [
        *film(*[[left(ALICE)]] * 3),
        *film(*[[left(CAROL)]] * 8, start=0.3, take=1),
    ]
    told = [seen for (seen,) in story(frames, strict)]
    assert told == [*[(1, "alice")] * 3, *[(2, None)] * 8]


def test_two_tracks_never_stand_on_one_face() -> None:
    by = tracker()
    by.look(*film([left(ALICE), right(BOB, x=170)]))
    # Alice has gone, and what followed her finds Bob.
    for step in range(1, 4):
        look = by.look(scene(step / 10, right(BOB, x=170 - 30 * step), seed=0))
        assert len(look.seen) == 1


def test_another_scene_begins_anew() -> None:
    by = tracker()
    (frame,) = film([left(ALICE)])
    assert told(by.look(frame))[0][0] == 1
    other = Frame(frame.bgr, 0.1, "another.jpg")
    assert told(by.look(other))[0][0] == 2


def shown(frames: Iterable[Frame], most_bytes: int = 10**9) -> list[list[tuple[int, str | None]]]:
    perception = toy_perception()
    lookback = Lookback(tracker(perception), perception.stages.mesh, most_bytes)
    found = [item for frame in frames for item in lookback.see(frame)]
    found += lookback.finish()
    assert [frame.source for frame, _ in found] == [frame.source for frame in frames]
    return [[(seen.track, seen.name) for seen in faces] for _, faces in found]


def test_looking_back_shows_who_came_between_two_searches() -> None:
    # Searched at 0 and 0.5 s; he came at 0.2 s.
    frames = film([], [], *[[left(ALICE)]] * 6)
    assert story(frames) == [[], [], [], [], [], *[[(1, "alice")]] * 3]
    assert shown(frames) == [[], [], *[[(1, "alice")]] * 6]


def test_who_comes_at_the_very_end_is_not_missed() -> None:
    frames = film([], [], [], [left(BOB)], [left(BOB)])
    assert shown(frames) == [[], [], [], [(1, "bob")], [(1, "bob")]]


def test_who_is_out_of_sight_between_two_searches_is_found_again_in_between() -> None:
    frames = film(*[[left(ALICE)]] * 3, [], *[[right(ALICE)]] * 8)
    assert shown(frames) == [*[[(1, "alice")]] * 3, [], *[[(1, "alice")]] * 8]


def test_somebody_who_was_blurred_at_first_has_the_name_from_the_first_frame_on() -> None:
    frames = film([Toy(ALICE, sharp=False)], *[[Toy(ALICE)]] * 5)
    assert shown(frames)[1:] == [[(1, "alice")]] * 5


def test_somebody_who_came_in_the_dark_has_the_name_from_the_first_frame_on() -> None:
    empty, *rest = film([], *[[Toy(ALICE)]] * 6)
    rest[0] = dimmed(rest[0])
    by = tracker()
    assert told(by.look(rest[0])) == [(1, None, "too_dark")]
    assert shown([empty, *rest]) == [[], *[[(1, "alice")]] * 6]


def test_no_frame_bears_the_name_of_who_had_gone_by_then() -> None:
    # Searched at 0, 0.5 and 1 s; the mesh slid from one to the other at 0.7 s.
    frames = film(*[[left(ALICE)]] * 7, *[[left(BOB)]] * 8)
    told = [seen for (seen,) in shown(frames)]
    assert told[:6] == [(1, "alice")] * 6
    assert set(told[6:11]) <= {(1, None), (2, "bob")}
    assert told[11:] == [(2, "bob")] * 4


def test_looking_back_gives_no_name_to_who_stood_there_in_between() -> None:
    # Searched at 0.5 and 0.6 s, and when Bob is back; in between somebody who is too dark to be
    # compared stood in his place.
    dark = map(dimmed, film(*[[left(ALICE)]] * 3, start=0.6, take=1))
    frames = [*film(*[[left(BOB)]] * 6), *dark, *film(*[[left(BOB)]] * 4, start=0.9)]
    told = [seen for (seen,) in shown(frames)]
    assert told == [*[(1, "bob")] * 6, *[(1, None)] * 3, *[(1, "bob")] * 4]


def test_a_doubt_at_the_end_of_the_film_takes_the_name_back() -> None:
    # Searched at 0, 0.5 and 1 s; the mesh slid at 0.7 s, and no second look confirms it.
    frames = film(*[[left(ALICE)]] * 7, *[[left(BOB)]] * 4)
    told = [seen for (seen,) in shown(frames)]
    assert told[:6] == [(1, "alice")] * 6
    assert told[6:] == [(1, None)] * 5


def test_who_is_traced_back_is_not_traced_over_a_cut() -> None:
    # Bob came after the first search and went before the second: nobody followed him.
    frames = [*film([], [left(BOB)]), *film(*[[left(ALICE)]] * 5, start=0.2, take=1)]
    assert shown(frames) == [[], [], *[[(1, "alice")]] * 5]


def test_large_pictures_are_not_all_held_back() -> None:
    frames = film([], [], *[[left(ALICE)]] * 6)
    # Searched at 0 and 0.5 s; so far back as two frames are held he is found.
    told = shown(frames, most_bytes=2 * frames[0].bgr.nbytes)
    assert told == [[], [], [], *[[(1, "alice")]] * 5]


MATCH = Match(similarity=0.6213, threshold=0.55, target_far=1e-3, far=1e-5)


def seen(identity: Identity | None, fault: Fault | None = None, track: int = 3) -> Seen:
    return Seen(track, mesh_in(Box(100, 60, 80, 96)), identity, fault)


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (seen(Identity("zoë", "zoë", MATCH)), "zoe 0.62"),
        (seen(Identity("李雷", "李雷", MATCH)), "person 3 0.62"),
        (seen(Identity(None, "bob", MATCH)), "unknown 0.62"),
        (seen(Identity()), "unknown"),
        (seen(None, Fault.TOO_SMALL), "too small"),
        (seen(None), "not compared"),
    ],
)
def test_the_text_beside_a_box_says_what_its_colour_says(one: Seen, text: str) -> None:
    assert label(one) == text


def test_a_name_that_cannot_be_drawn_whole_is_not_drawn_in_part() -> None:
    assert plain("Smith 李", 7) == "person 7"
    assert plain("Łukasz", 7) == "person 7"  # Ł is no L with a mark


def test_a_box_is_drawn_around_the_face_and_the_label_stays_in_the_picture() -> None:
    for box in (Box(100, 60, 80, 96), Box(-30, -20, 80, 96), Box(300, 200, 80, 96)):
        picture = np.zeros((240, 320, 3), np.uint8)
        draw(picture, [Seen(1, mesh_in(box), Identity("alice", "alice", MATCH))])
        assert picture.any()
        # White letters on the label: all of them are within, wherever the face is.
        letters = np.asarray((picture > 200).sum(axis=2) == 3)
        assert letters.sum() > 50
        assert not letters[:, [0, -1]].any()


def test_the_record_has_a_line_for_each_face_in_each_frame() -> None:
    by, record = tracker(), Record()
    for frame in film([left(ALICE), right(CAROL)], [left(ALICE)], []):
        record.add(frame, by.look(frame).seen)
    heading, *rows = record.table.splitlines()
    assert heading == "frame,time_ms,track,left,top,width,height,name,similarity,threshold,state"
    cells = [row.split(",") for row in rows]
    assert [(row[0], row[1], row[7], row[10]) for row in cells] == [
        ("0", "0", "alice", "named"),
        ("0", "0", "", "unknown"),
        ("1", "100", "alice", "named"),
    ]
    assert float(cells[0][8]) > float(cells[0][9])
    assert float(cells[1][8]) < float(cells[1][9])
    assert (record.frames, record.faces) == (3, 3)
    assert {number: it.frames for number, it in record.tracks.items()} == {1: 2, 2: 1}


def test_a_track_is_summed_up_by_how_it_was_compared_latest() -> None:
    compared, withheld = seen(Identity("alice", "alice", MATCH)), seen(None, Fault.BLURRED)
    record = Record()
    for frame, one in zip(film([], [], []), (withheld, compared, withheld), strict=True):
        record.add(frame, (one,))
    (summary,) = record.tracks.values()
    assert (summary.last.name, summary.last_s) == ("alice", 0.2)
    assert (summary.frames, summary.named) == (3, 1)


def test_a_visit_begins_once_and_anew_after_an_absence() -> None:
    visits = Visits(away_s=10)
    assert visits.arrivals(["bob", "alice"], 0) == ["alice", "bob"]
    assert visits.arrivals(["alice"], 5) == []
    assert visits.arrivals(["bob"], 10) == []
    assert visits.arrivals([], 14) == []
    assert visits.arrivals(["alice", "bob"], 16) == ["alice"]
