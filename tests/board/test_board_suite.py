"""The default tests on ARM64: what is run, and what is made of what it says."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from appliance.errors import InputError
from tests.board import __main__ as board
from tests.board import embeddings, emulated, suite
from tests.board.emulated import CHECKOUT, PROCESSORS, RESULTS, Emulated
from tests.board.scenes import suite as scene
from tests.board.suite import Outcome, Slice

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one" time="1"/>
<testcase classname="tests.test_a" name="test_two"><failure message="no">why</failure></testcase>
<testcase classname="tests.test_a" name="test_three"><error message="no">why</error></testcase>
<testcase classname="tests.test_a" name="test_four"><skipped message="no data"/></testcase>
<testcase classname="tests.test_a" name="test_five"><skipped message="no data"/></testcase>
</testsuite></testsuites>"""
CUT_SHORT = """
[gw0] [ 25%] PASSED tests/test_a.py::test_one
tests/test_a.py::test_two FAILED                                         [ 50%]
tests/test_a.py::test_three SKIPPED (no data)                            [ 75%]
[gw1] [ 75%] PASSED tests/test_a.py::test_four[a b]
tests/test_a.py::test_five[c d] PASSED                                   [ 80%]
tests/test_a.py::test_five[c e] PASSED                                   [ 85%]
tests/test_a.py::test_six
"""


def outcome(
    *,
    passed: int = 3,
    failed: tuple[str, ...] = (),
    skipped: int = 0,
    finished: bool = True,
    idle: bool = False,
) -> Outcome:
    reasons = {"no data": skipped} if skipped else {}
    return Outcome(
        "vision", passed, failed, reasons, 1.0, finished, "cortex-a76", "0" * 40, idle=idle
    )


def test_every_test_file_is_in_exactly_one_slice(tmp_path: Path) -> None:
    names = [f"test_{number}.py" for number in range(suite.HANDFUL + 1)]
    for name in [*names, "vision/test_mesh.py", "vision/test_warp.py", "faces/helper.py"]:
        path = tmp_path / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    first, second, vision = suite.slices(tmp_path)
    assert vision == Slice("vision", ("tests/vision",))
    assert sorted([*first.paths, *second.paths]) == sorted(f"tests/{name}" for name in names)


def test_the_report_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    passed, failed, skipped = suite._reported(path)
    assert passed == 1
    assert failed == ("tests.test_a.test_three", "tests.test_a.test_two")
    assert skipped == {"no data": 2}


def test_a_run_that_was_cut_short_still_tells_what_it_did() -> None:
    passed, failed, skipped = suite._told(CUT_SHORT)
    assert passed == 4
    assert failed == ("tests/test_a.py::test_two",)
    assert sum(skipped.values()) == 1


@pytest.mark.parametrize(
    ("found", "verdict", "good"),
    [
        (outcome(skipped=2), "ok", True),
        (outcome(passed=0, idle=True), "no default test", True),
        (outcome(passed=0, skipped=2), "nothing passed", False),
        (outcome(passed=0), "nothing passed", False),
        (outcome(failed=("it",)), "failed", False),
        (outcome(failed=("it",), finished=False), "cut short", False),
        (outcome(finished=False), "cut short", False),
    ],
)
def test_only_what_ran_whole_without_a_failure_and_with_something_passed_is_good(
    found: Outcome, verdict: str, *, good: bool
) -> None:
    assert (found.verdict, found.ok) == (verdict, good)


class Pretended(Emulated):
    """Ends as it was told to, with what pytest would have written."""

    code = 0

    def run(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        del words, environment
        log.with_suffix(".xml").write_text(REPORT if self.code == 1 else "<testsuites/>")
        log.write_text("")
        return self.code


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, "nothing passed"), (1, "failed"), (5, "no default test"), (124, "cut short")],
)
def test_a_slice_is_judged_by_how_pytest_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, verdict: str
) -> None:
    monkeypatch.setattr(Pretended, "code", code)
    way = suite.Way(Pretended(tmp_path, tmp_path), "0" * 40, 0, 1.0, 60.0)
    assert suite.run_slice(way, Slice("vision", ("tests/vision",))).verdict == verdict


