"""The board's table: what it says, and when it says that something is broken."""

from __future__ import annotations

import json

from tests.board.table import Result, Row, all_kept, as_json, from_json, table

KEPT = Row("the line is low", "0 times high", ok=True)
BROKEN = Row("the service lives", "3 restarts", ok=False)


def test_each_promise_has_a_line_and_the_scene_stands_once() -> None:
    text = table([Result("boot", [KEPT, BROKEN], 61.4)])
    assert text.count("boot (61 s)") == 1
    assert "| the line is low   | kept   | 0 times high |" in text
    assert "| the service lives | BROKEN | 3 restarts |" in text
    assert text.endswith("2 promises, 1 broken, 61 s.\n")


def test_one_broken_promise_breaks_all() -> None:
    assert all_kept([Result("boot", [KEPT], 1.0)])
    assert not all_kept([Result("boot", [KEPT], 1.0), Result("unlock", [KEPT, BROKEN], 1.0)])


def test_what_did_not_run_is_not_kept() -> None:
    assert not all_kept([])
    assert not all_kept([Result("boot", [], 1.0)])
    assert "BROKEN" in table([Result("boot", [], 1.0)])


def test_what_a_command_said_cannot_tear_the_table() -> None:
    text = table([Result("boot", [Row("a | b", "one\ntwo | three", ok=True)], 1.0)])
    assert "a \\| b" in text
    assert "one two \\| three" in text


def test_the_json_holds_what_the_table_holds() -> None:
    results = [Result("boot", (KEPT, BROKEN), 61.4)]
    told = json.loads(as_json(results))
    assert told["ok"] is False
    again = from_json(as_json(results))
    assert table(again) == table(results)
