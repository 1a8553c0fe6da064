"""What is broken on the board, and what is made of the rows that are red then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Config
from tests.board import sabotage
from tests.board.__main__ import all_scenes, usual
from tests.board.sabotage import ALL, Sabotage, batches, outcome, table
from tests.board.scenes import boot, clock, inputs, power, torn, unlock, upgrade
from tests.board.table import Result, Row
from tests.board.test_board_embeddings_scene import judged as embeddings_judged
from tests.board.test_board_scenes import booted, visited
from tests.board.test_hard_scenes import Faults, clock_logs, inputs_logs, power_folder, torn_folder
from tests.board.test_upgrade_scene import Run
from tests.conftest import ROOT

BROKEN, WELL = Row("a door stays shut", "open", ok=False), Row("a lamp burns", "dark", ok=True)
ONE = Sabotage("no-door", "boot", "the door is taken out", "", ("a door",))
OTHER = Sabotage("no-lamp", "boot", "the lamp is taken out", "", ("a lamp",))


def played(*rows: Row) -> Result:
    return Result("boot", rows, 1.0)


def test_a_sabotage_shows_when_exactly_its_row_is_red() -> None:
    found = outcome([ONE], played(BROKEN, WELL))
    assert found.ok
    assert "1 red" in table([found])


def test_a_row_that_stays_green_was_never_measured() -> None:
    found = outcome([OTHER], played(WELL))
    assert not found.ok
    assert "STAYED GREEN: a lamp" in table([found])
    assert "0 of 1 runs" in table([found])


def test_another_row_that_turns_red_is_told() -> None:
    found = outcome([OTHER], played(BROKEN, Row("a lamp burns", "dark", ok=False)))
    assert not found.ok
    assert "ALSO RED: a door stays shut: open" in table([found])


def test_sabotages_of_a_scene_that_break_different_rows_may_share_a_run() -> None:
    third, fourth = Sabotage("x", "clock", "", "", ("a door",)), replace(ONE, name="y")
    assert batches([ONE, third, OTHER], together=True) == [[ONE, OTHER], [third]]
    assert batches([ONE, third], together=False) == [[ONE], [third]]
    assert batches([ONE, fourth, OTHER], together=True) == [[ONE, OTHER], [fourth]]
    both = outcome([ONE, OTHER], played(BROKEN, Row("a lamp burns", "dark", ok=False)))
    assert both.ok


@pytest.mark.parametrize("batch", batches(ALL, together=True), ids=lambda it: it[0].name)
def test_what_shares_a_run_is_one_run_when_it_is_named(batch: list[Sabotage]) -> None:
    names = [it.name for it in batch]
    assert batches([it for it in ALL if it.name in names], together=True) == [batch]


@pytest.mark.parametrize("it", ALL, ids=lambda it: it.name)
def test_a_sabotage_fits_this_project(it: Sabotage) -> None:
    """Each edit finds what it breaks, and each row stands in its scene."""
    done = []

    def patched(module: str, old: str, new: str) -> None:
        assert (ROOT / "appliance" / module).read_text().count(old) == 1
        assert new != old
        done.append(module)

    def configured(section: str, **values: object) -> None:
        Config.model_validate({section: values | _whole(section)})
        done.append(section)

    def any_other(*words: object) -> None:
        done.append(str(words))

    def installer(script: str, old: str, new: str) -> None:
        assert (ROOT / "systemd" / "install" / script).read_text().count(old) == 1
        assert new != old
        done.append(script)

    tools: dict[str, Callable[..., Any]] = {
        "patched": patched,
        "configured": configured,
        "installer": installer,
    }
    others = dict.fromkeys(("drop_in", "unit", "film", "ran"), any_other)
    exec(it.edit, {**tools, **others, "pathlib": Elsewhere(done)})  # noqa: S102 - our own text
    assert done
    scene = all_scenes()[it.scene].__file__
    assert scene is not None
    with open(scene, encoding="utf-8") as file:  # noqa: PTH123 - a string is at hand
        text = file.read()
    assert all(row in text for row in it.rows)


class Elsewhere:
    """A module `pathlib` whose paths write nothing."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def Path(self, name: str) -> Elsewhere:  # noqa: N802 - as it is called
        self._done.append(name)
        return self

    def touch(self) -> None: ...

    def write_text(self, text: str) -> None:
        self._done.append(text)


def _whole(section: str) -> dict[str, object]:
    # A door's keys mean something only together.
    return {"driver": "simulated"} if section == "door" else {}


def test_every_row_of_every_usual_scene_has_a_sabotage(tmp_path: Path) -> None:
    kept = rows_when_all_is_well(tmp_path)
    assert set(kept) == set(usual(all_scenes()))
    for scene, rows in kept.items():
        parts = [part for it in ALL if it.scene == scene for part in it.rows]
        bare = [row.promise for row in rows if not any(part in row.promise for part in parts)]
        assert not bare, (scene, bare)


def rows_when_all_is_well(folder: Path) -> dict[str, list[Row]]:
    """What each scene makes of logs of a board that keeps everything."""
    return {
        "boot": boot.judge(booted(folder / "boot").write()),
        "unlock": unlock.judge(visited(folder / "unlock").write()),
        "inputs": inputs.judge(inputs_logs().write(folder / "inputs")),
        "faults": Faults().judge(folder / "faults"),
        "power": power.judge(power_folder(folder / "power")),
        "torn": torn.judge(torn_folder(folder / "torn")),
        "clock": clock.judge(clock_logs().write(folder / "clock")),
        "embeddings": embeddings_judged(folder / "embeddings"),
        "upgrade": upgrade.judge(Run(folder / "upgrade").written()),
    }


def test_names_tell_sabotages_apart() -> None:
    names = [it.name for it in sabotage.ALL]
    assert len(set(names)) == len(names)


def test_the_list_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert sabotage.main(["--list"]) == 0
    assert all(it.name in capsys.readouterr().out for it in ALL[:1])
