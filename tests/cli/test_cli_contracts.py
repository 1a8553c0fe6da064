"""What scripts rely on: keys, exit codes, and a standard output that is one JSON object."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import appliance as package
from appliance.cli.main import cli
from appliance.demo.story import PORTRAITS
from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every group and command, as it is typed."""
    yield words
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


ALL = list(commands(cli))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_shows_an_example(words: tuple[str, ...], appliance: Appliance) -> None:
    shown = appliance(*words, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert "Example:" in shown.out
    assert f"appliance {' '.join(words)}".strip() in shown.out


def test_the_walk_finds_the_commands() -> None:
    assert len(ALL) > 20
    assert ("people", "remove") in ALL


@pytest.mark.parametrize("words", [w for w in ALL if w and w[-1] not in {
    "people", "door", "audit", "backup", "models", "config", "evaluate", "classifier", "dataset",
    "train"
}], ids=" ".join)  # fmt: skip
def test_json_is_taken_after_every_command(words: tuple[str, ...], appliance: Appliance) -> None:
    told = appliance(*words, "--json", "--no-such-option")
    assert told.code == 2
    assert told.error["code"] == "usage"
    assert "--no-such-option" in told.error["message"]
    assert f"appliance {' '.join(words)} --help" in told.error["hint"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["enroll"], "Missing option '--name'."),
        (["verify", "--from", "x.jpg"], "Missing option '--name'."),
        (["people", "show"], "Missing argument 'NAME'."),
        (["open-sesame"], "No such command 'open-sesame'."),
        (["audit", "tail", "-n", "0"], "Invalid value for '-n' / '--count': 0 is not in the"),
        (["audit", "tail", "-n", "many"], "Invalid value for '-n' / '--count': 'many' is not a"),
        (["verify", "--name", "alice", "--from", ""], "the path is empty"),
        (["people", "list", "too", "much"], "Got unexpected extra arguments (too much)"),
        (["evaluate", "lfw"], "Missing argument 'FOLDER'."),
        (["demo", "--out", str(OBAMA)], "is a file"),
    ],
)
def test_wrong_usage(words: list[str], message: str, appliance: Appliance) -> None:
    told = appliance.json(*words)
    assert told.code == 2
    assert told.error["code"] == "usage"
    assert message in told.error["message"]
    assert "--help` shows how it is used." in told.error["hint"]
    plain = appliance(*words)
    assert (plain.code, plain.out) == (2, "")
    assert message in plain.err


def test_no_command_at_all_is_answered_with_the_help(appliance: Appliance) -> None:
    told = appliance("people")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("Usage: appliance people")


def test_version(appliance: Appliance) -> None:
    assert appliance("--version").out == f"appliance, version {package.__version__}\n"


def test_enroll_people_and_remove(appliance: Appliance) -> None:
    enrolled = appliance("enroll", "--name", "Zoë", "--from", OBAMA, "--from", OBAMA2, "--json")
    assert enrolled.code == 0
    assert enrolled.data["name"] == "Zoë"
    assert enrolled.data["frames_used"] == 2
    assert enrolled.data["frames_rejected"] == []
    assert set(enrolled.data["template"]) == {"model", "fingerprint", "count"}

    listed = appliance("people", "list", "--json")
    assert listed.code == 0
    (person,) = listed.data["people"]
    told = {"name", "model", "fingerprint", "count", "created", "updated", "access", "keeper"}
    assert set(person) == told
    shown = appliance("people", "show", "zoë", "--json")
    assert shown.code == 0
    assert shown.data["count"] == 2
    assert 0 < shown.data["similarity_to_mean"]["least"] <= 1
    assert appliance("people", "show", "Zoë").out.startswith("name: Zoë\n")
    assert appliance.json("people", "remove", "Zoë").data == {"removed": "Zoë"}
    assert appliance.json("people", "list").data == {"people": []}
    assert "Begin with" in appliance("people", "list").out

    tail = appliance.json("audit", "tail")
    assert [record["event"] for record in tail.data["records"]] == ["enrolled", "removed"]
    assert set(tail.data["records"][0]) == {"number", "at", "event", "subject", "detail"}
    verified = appliance.json("audit", "verify").data
    assert (verified["ok"], verified["first_bad"], verified["why"]) == (True, None, None)
    assert "enrolled" in appliance("audit", "tail", "-n", "2").out


