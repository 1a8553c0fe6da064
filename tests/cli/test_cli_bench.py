"""`appliance bench`, `bench --models`, and the history of what `auto` means."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance import cold_start
from appliance.cli import bench_models
from appliance.config import Config
from appliance.errors import BadDataError
from appliance.evaluation.bench import Turns
from appliance.evaluation.model_bench import Face
from appliance.model_choice import Cosines, Measured, is_family, is_original
from appliance.vision.manifest import Manifest, load, shipped_folder
from tests.cli.runs import (
    BIDEN,
    OBAMA,
    OBAMA2,
    OBAMA3,
    PROGRAM,
    Appliance,
    Outcome,
    film,
    read,
    write_config,
)
from tests.patience import patient

FLOAT, DYNAMIC, INT8 = "mobilefacenet", "mobilefacenet_dynamic", "mobilefacenet_int8"
MODELS = load(shipped_folder())
HOST = {
    "cpu", "board", "architecture", "cores", "runtime", "runtime_version", "python", "threads",
    "load_average", "governor", "temperature_c", "throttled",
}  # fmt: skip


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own is started; one test does."""
    told = cold_start.ColdStart(1234.5, 99.9)
    monkeypatch.setattr(cold_start, "measure", lambda _config, _picture: told)


class TestThePipeline:
    def test_the_contract(self, appliance: Appliance) -> None:
        told = appliance("bench", "--rounds", "2", "--json")
        assert told.code == 0, told
        data = told.data
        assert set(data["stages"]) == {
            *("detect", "landmarks", "align", "cues", "liveness", "embed", "match")
        }
        for quantiles in (*data["stages"].values(), data["tracked_frame"], data["acquired_frame"]):
            assert set(quantiles) == {"p50_ms", "p95_ms"}
            assert 0 < quantiles["p50_ms"] <= quantiles["p95_ms"]
        idle = data["idle"]
        assert (idle["looks_per_s"], idle["size"]) == (5, "1280x720")
        for shown in (idle["still"], idle["moving"]):
            assert shown["share_of_core"] > 0
            assert 0 < shown["look"]["p50_ms"] <= shown["look"]["p95_ms"]
            assert shown["decode"]["p50_ms"] > 0
        assert data["cold_start_ms"] > data["tracked_frame"]["p50_ms"]
        assert data["rss_mb"] > 10
        assert set(data["host"]) == HOST
        assert data["host"]["threads"] == 1
        assert data["model"] == DYNAMIC
        assert data["frames"] == {"used": 4, "skipped": 0, "sizes": ["1280x720"]}
        assert not appliance.state.exists()

    @pytest.mark.slow
    @pytest.mark.usefixtures("warm")
    def test_a_recording_is_timed_as_it_is(self, appliance: Appliance, tmp_path: Path) -> None:
        appliance.configure(liveness={"profile": "off"})
        path = film(tmp_path / "alice.avi", read(OBAMA3), frames=2)
        told = appliance.json("bench", "--rounds", "1", "--from", path)
        assert told.code == 0, told
        assert told.data["frames"] == {"used": 2, "skipped": 0, "sizes": ["480x480"]}
        assert told.data["stages"]["liveness"] is None
        shown = appliance("bench", "--rounds", "1", "--from", path)
        assert "a frame, its face tracked" in shown.out
        assert "With nobody there, at 5 looks a second at 1280x720: " in shown.out
        assert "From a cold start to the first embedding: 1234 ms, 100 MB of memory" in shown.out

    def test_pictures_without_a_face_cannot_be_timed(
        self, appliance: Appliance, spoilt: Path
    ) -> None:
        told = appliance("bench", "--rounds", "1", "--from", spoilt / "nobody.png")
        assert told.code == 3
        assert told.sentence.startswith("None of the pictures shows one good face")
        missing = appliance("bench", "--from", "nowhere.jpg")
        assert missing.code == 3
        assert "nowhere.jpg" in missing.sentence

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--repick"], "--repick goes with --models"),
            (["--models", "--from", str(OBAMA)], "--from does not go with --models"),
            (["--rounds", "0"], "0 is not in the range"),
        ],
    )
    def test_wrong_usage(self, words: list[str], message: str, appliance: Appliance) -> None:
        told = appliance.json("bench", *words)
        assert told.code == 2
        assert message in told.error["message"]


