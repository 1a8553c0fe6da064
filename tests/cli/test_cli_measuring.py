"""`evaluate lfw` and `calibrate`: their options, caches, refusals and what they write."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli
import tomli_w

from appliance.cli import calibrate, evaluate, measuring
from appliance.errors import ModelError
from appliance.evaluation import det
from appliance.evaluation.calibrate import curves
from appliance.evaluation.embed import Embedded
from appliance.evaluation.protocols import Embeddings, gather
from appliance.vision.manifest import Calibration, load
from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance
from tests.conftest import ROOT
from tests.evaluation.test_rise import people as spoilt_people
from tests.evaluation.worlds import crowd, dataset, flat

CALIBRATE = ("calibrate", "--keep-handicaps", "--from")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Two people, four pictures."""
    for person, pictures in {"Obama": (OBAMA, OBAMA2, OBAMA3), "Biden": (BIDEN,)}.items():
        (folder := tmp_path / "faces" / person).mkdir(parents=True)
        for number, picture in enumerate(pictures, 1):
            shutil.copy(picture, folder / f"{person}_{number:04}.jpg")
    return tmp_path / "faces"


PEOPLE = crowd(people=225, pictures=8, spread=0.6)


@pytest.fixture(scope="session")
def tables() -> dict[str, dict[str, object]]:
    """The crowd's curves: fitted once for all tests."""
    return curves(gather(dataset(PEOPLE), flat(PEOPLE)))


@pytest.fixture
def town(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: dict[str, dict[str, object]]
) -> Path:
    """A crowd that is large enough to calibrate on; its pictures are embedded by nobody."""
    embedded = flat(PEOPLE)
    for person in range(225):
        (folder := tmp_path / "town" / f"person {person:03}").mkdir(parents=True)
        for number in range(8):
            (folder / f"{number}.jpg").touch()

    def embed(*_: object) -> list[Embedded]:
        return embedded

    for module in (calibrate, evaluate):
        monkeypatch.setattr(module, "embed", embed)
    monkeypatch.setattr(calibrate, "curves", lambda _data: tables)
    return tmp_path / "town"


@pytest.fixture
def models(appliance: Appliance) -> Path:
    """The shipped models in a folder of one's own, which the config names."""
    folder = appliance.folder / "models"
    shutil.copytree(ROOT / "models", folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    appliance.configure(model={"directory": str(folder)})
    return folder


# --- the cache ----------------------------------------------------------------------------


def test_a_second_run_starts_no_process_and_says_the_same(
    faces: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", "lfw", faces, "--workers", "1", "--cache", appliance.folder / "cache")
    cold = appliance.json(*words)
    assert (cold.code, cold.err) == (0, "")

    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("appliance.evaluation.workers.ProcessPoolExecutor", started)
    warm = appliance.json(*words)
    one, other = ({**it.data, "seconds": 0} for it in (cold, warm))
    assert one == other
    assert not appliance.state.exists()


def test_no_cache_leaves_nothing_and_looks_nowhere(
    town: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = appliance.folder / "home"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    told = appliance.json("evaluate", "lfw", town, "--no-cache")
    assert told.code == 0
    assert not home.exists()


def test_a_cache_that_cannot_be_is_told_and_the_figures_come(
    faces: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "embed_all", lambda *_: flat(crowd(1, 4, 0.1)))
    (appliance.folder / "cache" / "embeddings").mkdir(parents=True)
    (appliance.folder / "cache" / "embeddings").chmod(0o777)
    words = ("evaluate", "lfw", faces, "--workers", "1", "--cache", appliance.folder / "cache")
    told = appliance.json(*words)
    assert told.code == 0
    assert told.data["images"] == 4
    assert told.err.count("\n") == 1
    assert told.err.startswith("Nothing is kept for the next run")


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "lfw", ".", "--no-cache", "--cache", "x"],
        ["evaluate", "lfw", ".", "--cache", "config.yaml"],
        ["calibrate"],
        ["calibrate", "--from", ".", "--dry-run", "--output", "x.toml"],
        ["calibrate", "--from", ".", "--all", "--model", "mobilefacenet"],
    ],
)
def test_contradictions_are_wrong_usage(
    words: list[str], appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(appliance.folder)
    told = appliance(*words)
    assert told.code == 2
    assert told.sentence


# --- groups and the plot ------------------------------------------------------------------


def test_groups_beside_the_pictures_are_reported(town: Path, appliance: Appliance) -> None:
    rows = [f"person {number:03},{'a' if number % 2 else 'b'}" for number in range(224)]
    (town / "groups.csv").write_text("name,kind\n" + "\n".join(rows), encoding="utf-8")
    told = appliance.json("evaluate", "lfw", town)
    assert told.code == 0
    groups = told.data["groups"]
    assert groups["unlisted_people"] == 1
    assert {value: group["people"] for value, group in groups["columns"]["kind"].items()} == {
        "a": 112,
        "b": 112,
    }
    assert "press" not in told.data["caveat"].lower()
    shown = appliance("evaluate", "lfw", town).out
    assert "too few to state" in shown
    assert groups["caveat"] in shown
    assert told.data["caveat"] in shown


def test_without_groups_none_are_told(town: Path, appliance: Appliance) -> None:
    data = appliance.json("evaluate", "lfw", town).data
    assert "groups" not in data


def test_only_pairs_txt_makes_a_folder_one_of_press_photographs(
    town: Path, appliance: Appliance
) -> None:
    caveats = [appliance.json("evaluate", "lfw", town).data["caveat"]]
    (town / "pairs.txt").write_text("2 1\nNobody 1 2\nNobody 1 Nobody_Else 2\n", encoding="utf-8")
    caveats.append(appliance.json("evaluate", "lfw", town).data["caveat"])
    (town / "groups.csv").write_text("name,kind\nperson 000,a\n", encoding="utf-8")
    caveats.append(appliance.json("evaluate", "lfw", town).data["caveat"])
    assert [caveat.startswith("Press photographs") for caveat in caveats] == [False, True, True]


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [(224, "1 person is in no group"), (223, "2 people are in no group")],
)
def test_who_is_in_no_group_is_counted_in_plain_english(
    listed: int, sentence: str, town: Path, appliance: Appliance
) -> None:
    rows = [f"person {number:03},a" for number in range(listed)]
    (town / "groups.csv").write_text("name,kind\n" + "\n".join(rows), encoding="utf-8")
    assert sentence in appliance("evaluate", "lfw", town).out