def test_frames_that_are_left_out_are_listed(appliance: Appliance) -> None:
    (album := appliance.folder / "album").mkdir()
    for portrait in PORTRAITS:
        shutil.copy(portrait, album)
    told = appliance.json("enroll", "--name", "alice", "--from", OBAMA, "--from", album)
    assert told.data["frames_used"] == 3
    reasons = {Path(it["source"]).name: it["reason"] for it in told.data["frames_rejected"]}
    assert reasons == {"obama.jpg": "duplicate", "biden.jpg": "another_face"}


def test_two_people_do_not_become_one_template(appliance: Appliance) -> None:
    told = appliance("enroll", "--name", "alice", "--from", OBAMA, "--from", BIDEN)
    assert told.code == 3
    assert told.sentence == "The 2 usable pictures do not show one and the same person."
    assert appliance.json("people", "list").data == {"people": []}


def test_one_picture_enrols_with_a_warning(appliance: Appliance) -> None:
    appliance.configure(enrolment={"min_frames_for_door": 5})
    enrolled = appliance.json("enroll", "--name", "alice", "--from", OBAMA)
    assert enrolled.data["frames_used"] == 1
    assert enrolled.err == (
        "Warning: only one picture could be used. A template of 5 or more errs far less, and a "
        "door asks for it (enrolment.min_frames_for_door).\n"
    )


def test_verify(enrolled: Appliance) -> None:
    told = enrolled("verify", "--name", "alice", "--from", OBAMA3, "--json")
    assert told.code == 0
    assert told.err == ""
    assert {
        "name",
        "decision",
        "similarity",
        "threshold",
        "handicap",
        "target_far",
        "frames_used",
        "liveness",
        "timings_ms",
    } <= set(told.data)
    assert told.data["target_far"] == 1e-5
    assert {"detect", "embed", "total"} <= set(told.data["timings_ms"])
    assert all(value >= 0 for value in told.data["timings_ms"].values())


def test_identify(enrolled: Appliance) -> None:
    told = enrolled("identify", "--from", OBAMA3, "--json")
    assert told.code == 0
    assert told.data["decision"] == "accept"
    assert told.data["name"] == "alice"
    assert [item["name"] for item in told.data["candidates"]] == ["alice"]
    similarity = told.data["candidates"][0]["similarity"]
    assert told.data["distances"]["candidates"][0] == {
        "distance": pytest.approx((2 - 2 * similarity) ** 0.5, abs=1e-4),
        "squared_distance": pytest.approx(2 - 2 * similarity, abs=1e-4),
    }
    assert told.data["distances"]["threshold"]["squared_distance"] == pytest.approx(
        2 - 2 * told.data["threshold"], abs=1e-4
    )
    other = enrolled.json("identify", "--from", BIDEN)
    assert other.code == 1
    assert (other.data["decision"], other.data["name"]) == ("reject", None)


def test_identify_where_nobody_is_enrolled(appliance: Appliance) -> None:
    told = appliance.json("identify", "--from", OBAMA)
    assert told.code == 1
    assert (told.data["name"], told.data["candidates"]) == (None, [])
    assert not appliance.state.exists()


def test_models(appliance: Appliance) -> None:
    listed = appliance("models", "list", "--json")
    assert listed.code == 0
    models = {item["name"]: item for item in listed.data["models"]}
    assert [name for name, item in models.items() if item["configured"]] == [
        "mobilefacenet_dynamic"
    ]
    assert {"role", "file", "bytes", "sha256", "licence", "source"} <= set(models["face_mesh"])
    checked = appliance("models", "verify", "--json")
    assert (checked.code, checked.data["ok"]) == (0, True)
    assert {item["name"] for item in checked.data["models"]} == set(models)
    # A pipe has no width: names must not be cut off.
    table = appliance("models", "list").out
    assert all(name in table for name in models)
    twins = [item["twin"] for item in models.values() if item["twin"]]
    assert appliance("models", "verify").out.count("ok") == len(models) + len(twins)