def of(commit: str, name: str, **how: Any) -> Outcome:
    return replace(outcome(**how), name=name, commit=commit * 40)


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """The whole program, on a system that is there and only pretends to run tests."""
    for name in ("vision", "store"):
        path = tmp_path / "root" / CHECKOUT.lstrip("/") / "tests" / name / "test_it.py"
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setattr(suite, "PROJECT", tmp_path / "root" / CHECKOUT.lstrip("/"))
    monkeypatch.setattr(suite, "run", lambda _words, **_kw: "b" * 40 + "\n")
    monkeypatch.setattr(suite, "build", lambda *_: None)
    monkeypatch.setattr(suite, "install", lambda *_: None)
    monkeypatch.setattr(suite, "run_slice", lambda way, part: of(way.commit[0], part.name))
    monkeypatch.setattr(suite, "run_embeddings", lambda way: of(way.commit[0], "embeddings"))

    def called(*words: str) -> tuple[int, str]:
        console = Console(width=120, record=True, file=io.StringIO())
        places = ["--out", str(tmp_path / "out"), "--root", str(tmp_path / "root")]
        code = suite.main([*places, *words], console)
        return code, console.export_text()

    (tmp_path / "out").mkdir()
    return called


def test_what_another_commit_gave_is_run_again(
    tmp_path: Path, main: Callable[..., tuple[int, str]]
) -> None:
    suite._keep(tmp_path / "out", of("a", "store", failed=("it",)))
    code, told = main()
    assert code == 0
    assert "not one run" not in told
    assert {item.commit for item in suite.outcomes(tmp_path / "out")} == {"b" * 40}


def test_two_commits_are_never_told_as_one_run(
    tmp_path: Path, main: Callable[..., tuple[int, str]]
) -> None:
    suite._keep(tmp_path / "out", of("a", "store"))
    code, told = main("--keep-earlier")
    assert code == 1
    assert "all, not one run" in told
    assert (
        "not one run, but slices of: bbbbbbb on cortex-a76 (2), aaaaaaa on cortex-a76 (1)" in told
    )
    assert not scene.judge(tmp_path / "out")[-1].ok


def test_what_was_not_asked_for_is_told_as_missing(main: Callable[..., tuple[int, str]]) -> None:
    code, told = main("--slice", "store")
    assert code == 0
    assert "did not run: embeddings, vision" in told
    assert main()[0] == 0


def test_slices_run_once_and_in_the_order_that_is_asked_for(
    main: Callable[..., tuple[int, str]],
) -> None:
    order = "vision", "embeddings", "store", "vision"
    _, told = main(*(word for name in order for word in ("--slice", name)))
    began = [line.split()[1] for line in told.splitlines() if re.fullmatch(r"[\d:]{8} \w+", line)]
    assert began == ["vision", "embeddings", "store"]


def test_the_table_tells_what_failed_what_was_skipped_and_what_did_not_run() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    broken = outcome(failed=("tests.vision.test_mesh.test_it",), skipped=2)
    suite.show([broken], ["models"], console)
    told = console.export_text()
    assert "failed: vision: tests.vision.test_mesh.test_it" in told
    assert "skipped 2: no data" in told
    assert "did not run: models" in told


def test_an_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = outcome(failed=("it",), skipped=2, finished=False)
    suite._keep(tmp_path, kept)
    assert suite.outcomes(tmp_path) == [kept]


def test_an_emulated_program_sees_a_boards_processor_and_cannot_write_the_data(
    tmp_path: Path,
) -> None:
    system = Emulated(tmp_path / "root", tmp_path, Path("/data of mine"), "cortex-a72")
    script = system.command(["python", "-c", "print('a b')"], {"FACTOR": "20"})[-1]
    assert f"mount --bind {tmp_path}/cpuinfo-cortex-a72 {tmp_path}/root/proc/cpuinfo" in script
    assert "mount --bind -o ro '/data of mine'" in script
    assert f"{tmp_path}/root{RESULTS}" in script
    assert "QEMU_CPU=cortex-a72" in script
    assert "FACTOR=20" in script
    told = (tmp_path / "cpuinfo-cortex-a72").read_text()
    assert "CPU part\t: 0xd08\n" in told
    assert "asimd" in told
    assert "asimddp" in PROCESSORS["cortex-a76"].cpuinfo(1)