@pytest.mark.parametrize("words", [("evaluate", "lfw"), (*CALIBRATE[:2], "--dry-run", "--from")])
def test_unreadable_files_are_counted_apart_and_named(
    words: tuple[str, ...], town: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, blurred = Embedded(None, "bad_input"), Embedded(None, "blurred")
    spoilt = [*[broken] * 12, *[blurred] * 2, *flat(PEOPLE)[14:]]
    for module in (calibrate, evaluate):
        monkeypatch.setattr(module, "embed", lambda *_: spoilt)
    told = appliance.json(*words, town)
    assert told.code == 0
    data = next(iter(told.data["models"].values())) if "models" in told.data else told.data
    assert (data["unreadable"], data["refused"], data["missed"]) == (12, 2, 0)
    assert data["unreadable_files"] == [
        *(f"person 000/{number}.jpg" for number in range(8)),
        "person 001/0.jpg",
        "person 001/1.jpg",
    ]
    assert "person 001/1.jpg, ..." in told.err
    assert "12 unreadable" in appliance(*words, town).out


def test_a_pipe_among_the_pictures_is_one_that_cannot_be_read(
    faces: Path, appliance: Appliance
) -> None:
    os.mkfifo(faces / "Biden" / "Biden_0002.jpg")
    words = ("evaluate", "lfw", faces, "--workers", "1", "--cache", appliance.folder / "cache")
    told = appliance.json(*words)
    assert told.code == 0
    assert (told.data["images"], told.data["refused"], told.data["unreadable"]) == (5, 0, 1)
    assert "Biden/Biden_0002.jpg" in told.err


def test_a_plot_that_fails_after_the_work_leaves_the_report(
    town: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="the extra [plot] is not installed")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure.Figure, "savefig", full)
    words = ("evaluate", "lfw", town, "--plot", appliance.folder / "det.png")
    told = appliance.json(*words)
    assert (told.code, told.data["plot"]) == (3, None)
    assert told.data["error"]["code"] == "plot_not_written"
    assert told.data["single"]["1e-3"]["genuine_trials"] > 0
    shown = appliance(*words)
    assert shown.code == 3
    assert "template_5_1" in shown.out
    assert "Drawn" not in shown.out
    assert "cannot be written: no space left on device" in shown.err


