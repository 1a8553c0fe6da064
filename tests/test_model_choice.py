"""What `auto` means, as rules over tables of measurements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.host import Host
from appliance.model_choice import (
    FALLBACK,
    LEAST_COSINE,
    LEAST_MEAN_COSINE,
    MOST_LOSS,
    TIE,
    Choice,
    Cosines,
    Decision,
    Measured,
    Record,
    choose,
    decide,
    figures,
    is_family,
    pick,
    read_record,
    record_json,
    why_not,
)
from appliance.types import PersonSummary
from appliance.vision.manifest import Entry, Manifest, load, shipped_folder
from tests.fakes import START

HOST = Host("Cortex-A76", "Raspberry Pi 5", "aarch64", 4, "ai_edge_litert", "2.1.0")
MODELS = load(shipped_folder())
FLOAT, INT8 = "mobilefacenet", "mobilefacenet_int8"
GOOD = Cosines(least=0.995, mean=0.999)


def row(name: str = INT8, ms: float | None = 4.0, **more: Any) -> Measured:
    """A quantised model that is fit."""
    sha256 = MODELS.entries[name].sha256 if name in MODELS.entries else "0" * 64
    told = {"family": True, "cosines": GOOD, "separates": True, "losses": {"1e-4": 0.001}}
    return Measured(name=name, sha256=sha256, **{"ms": ms, **told, **more})


def original(ms: float = 6.0, **more: Any) -> Measured:
    return row(FLOAT, ms, **{"original": True, "losses": None, **more})


def record(*rows: Measured, chosen: str | None = INT8, **more: Any) -> Record:
    entry = MODELS.entries.get(chosen or "")
    best = pick(rows)
    fields: dict[str, Any] = {
        "schema": 1,
        "measured_at": START,
        "host": HOST,
        "threads": 2,
        "rounds": 100,
        "faces": 16,
        "models": rows or (original(), row()),
        "best": best.name if best else chosen,
        "chosen": chosen,
        "chosen_sha256": entry.sha256 if entry else None,
    }
    return Record(**(fields | more))


class TestWhoIsFit:
    def test_a_quantised_model_that_agrees_and_lost_little_is_fit(self) -> None:
        assert why_not(row()) == ""

    def test_the_original_needs_no_record_of_a_loss(self) -> None:
        assert why_not(original()) == ""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"family": False}, "not made from the default's weights"),
            ({"error": "The model file x is missing"}, "The model file x is missing"),
            ({"ms": None}, "it was not timed"),
            ({"separates": False}, "holds two people for more alike"),
            ({"cosines": None}, "nothing to compare it with"),
            ({"cosines": Cosines(least=LEAST_COSINE - 1e-4, mean=0.999)}, "0.9799 at worst"),
            ({"cosines": Cosines(least=0.99, mean=LEAST_MEAN_COSINE - 1e-4)}, "cosine 0.9899"),
            ({"losses": None}, "no accuracy loss is recorded"),
            ({"losses": {}}, "no accuracy loss is recorded"),
            ({"losses": {"1e-4": 0.0, "1e-5": 0.0031}}, "0.31 points of FRR at a FAR of 1e-5"),
        ],
    )
    def test_each_bound_has_its_reason(self, change: dict[str, Any], reason: str) -> None:
        assert reason in why_not(row(**change))

    def test_the_bounds_themselves_are_within(self) -> None:
        edge = Cosines(least=LEAST_COSINE, mean=LEAST_MEAN_COSINE)
        assert why_not(row(cosines=edge, losses={"1e-4": MOST_LOSS, "1e-5": -0.1})) == ""

    def test_an_original_that_holds_everybody_for_one_is_not_fit(self) -> None:
        assert why_not(original(separates=False)) != ""

    def test_pictures_of_one_person_alone_say_nothing_against_a_model(self) -> None:
        assert why_not(row(separates=None)) == ""


class TestThePick:
    def test_the_fastest_wins(self) -> None:
        assert pick([original(6.0), row(FALLBACK, 3.5), row(INT8, 3.0)]) == row(INT8, 3.0)

    def test_what_is_not_fit_does_not_win_however_fast(self) -> None:
        table = [original(6.0), row(INT8, 1.0, cosines=None), row("openface", 1.0, family=False)]
        assert pick(table) == original(6.0)

    def test_nearly_as_fast_and_more_accurate_wins(self) -> None:
        exact, rough = row(FALLBACK, 3.1, losses={"1e-4": 0.0}), row(INT8, 3.0)
        assert pick([rough, exact]) == pick([exact, rough]) == exact

    def test_beyond_the_tie_the_faster_wins(self) -> None:
        exact, rough = row(FALLBACK, 3.0 * (1 + TIE) + 0.01, losses={"1e-4": 0.0}), row(INT8, 3.0)
        assert pick([rough, exact]) == rough

    def test_the_original_is_the_most_accurate_of_all(self) -> None:
        assert pick([row(INT8, 4.0, losses={"1e-4": 0.0}), original(4.1)]) == original(4.1)

    def test_where_nothing_is_fit_nothing_is_picked(self) -> None:
        assert pick([]) is None
        assert pick([row(ms=None), row("openface", family=False)]) is None

    @given(
        st.lists(
            st.builds(
                Measured,
                name=st.sampled_from(["a", "b", "c", "d"]),
                sha256=st.just("0"),
                ms=st.none() | st.floats(0.01, 100),
                original=st.booleans(),
                family=st.booleans(),
                cosines=st.none()
                | st.builds(Cosines, least=st.floats(0.95, 1), mean=st.floats(0.98, 1)),
                separates=st.none() | st.booleans(),
                losses=st.none() | st.dictionaries(st.just("1e-4"), st.floats(-0.01, 0.01)),
            ),
            max_size=6,
        )
    )
    def test_a_pick_is_fit_and_hardly_slower_than_any_other_that_is(
        self, table: list[Measured]
    ) -> None:
        best, fit = pick(table), [item for item in table if not why_not(item)]
        assert (best is None) is (fit == [])
        if best is not None:
            assert best in fit
            assert best.ms is not None
            assert all(best.ms <= item.ms * (1 + TIE) for item in fit if item.ms is not None)
            assert pick(table[::-1]) == pick(table) or len({it.name for it in fit}) < len(fit)


PRINTS = {name: f"print of {name}" for name in (FLOAT, FALLBACK, INT8)}


def people(**enrolled_with: str) -> list[PersonSummary]:
    return [
        PersonSummary(name, model, PRINTS.get(model, "other"), 5, START, START)
        for name, model in enrolled_with.items()
    ]


class TestWhatBecomesOfANewTable:
    def test_where_nobody_is_enrolled_the_best_is_chosen(self) -> None:
        decided = decide(INT8, FALLBACK, [], PRINTS, repick=False)
        assert decided == Decision(INT8, INT8, False, ())

    def test_the_first_pick_stays_the_fallback_where_people_are_enrolled_with_it(self) -> None:
        who = people(alice=FALLBACK, bob=FALLBACK)
        decided = decide(INT8, FALLBACK, who, PRINTS, repick=False)
        assert decided == Decision(INT8, FALLBACK, True, ("alice", "bob"))

    def test_repick_changes_it_and_says_who_must_enrol_again(self) -> None:
        who = people(alice=FALLBACK, bob=INT8)
        decided = decide(INT8, FALLBACK, who, PRINTS, repick=True)
        assert decided == Decision(INT8, INT8, False, ("alice",))

    def test_the_same_pick_again_is_no_change(self) -> None:
        who = people(alice=INT8)
        assert decide(INT8, INT8, who, PRINTS, repick=False) == Decision(INT8, INT8, False, ())

    def test_nobody_of_the_former_pick_is_left_so_it_may_change(self) -> None:
        who = people(alice=INT8, carol="openface")
        decided = decide(INT8, FALLBACK, who, PRINTS, repick=False)
        assert decided == Decision(INT8, INT8, False, ("carol",))

    def test_where_no_model_is_fit_the_pick_of_those_enrolled_stays(self) -> None:
        who = people(alice=FALLBACK)
        assert decide(None, FALLBACK, who, PRINTS, repick=True).chosen == FALLBACK
        assert decide(None, FALLBACK, [], PRINTS, repick=False).chosen is None


def chosen(
    kept: Record | str,
    enrolled: Sequence[PersonSummary] = (),
    host: Host = HOST,
    models: Manifest = MODELS,
) -> Choice:
    return choose(kept, host, models, lambda: enrolled, lambda entry: PRINTS.get(entry.name, "?"))


def changed(**entries: dict[str, Any] | None) -> Manifest:
    """The shipped manifest with entries changed, or left out."""
    found: dict[str, Entry] = dict(MODELS.entries)
    for name, change in entries.items():
        entry = found.pop(name)
        if change is not None:
            found[name] = entry.model_copy(update=change)
    return Manifest(MODELS.folder, found)


class TestWhatAutoMeans:
    def test_what_was_measured_on_this_machine_is_used(self) -> None:
        found = chosen(record())
        assert (found.name, found.recorded, found.record) == (INT8, True, record())
        assert found.why == "measured here on 2026-01-05: 4.00 ms, at most 0.10 points of FRR lost"

    def test_a_process_that_is_told_less_of_the_machine_uses_it_too(self) -> None:
        found = chosen(record(), host=replace(HOST, cpu=None, board=None))
        assert (found.name, found.recorded) == (INT8, True)

    def test_who_is_enrolled_is_not_asked_then(self) -> None:
        def never() -> list[PersonSummary]:
            raise AssertionError

        assert choose(record(), HOST, MODELS, never, lambda _: "").name == INT8

    def test_without_measurements_it_is_the_fallback_and_the_reason_is_told(self) -> None:
        assert chosen("no model was measured here yet") == Choice(
            FALLBACK, False, "no model was measured here yet"
        )

    @pytest.mark.parametrize(
        ("kept", "host", "models", "why"),
        [
            (record(), replace(HOST, cpu="Cortex-A72"), MODELS, "cpu Cortex-A76, now Cortex-A72"),
            (record(), replace(HOST, runtime_version="2.2"), MODELS, "runtime_version 2.1.0, now"),
            (record(chosen=None), HOST, MODELS, "none of the models was fit"),
            (record(), HOST, changed(mobilefacenet_int8=None), "in the manifest no more"),
            (record(), HOST, changed(mobilefacenet_int8={"sha256": "1" * 64}), "has changed"),
            (record(chosen="openface"), HOST, MODELS, "no model that a door may pick"),
        ],
    )
    def test_what_does_not_hold_here_is_not_used(
        self, kept: Record, host: Host, models: Manifest, why: str
    ) -> None:
        found = chosen(kept, host=host, models=models)
        assert (found.name, found.recorded) == (FALLBACK, False)
        assert why in found.why
        assert (found.record is None) is (kept.host != host)

    def test_a_new_runtime_or_a_lost_record_locks_nobody_out(self) -> None:
        everybody = people(alice=INT8, bob=INT8)
        moved = chosen(record(), everybody, host=replace(HOST, runtime_version="3"))
        assert (moved.name, moved.recorded) == (INT8, False)
        assert moved.why.endswith("and everybody is enrolled with it")
        assert chosen("it is gone", everybody).name == INT8

    @pytest.mark.parametrize(
        "who",
        [
            people(alice=INT8, bob=FALLBACK),
            people(alice="openface"),
            people(alice="a model of yore"),
            [replace(people(alice=INT8)[0], fingerprint="of another file")],
        ],
    )
    def test_people_of_several_or_unusable_models_do_not_decide(
        self, who: list[PersonSummary]
    ) -> None:
        assert chosen("it is gone", who).name == FALLBACK


class TestTheFamily:
    def test_it_is_the_mobilefacenets(self) -> None:
        found = {name for name, entry in MODELS.entries.items() if is_family(entry, MODELS)}
        assert found >= {FLOAT, FALLBACK, INT8}
        assert not any("openface" in name for name in found)

    @pytest.mark.parametrize("change", [{"calibration": None}, {"runtime": "onnx"}])
    def test_it_can_be_run_and_has_error_rates(self, change: dict[str, Any]) -> None:
        models = changed(mobilefacenet_int8=change)
        assert not is_family(models.entries[INT8], models)

    def test_without_the_fallback_there_is_none(self) -> None:
        models = changed(mobilefacenet_dynamic=None)
        assert not any(is_family(entry, models) for entry in models.entries.values())


class TestTheFile:
    def test_what_is_written_reads_back(self) -> None:
        kept = record(original(), row(), row("openface", family=False))
        data = record_json(kept)
        assert read_record(json.dumps(data).encode()) == kept
        told = [(item["eligible"], item["why_not"] is None) for item in data["models"]]
        assert told == [(True, True), (True, True), (False, False)]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (b"", "cannot be read"),
            (b"\xff\xfe{", "cannot be read"),
            (b"[]", "cannot be read"),
            (b"{}", "cannot be read (schema: Field required)"),
            (b'{"schema": 1}', "cannot be read"),
            (json.dumps(record_json(record()) | {"schema": 0}).encode(), "another version (0)"),
            (json.dumps(record_json(record()) | {"threads": "many"}).encode(), "(threads: "),
            (json.dumps(record_json(record())).encode()[:500], "cannot be read"),
        ],
    )
    def test_anything_else_is_a_reason(self, text: bytes, why: str) -> None:
        found = read_record(text)
        assert isinstance(found, str)
        assert why in found

    def test_figures_for_people(self) -> None:
        assert figures(original(6.0)) == "6.00 ms, the float32 original"
        assert figures(row(losses=None)) == "4.00 ms"
        assert figures(row(ms=None, losses=None)) == "no time"


def test_the_shipped_manifest_records_what_quantisation_lost() -> None:
    fit = [name for name in (FALLBACK, INT8) if MODELS.entries[name].fidelity is not None]
    assert fit == [FALLBACK, INT8]
    for name in fit:
        fidelity = MODELS.entries[name].fidelity
        assert fidelity is not None
        assert set(fidelity.losses) == {"1e-4", "1e-5"}
        assert max(fidelity.losses.values()) <= MOST_LOSS
    assert MODELS.entries[FLOAT].fidelity is None