class TestAColdStart:
    def test_a_child_that_fails_says_why_and_runs_nothing_of_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("appliance.py", "json.py", "cv2.py"):
            (tmp_path / name).write_text("raise SystemExit(9)", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(BadDataError, match=r"ended with exit code 3: .*no\.jpg"):
            cold_start.measure(Config(), tmp_path / "no.jpg")


@pytest.mark.slow
class TestTheRealModels:
    @pytest.fixture(scope="class")
    @staticmethod
    def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
        folder = tmp_path_factory.mktemp("measured")
        write_config(folder / "config.yaml", folder / "state", model={"name": "auto", "threads": 2})
        words = ["--config", str(folder / "config.yaml"), "bench", "--models", "--rounds", "2"]
        done = subprocess.run(
            [*PROGRAM, *words, "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=patient(120),
        )
        return Outcome(done.returncode, done.stdout, done.stderr), folder

    def test_they_agree_with_their_float32_originals(self, measured: tuple[Outcome, Path]) -> None:
        told, _ = measured
        assert told.code == 0, told
        rows = {row["name"]: row for row in told.data["models"]}
        assert set(rows) >= {FLOAT, DYNAMIC, INT8, "openface", "openface_int8"}
        for name in (FLOAT, DYNAMIC, INT8):
            assert rows[name]["eligible"], rows[name]
            assert rows[name]["ms"] > 0
            assert rows[name]["ms_one_thread"] > 0
            assert rows[name]["separates"] is True
        assert not any(row["eligible"] for name, row in rows.items() if "openface" in name)
        assert told.data["chosen"] == told.data["best"] == told.data["in_use"]
        assert rows[told.data["chosen"]]["eligible"]

    def test_the_file_holds_what_was_printed(self, measured: tuple[Outcome, Path]) -> None:
        told, folder = measured
        path = folder / "state" / "model-choice.json"
        assert told.data["stored"] == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        kept = json.loads(path.read_text(encoding="utf-8"))
        assert kept["schema"] == 1
        assert {key: told.data[key] for key in kept if key != "host"} == {
            key: value for key, value in kept.items() if key != "host"
        }
        assert kept["host"].items() <= told.data["host"].items()
        assert set(told.data["host"]) == HOST


class Bench:
    """`bench --models` with invented figures: milliseconds by model, and what is amiss."""

    def __init__(self, appliance: Appliance, patch: pytest.MonkeyPatch) -> None:
        self.ms: dict[str, float] = {FLOAT: 6.0, DYNAMIC: 4.0, INT8: 3.0}
        self.least = 0.999
        self._appliance = appliance
        patch.setattr(bench_models, "find_faces", lambda *_: [])
        patch.setattr(bench_models, "measure_models", self._measure)

    def __call__(self, *words: str) -> Outcome:
        return self._appliance.json("bench", "--models", *words)

    def _measure(
        self, models: Manifest, build: object, faces: list[Face], turns: Turns
    ) -> list[Measured]:
        assert turns.rounds > 0
        return [
            Measured(
                name=name,
                sha256=models.entries[name].sha256,
                ms=ms,
                ms_one_thread=ms,
                original=is_original(models.entries[name]),
                family=is_family(models.entries[name], models),
                cosines=Cosines(least=self.least, mean=self.least),
                separates=True,
                losses={"1e-4": 0.001, "1e-5": 0.002},
            )
            for name, ms in self.ms.items()
        ]


@pytest.fixture
def bench(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Bench:
    appliance.configure(model={"name": "auto"}, camera={"source": "/nowhere"})
    return Bench(appliance, monkeypatch)


def in_use(appliance: Appliance) -> str:
    listed = appliance.json("models", "list").data["models"]
    (name,) = (item["name"] for item in listed if item["configured"])
    assert isinstance(name, str)
    return name


def embedder(appliance: Appliance) -> dict[str, str]:
    """The doctor's check."""
    checks = appliance.json("doctor").data["checks"]
    (found,) = (item for item in checks if item["name"] == "embedder")
    assert isinstance(found, dict)
    return found


def enrol_alice(appliance: Appliance) -> str:
    told = appliance.json("enroll", "--name", "alice", "--from", OBAMA, "--from", OBAMA2)
    assert told.code == 0, told
    return str(told.data["template"]["model"])


def verify(appliance: Appliance, picture: Path = OBAMA3) -> Outcome:
    return appliance.json("verify", "--name", "alice", "--from", picture)


class TestAuto:
    def test_it_means_the_fallback_until_something_was_measured(
        self, appliance: Appliance, bench: Bench
    ) -> None:
        del bench
        assert in_use(appliance) == DYNAMIC
        found = embedder(appliance)
        assert found["status"] == "warn"
        assert "no model was measured here yet" in found["detail"]
        assert "bench --models" in found["hint"]
        assert appliance.json("config", "show").data["model"]["name"] == "auto"
        assert appliance.snapshot() == {}

    def test_the_history_of_a_pick(self, appliance: Appliance, bench: Bench) -> None:
        first = bench()
        assert (first.code, first.data["chosen"], first.data["kept"]) == (0, INT8, False)
        assert in_use(appliance) == INT8
        assert embedder(appliance)["status"] == "ok"
        assert "measured here on" in embedder(appliance)["detail"]
        assert enrol_alice(appliance) == INT8
        assert verify(appliance).code == 0
        assert verify(appliance, BIDEN).code == 1
        assert appliance.json("identify", "--from", OBAMA3).data["name"] == "alice"

        # Another model is faster now, but Alice is enrolled with this one.
        bench.ms[DYNAMIC] = 1.0
        second = bench()
        assert (second.code, second.data["best"], second.data["chosen"]) == (1, DYNAMIC, INT8)
        assert (second.data["kept"], second.data["enrol_again"]) == (True, ["alice"])
        assert second.data["in_use"] == INT8
        assert verify(appliance).code == 0
        warned = embedder(appliance)
        assert warned["status"] == "warn"
        assert f"{DYNAMIC} would be picked now (1.00 ms" in warned["detail"]
        assert "--repick" in warned["hint"]

        third = bench("--repick")
        assert (third.code, third.data["chosen"]) == (0, DYNAMIC)
        assert third.data["enrol_again"] == ["alice"]
        refused = verify(appliance)
        assert (refused.code, refused.error["code"]) == (3, "other_model")
        assert "enrolled with another model or alignment: alice" in embedder(appliance)["detail"]

    def test_the_first_pick_does_not_lock_out_who_enrolled_before_it(
        self, appliance: Appliance, bench: Bench
    ) -> None:
        assert enrol_alice(appliance) == DYNAMIC
        told = bench()
        assert (told.code, told.data["best"], told.data["chosen"]) == (1, INT8, DYNAMIC)
        assert told.data["enrol_again"] == ["alice"]
        assert verify(appliance).code == 0
        shown = appliance("bench", "--models")
        assert shown.code == 1
        assert f"`auto` goes on meaning {DYNAMIC}: one person would have to be enrolled again" in (
            shown.out
        )

    @pytest.mark.parametrize(
        ("spoil", "why"),
        [
            (lambda _: "once upon a time", "cannot be read"),
            (lambda text: text.replace('"schema": 1', '"schema": 7'), "another version (7)"),
            (lambda text: text.replace('"cores": ', '"cores": 9'), "on another machine or runtime"),
        ],
    )
    def test_a_record_that_does_not_hold_is_told_and_locks_nobody_out(
        self, spoil: Any, why: str, appliance: Appliance, bench: Bench
    ) -> None:
        bench()
        path = appliance.state / "model-choice.json"
        path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
        assert in_use(appliance) == DYNAMIC
        found = embedder(appliance)
        assert found["status"] == "warn"
        assert why in found["detail"]
        bench()
        enrol_alice(appliance)
        path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
        assert in_use(appliance) == INT8
        assert "everybody is enrolled with it" in embedder(appliance)["detail"]

    def test_other_threads_than_measured_are_told(self, appliance: Appliance, bench: Bench) -> None:
        bench()
        appliance.configure(model={"name": "auto", "threads": 3}, camera={"source": "/nowhere"})
        assert in_use(appliance) == INT8
        assert "measured with threads: 1, not 3" in embedder(appliance)["detail"]

    def test_where_no_model_is_fit_none_is_picked(self, appliance: Appliance, bench: Bench) -> None:
        bench.least = 0.5
        del bench.ms[FLOAT]
        told = bench()
        assert (told.code, told.data["best"], told.data["chosen"]) == (1, None, None)
        found = embedder(appliance)
        assert found["status"] == "fail"
        assert "something else than its float32 original" in found["detail"]
        shown = appliance("bench", "--models")
        assert "No embedder is fit on this machine" in shown.out

    def test_what_cannot_be_kept_is_printed_all_the_same(
        self, appliance: Appliance, bench: Bench
    ) -> None:
        (appliance.folder / "file").touch()
        place = {"path": str(appliance.folder / "file" / "state")}
        appliance.configure(model={"name": "auto"}, store=place)
        told = bench()
        assert told.code == 3
        assert [row["name"] for row in told.data["models"]] == [FLOAT, DYNAMIC, INT8]
        assert (told.data["stored"], told.data["chosen"]) == (None, None)
        assert told.data["best"] == INT8
        assert set(told.data["error"]) == {"code", "message", "hint"}
        shown = appliance("bench", "--models")
        assert shown.code == 3
        assert INT8 in shown.out
        assert shown.err.startswith("Error: ")

    def test_a_named_model_stays_what_the_config_says(
        self, appliance: Appliance, bench: Bench
    ) -> None:
        appliance.configure(model={"name": FLOAT}, camera={"source": "/nowhere"})
        assert enrol_alice(appliance) == FLOAT
        told = bench()
        assert (told.data["configured"], told.data["in_use"]) == (FLOAT, FLOAT)
        # `auto` must not lock Alice out either, should somebody set it.
        assert (told.code, told.data["chosen"]) == (1, FLOAT)
        found = embedder(appliance)
        assert found["status"] == "ok"
        assert found["detail"].startswith(f"{FLOAT}, as the config names it")
        assert f"`auto` would pick {INT8}" in found["detail"]
        appliance.configure(model={"name": "auto"}, camera={"source": "/nowhere"})
        assert verify(appliance).code == 0

    def test_evaluate_takes_the_pick(
        self, appliance: Appliance, bench: Bench, tmp_path: Path
    ) -> None:
        bench()
        for person, picture in {"Obama": OBAMA, "Biden": BIDEN}.items():
            (folder := tmp_path / "faces" / person).mkdir(parents=True)
            (folder / f"{person}_0001.jpg").write_bytes(picture.read_bytes())
        told = appliance.json("evaluate", "lfw", tmp_path / "faces", "--workers", "1")
        assert told.data["model"] == INT8