def test_a_calibration_that_names_nobody_is_told_to_leave_it_open(
    town: Path, models: Path, appliance: Appliance
) -> None:
    manifest = models / "manifest.toml"
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("people_hashes")]
    assert len(kept) < len(lines)
    manifest.write_text("".join(kept), encoding="utf-8")
    report = appliance.json("evaluate", "lfw", town).data
    assert (report["in_sample"], report["people_in_calibration"]) == (None, None)
    assert evaluate.OF_UNKNOWN_PEOPLE in appliance("evaluate", "lfw", town).out


@pytest.mark.parametrize("text", ["name,kind\nnobody,a\n", "who,what\n", "name,kind\nx"])
def test_bad_groups_are_told_before_the_work(
    text: str, faces: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = appliance.folder / "table.csv"
    table.write_text(text, encoding="utf-8")

    def embed(*_: object) -> list[Embedded]:
        raise AssertionError("the work began")

    monkeypatch.setattr(evaluate, "embed", embed)
    told = appliance("evaluate", "lfw", faces, "--groups", table)
    assert told.code == 3
    assert told.sentence.startswith(f"{table} is no table of groups")


def test_a_plot_is_drawn(town: Path, appliance: Appliance) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    picture = appliance.folder / "det.png"
    told = appliance.json("evaluate", "lfw", town, "--plot", picture)
    assert (told.code, told.data["plot"]) == (0, str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["det.txt", "nowhere/det.png", "faces.png"])
def test_a_plot_that_could_not_be_written_is_told_before_the_work(
    name: str, faces: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    (appliance.folder / "faces.png").mkdir()

    def embed(*_: object) -> list[Embedded]:
        raise AssertionError("the work began")

    monkeypatch.setattr(evaluate, "embed", embed)
    told = appliance("evaluate", "lfw", faces, "--plot", appliance.folder / name)
    assert told.code == 3
    assert told.sentence


def test_a_plot_without_its_library_says_how_to_get_it(
    faces: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(det, "find_spec", lambda _name: None)
    told = appliance.json("evaluate", "lfw", faces, "--plot", appliance.folder / "det.png")
    assert (told.code, told.error["code"]) == (3, "missing_library")
    assert "[plot]" in told.error["hint"]


# --- calibrate ----------------------------------------------------------------------------


def test_calibrating_writes_the_curves_and_keeps_all_else(
    town: Path, models: Path, appliance: Appliance
) -> None:
    before = load(models).entries
    told = appliance.json(*CALIBRATE, town, "--model", "mobilefacenet")
    assert told.code == 0, told
    assert (told.data["written"], told.data["people"]) == (str(models / "manifest.toml"), 225)
    curves = told.data["models"]["mobilefacenet"]["curves"]
    assert set(curves) == {"single", "template_5_1", "template_5_3"}
    for curve in curves.values():
        assert 0 < curve["supported"] <= 1e-3
        for row in curve["rates"]:
            assert row["far"] >= 0.99 * curve["supported"]
            assert row["similarity_ci"][0] <= row["similarity"] <= row["similarity_ci"][1]
            assert row["far_ci"][0] <= row["far"] <= row["far_ci"][1]
            assert row["squared_distance"] == pytest.approx(2 - 2 * row["similarity"], abs=1e-4)
            assert row["distance"] == pytest.approx(row["squared_distance"] ** 0.5, abs=1e-4)
        asked = curve["at_target"]
        assert asked["squared_distance"] == pytest.approx(2 - 2 * asked["similarity"], abs=1e-4)
    after = load(models).entries
    calibration = after["mobilefacenet"].calibration
    assert calibration is not None
    for name, told_of in calibration.curves.items():
        # By hand: beyond the last measured rate, on as its last decade goes, down to 1 in 100,000.
        far, similar = np.array(told_of.log10_far), np.array(told_of.similarity)
        a_decade = similar[-1] - np.interp(-(far[-1] + 1), -far, similar)
        beyond = similar[-1] + (far[-1] + 5) * a_decade
        wanted = beyond if far[-1] > -5 else np.interp(5, -far, similar)
        assert curves[name]["at_target"]["similarity"] == pytest.approx(wanted, abs=1e-4)
    assert after["mobilefacenet"].calibration != before["mobilefacenet"].calibration
    assert {name: entry for name, entry in after.items() if name != "mobilefacenet"} == {
        name: entry for name, entry in before.items() if name != "mobilefacenet"
    }
    # The report knows whom the curves are from, and the same data give the same bytes.
    report = appliance.json("evaluate", "lfw", town, "--model", "mobilefacenet").data
    assert (report["in_sample"], report["people_in_calibration"]) == (True, 225)
    content = (models / "manifest.toml").read_bytes()
    shown = appliance(*CALIBRATE, town, "--model", "mobilefacenet")
    assert (models / "manifest.toml").read_bytes() == content
    assert "comparisons of strangers support rates down to" in shown.out
    assert "asks for a similarity of" in shown.out


def test_of_people_who_are_half_known_the_report_says_how_many(
    town: Path, models: Path, appliance: Appliance
) -> None:
    assert appliance.json(*CALIBRATE, town, "--model", "mobilefacenet").code == 0
    for number in range(120):
        (town / f"person {number:03}").rename(town / f"stranger {number:03}")
    report = appliance.json("evaluate", "lfw", town, "--model", "mobilefacenet").data
    assert (report["people_in_calibration"], report["in_sample"]) == (105, False)


def test_a_dry_run_and_another_file_leave_the_manifest_alone(
    town: Path, models: Path, appliance: Appliance
) -> None:
    content = (models / "manifest.toml").read_bytes()
    dry = appliance.json(*CALIBRATE, town, "--dry-run")
    assert (dry.code, dry.data["written"]) == (0, None)
    assert list(dry.data["models"]) == ["mobilefacenet_dynamic"]
    other = models / "other.toml"
    told = appliance.json(*CALIBRATE, town, "--output", other, "--describe", "my town")
    assert (told.code, told.data["written"]) == (0, str(other))
    assert (models / "manifest.toml").read_bytes() == content
    other.rename(models / "manifest.toml")
    calibration = load(models).entry("mobilefacenet_dynamic").calibration
    assert calibration is not None
    assert calibration.data == "my town"


def test_handicaps_are_measured_first_and_the_curves_belong_to_them(
    town: Path,
    models: Path,
    appliance: Appliance,
    monkeypatch: pytest.MonkeyPatch,
    tables: dict[str, dict[str, object]],
) -> None:
    fitted: list[Embeddings] = []

    def remembered(data: Embeddings) -> dict[str, dict[str, object]]:
        fitted.append(data)
        return tables

    monkeypatch.setattr(calibrate, "curves", remembered)
    monkeypatch.setattr(calibrate, "spoil", lambda *_: spoilt_people())
    told = appliance.json("calibrate", "--from", town)
    assert told.code == 0, told
    pays = told.data["models"]["mobilefacenet_dynamic"]["handicaps"]
    calibration = load(models).entry("mobilefacenet_dynamic").calibration
    assert calibration is not None
    kept = calibration.handicaps
    assert {name: list(it.similarity) for name, it in kept.items()} == {
        name: it["similarity"] for name, it in pays.items()
    }
    # Nobody measured the quality of this town's pictures, so each pays the most there is.
    most = max(it["similarity"][-1] for it in pays.values())
    assert most > 0.01
    assert fitted[0].handicap.tolist() == pytest.approx([most] * len(fitted[0].person))


def test_that_there_are_no_handicaps_to_keep_is_told(
    town: Path, models: Path, appliance: Appliance
) -> None:
    manifest = models / "manifest.toml"
    content = tomli.loads(manifest.read_text(encoding="utf-8"))
    del content["models"]["mobilefacenet_dynamic"]["calibration"]["handicaps"]
    manifest.write_text(tomli_w.dumps(content), encoding="utf-8")
    told = appliance(*CALIBRATE, town, "--dry-run")
    assert told.code == 0
    assert f"mobilefacenet_dynamic has no handicaps to keep: {calibrate.NOBODY_PAYS}" in told.err
    assert "no handicaps" not in appliance(*CALIBRATE, town, *TWO, "--dry-run").err


TWO = ("--model", "mobilefacenet", "--model", "mobilefacenet_int8")


def calibrated(folder: Path, name: str) -> Calibration:
    calibration = load(folder).entry(name).calibration
    assert calibration is not None
    return calibration


def test_a_model_that_is_done_is_kept_though_the_next_one_fails(
    town: Path,
    models: Path,
    appliance: Appliance,
    monkeypatch: pytest.MonkeyPatch,
    tables: dict[str, dict[str, object]],
) -> None:
    before = calibrated(models, "mobilefacenet_int8")
    turns = iter([tables])

    def fitted(_data: object) -> dict[str, dict[str, object]]:
        try:
            return next(turns)
        except StopIteration:
            raise ModelError("The network broke.", code="bad_model") from None

    monkeypatch.setattr(calibrate, "curves", fitted)
    told = appliance.json(*CALIBRATE, town, *TWO, "--describe", "my town")
    assert (told.code, told.data["error"]["code"]) == (3, "bad_model")
    assert list(told.data["models"]) == ["mobilefacenet"]
    assert told.data["written"] == str(models / "manifest.toml")
    assert calibrated(models, "mobilefacenet").data == "my town"
    assert calibrated(models, "mobilefacenet_int8") == before


def test_what_cannot_be_written_is_told_nonetheless(
    town: Path, models: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (models / "manifest.toml").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.evaluation.manifest_file.os.fsync", full)
    told = appliance.json(*CALIBRATE, town, *TWO)
    assert (told.code, told.data["error"]["code"]) == (3, "manifest_not_written")
    assert (told.data["written"], told.data["not_written"]) == (None, list(TWO[1::2]))
    assert all(told.data["models"][name]["curves"]["single"]["rates"] for name in TWO[1::2])
    shown = appliance(*CALIBRATE, town, *TWO)
    assert shown.code == 3
    assert shown.out.count("template_5_1: ") == 4  # what it supports, and what the target asks for
    assert shown.err.startswith("Error: ")
    assert "no space left on device" in shown.err
    assert (models / "manifest.toml").read_bytes() == content


def test_a_calibration_that_no_door_could_use_is_not_written(
    town: Path,
    models: Path,
    appliance: Appliance,
    monkeypatch: pytest.MonkeyPatch,
    tables: dict[str, dict[str, object]],
) -> None:
    content = (models / "manifest.toml").read_bytes()
    falling = tables["single"] | {"similarity": [0.2, 0.1], "log10_far": [-1.0, -2.0]}
    monkeypatch.setattr(calibrate, "curves", lambda _data: {**tables, "single": falling})
    told = appliance.json(*CALIBRATE, town)
    assert (told.code, told.data["error"]["code"]) == (3, "bad_calibration")
    assert "similarity must not fall" in told.data["error"]["message"]
    assert told.data["models"]
    assert (models / "manifest.toml").read_bytes() == content


def test_another_manifest_is_written_into_and_not_over(
    town: Path, models: Path, appliance: Appliance
) -> None:
    other = models.parent / "other"
    other.mkdir()
    target = other / "manifest.toml"
    assert appliance.json(*CALIBRATE, town, "--output", target, *TWO[:2]).code == 0
    # A second model joins the first one, and what is in use has no say in it.
    words = ("--output", target, *TWO[2:], "--describe", "a second town")
    assert appliance.json(*CALIBRATE, town, *words).code == 0
    found = {name: calibrated(other, name) for name in TWO[1::2]}
    assert found["mobilefacenet_int8"].data == "a second town"
    assert found["mobilefacenet"].people_sha256 == found["mobilefacenet_int8"].people_sha256
    assert found["mobilefacenet"] != calibrated(models, "mobilefacenet")


def test_a_manifest_of_other_networks_is_refused_before_the_work(
    faces: Path, models: Path, appliance: Appliance
) -> None:
    target = models.parent / "other.toml"
    text = (models / "manifest.toml").read_text(encoding="utf-8")
    sha256 = load(models).entry("mobilefacenet").sha256
    target.write_text(text.replace(sha256, "0" * 64), encoding="utf-8")
    words = ("--model", "mobilefacenet", "--output", target)
    told = appliance("calibrate", "--from", faces, *words)
    assert told.code == 3
    assert "holds no mobilefacenet of the network in use" in told.sentence


def test_protocols_that_were_left_out_and_who_is_enrolled_are_told(
    town: Path, models: Path, appliance: Appliance
) -> None:
    told = appliance.json(*CALIBRATE, town, "--model", "mobilefacenet").data["models"]
    assert told["mobilefacenet"]["left_out"] == ["template_10_1", "template_10_3"]
    curves = told["mobilefacenet"]["curves"].values()
    assert [curve["people_enrolled"] for curve in curves] == [225] * 3
    assert "people_enrolled = 225" in (models / "manifest.toml").read_text(encoding="utf-8")
    shown = appliance(*CALIBRATE, town, "--dry-run").out
    assert "template_10_1, template_10_3: left out." in shown
    assert "templates of more than five pictures get the thresholds of five" in shown
    assert "(225 people enrolled)" in shown


def test_what_few_pictures_cannot_support_is_refused(
    faces: Path, models: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "embed", lambda *_: flat(crowd(1, 4, 0.1)))
    content = (models / "manifest.toml").read_bytes()
    told = appliance.json("calibrate", "--from", faces)
    assert (told.code, told.error["code"]) == (3, "too_few_trials")
    assert "388 people with 1 good picture each" in told.error["hint"]
    assert (models / "manifest.toml").read_bytes() == content


@pytest.mark.parametrize("option", [[], ["--output"]])
def test_a_manifest_that_is_read_only_is_told_before_the_work(
    option: list[str], faces: Path, models: Path, appliance: Appliance
) -> None:
    path = models / "manifest.toml"
    path.chmod(0o444)
    words = [*option, str(path)] if option else []
    told = appliance("calibrate", "--from", faces, *words)
    assert told.code == 3
    assert told.sentence == f"The manifest {path} cannot be written: it is read-only."


@pytest.mark.parametrize("model", ["facenet", "face_mesh"])
def test_an_unknown_model_is_told(
    model: str, faces: Path, models: Path, appliance: Appliance
) -> None:
    told = appliance("calibrate", "--from", faces, "--model", "mobilefacenet", "--model", model)
    assert told.code == 3
    assert f"no embedder called {model!r}" in told.sentence


def test_a_changed_model_file_is_not_calibrated(
    faces: Path, models: Path, appliance: Appliance
) -> None:
    file = models / load(models).entry("mobilefacenet").file
    file.write_bytes(file.read_bytes() + b"x")
    told = appliance.json("calibrate", "--from", faces, "--model", "mobilefacenet")
    assert (told.code, told.error["code"]) == (3, "changed_model")


def test_all_takes_every_embedder_and_says_which_it_leaves_out(
    town: Path, models: Path, appliance: Appliance
) -> None:
    embedders = {it.name: it for it in load(models).entries.values() if it.role == "embedder"}
    broken = models / embedders["openface"].file
    broken.write_bytes(b"no model")
    told = appliance.json(*CALIBRATE, town, "--all")
    assert told.code == 0
    left_out = {name for name, it in embedders.items() if it.file == broken.name}
    missing = {name for name, it in embedders.items() if it.alignment.points_sha256}
    assert set(told.data["models"]) == set(embedders) - left_out - missing
    for name in left_out | missing:
        assert f"{name} is left out: " in told.err


def test_a_target_below_what_is_supported_is_told(
    town: Path, models: Path, appliance: Appliance, tables: dict[str, dict[str, object]]
) -> None:
    assert max(float(str(table["supported"])) for table in tables.values()) > 1.1e-6
    appliance.configure(model={"directory": str(models)}, verification={"target_far": 1e-6})
    shown = appliance(*CALIBRATE, town, "--dry-run").out
    assert "verification.target_far is 1e-06: lower than that" in shown


@pytest.mark.parametrize(("target", "warned"), [(1e-5, True), (1e-3, False)])
def test_a_target_that_no_calibration_vouches_for_is_warned_of(
    target: float, models: Path, appliance: Appliance, *, warned: bool
) -> None:
    manifest = models / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    curve = "[models.mobilefacenet_dynamic.calibration.curves.single]\n"
    assert curve in text
    lines = [line for line in text.split(curve)[1].splitlines() if line.startswith("supported")]
    rest = text.split(curve)[1].replace(f"{lines[0]}\n", "", 1) if lines else text.split(curve)[1]
    manifest.write_text(f"{text.split(curve)[0]}{curve}supported = 1e-4\n{rest}", encoding="utf-8")
    appliance.configure(
        model={"directory": str(models), "name": "mobilefacenet_dynamic"},
        verification={"target_far": target},
        camera={"source": str(appliance.folder / "none")},
    )
    checked = appliance("config", "check")
    assert checked.code == 0
    assert ("vouches for 0.0001 at best" in checked.err) is warned
    checks = {item["name"]: item for item in appliance.json("doctor").data["checks"]}
    assert checks["models"]["status"] == ("warn" if warned else "ok")