def test_config(appliance: Appliance) -> None:
    checked = appliance("config", "check", "--json")
    assert (checked.code, checked.data) == (0, {"ok": True, "file": str(appliance.config)})
    shown = appliance("config", "show", "--json")
    assert shown.code == 0
    assert shown.data["door"]["driver"] == "simulated"
    assert shown.data["verification"]["target_far"] == 1e-5
    appliance.configure(mqtt={"password": "hunter2"})
    assert "hunter2" not in appliance("config", "show").out
    assert "hunter2" not in appliance.json("config", "show").out


def test_doctor(enrolled: Appliance) -> None:
    enrolled.configure(camera={"source": str(enrolled.folder / "video9")})
    told = enrolled("doctor", "--json")
    assert told.code == 1
    checks = {item["name"]: item for item in told.data["checks"]}
    assert set(checks) == {
        "runtime", "models", "embedder", "liveness", "camera", "door", "store", "clock", "disk",
        "schedules", "lamps", "greeting", "instructions", "contacts", "readers", "claims",
        "service", "infrared",
        "power", "heat", "files", "card", "memory", "watchdog", "terminals", "usb", "updates",
        "userland", "ssh", "processor",
    }  # fmt: skip
    for item in checks.values():
        assert item["status"] in {"ok", "warn", "fail"}
        assert item["detail"]
        assert (item["hint"] == "") is (item["status"] == "ok")
    assert checks["models"]["status"] == "ok"
    assert checks["camera"]["status"] == "fail"
    assert checks["store"]["detail"] == "1 enrolled, audit chain whole"
    assert "video9 does not exist" in enrolled("doctor").out


def test_door(appliance: Appliance) -> None:
    tested = appliance("door", "test", "--json")
    assert tested.code == 0
    assert (tested.data["done"], tested.data["simulated"]) == (True, True)
    assert [event["state"] for event in tested.data["history"]] == [
        "locked",
        "locked",
        "unlocked",
        "locked",
    ]
    status = appliance("door", "status", "--json")
    assert status.code == 0
    assert status.data["state"] == "locked"
    assert {"simulated", "driver", "chip", "pin", "contact", "request_to_exit"} <= set(status.data)
    assert appliance("door", "status").out.startswith("locked, without current (simulated lock")


def test_evaluate(appliance: Appliance, tmp_path: Path) -> None:
    for person, pictures in {"Obama": (OBAMA, OBAMA2, OBAMA3), "Biden": (BIDEN,)}.items():
        (folder := tmp_path / "faces" / person).mkdir(parents=True)
        for number, picture in enumerate(pictures, 1):
            shutil.copy(picture, folder / f"{person}_{number:04}.jpg")
    told = appliance("evaluate", "lfw", tmp_path / "faces", "--workers", "1", "--json")
    assert told.code == 0, told
    assert (told.data["images"], told.data["people"]) == (4, 2)
    assert (told.data["missed"], told.data["refused"]) == (0, 0)
    assert set(told.data["single"]) == {"1e-3", "1e-4", "1e-5"}
    for row in told.data["single"].values():
        assert {"threshold", "far", "frr", "far_ci", "frr_ci"} <= set(row)
        assert (row["far"], row["frr"]) == (0, 0)
    assert "template_5_1" in told.data


@pytest.mark.parametrize("folder", ["nowhere", "config.yaml", "state"])
def test_evaluate_without_pictures(folder: str, appliance: Appliance) -> None:
    appliance.state.mkdir()
    told = appliance("evaluate", "lfw", appliance.folder / folder, "--workers", "1")
    assert told.code == 3
    assert folder in told.sentence


def test_evaluate_with_an_unknown_model(appliance: Appliance) -> None:
    told = appliance("evaluate", "lfw", appliance.folder, "--model", "facenet")
    assert told.code == 3
    assert "'facenet'" in told.sentence