def test_what_is_emulated_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    command = Emulated(tmp_path / "root", tmp_path).command(["python"], {})
    assert command[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert "--kill-child" in command[: command.index("sh")]


def test_pip_is_asked_again_only_where_a_requirement_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = Pretended(tmp_path / "root", tmp_path)
    (tmp_path / "root" / "etc" / "ssl" / "certs").mkdir(parents=True)
    monkeypatch.setattr(emulated, "run", lambda *_, **__: "")
    system.checkout.mkdir(parents=True)
    project = system.checkout / "pyproject.toml"
    said: list[str] = []

    def installed(dependencies: str, version: str) -> int:
        project.write_text(
            "[build-system]\nrequires = ['hatchling']\n[project]\n"
            f"version = '{version}'\ndependencies = {dependencies}\n"
        )
        said.clear()
        emulated.install(system, tmp_path, "0" * 40, said.append)
        return len(said)

    assert installed("['numpy']", "1")
    assert not installed("['numpy']", "2")
    assert installed("['numpy>=2']", "2")


def test_hours_are_spent_only_where_the_scene_is_named() -> None:
    known = board.all_scenes()
    assert "suite" in known
    assert board.usual(known) == [name for name in known if name != "suite"]


def seen() -> embeddings.Values:
    vector = np.zeros(192, np.float32)
    vector[0] = 1
    return {
        "pixels": np.zeros((4, 4, 3), np.uint8),
        "hog": np.array([[1.0, 2.0, 3.0, 4.0, 0.5]]),
        "mesh": np.zeros((468, 3), np.float32),
        "crop five_point_112": np.zeros((112, 112, 3), np.uint8),
        "liveness": np.array(0.9),
        "embedding mobilefacenet": vector,
        "embedding mobilefacenet_int8": vector,
    }


def differences(ours: embeddings.Values, way: str) -> dict[str, embeddings.Compared]:
    rows = embeddings.compared(way, "face.jpg", ours, seen())
    return {row.stage: row for row in rows}


def test_the_same_is_no_difference() -> None:
    whole = differences(seen(), embeddings.WHOLE_WAY)
    assert whole.keys() == seen().keys()
    assert all(row.ok and row.largest == 0 for row in whole.values())
    assert "pixels" not in differences(seen(), embeddings.SAME_INPUT)


def test_two_boxes_instead_of_one_differ_endlessly() -> None:
    ours = seen() | {"hog": np.zeros((2, 5))}
    assert not differences(ours, embeddings.SAME_INPUT)["hog"].ok


def test_a_stage_that_is_missing_differs_endlessly() -> None:
    ours = seen()
    del ours["liveness"]
    assert not differences(ours, embeddings.WHOLE_WAY)["liveness"].ok


@pytest.mark.parametrize("stage", ["embedding mobilefacenet", "embedding mobilefacenet_int8"])
@pytest.mark.parametrize("way", [embeddings.SAME_INPUT, embeddings.WHOLE_WAY])
def test_a_vector_may_turn_by_its_limit_and_no_farther(stage: str, way: str) -> None:
    limit = differences(seen(), way)[stage].limit

    def turned(by: float) -> embeddings.Compared:
        vector = seen()[stage].astype(np.float64)
        vector[:2] = np.cos(by), np.sin(by)
        return differences(seen() | {stage: vector}, way)[stage]

    assert turned(0.9 * limit).ok
    assert not turned(1.1 * limit).ok
    assert turned(1.1 * limit).largest == pytest.approx(1.1 * limit, rel=1e-3)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "record.npz"
    embeddings.write(path, {f"face.jpg/{stage}": value for stage, value in seen().items()})
    kept = embeddings.read(path)
    assert kept.keys() == {f"face.jpg/{stage}" for stage in seen()}
    assert np.array_equal(kept["face.jpg/hog"], seen()["hog"])


def test_what_is_no_record_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "record.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="no record of embeddings"):
        embeddings.read(path)
