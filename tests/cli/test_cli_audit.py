"""The audit log as it leaves the appliance, and checkpoints of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.runs import Appliance


def _append(appliance: Appliance, *subjects: str) -> None:
    from appliance import assemble, config

    with assemble.store(config.load(appliance.config)) as store:
        for subject in subjects:
            store.audit.append("attempt", subject, {"n": 1})


def test_records_are_exported_as_lines_that_prove_themselves(enrolled: Appliance) -> None:
    _append(enrolled, "alice", "=1+1", "héllo\nworld")
    told = enrolled("audit", "export")
    assert told.code == 0
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [record["number"] for record in records] == list(range(1, len(records) + 1))
    assert [record["event"] for record in records][-2:] == ["attempt", "audit_exported"]
    previous = None
    for record in records:
        digest = record.pop("digest")
        record["at"] = record["at"] if "." in record["at"] else record["at"][:19] + ".000000+00:00"
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        if previous is not None:
            assert hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest() == digest
        previous = digest


def test_a_table_is_harmless_in_a_spreadsheet(enrolled: Appliance, tmp_path: Path) -> None:
    _append(enrolled, "=HYPERLINK('http://evil')", 'a "quoted", name', "+1", "two\nlines")
    out = tmp_path / "log.csv"
    told = enrolled.json("audit", "export", "--format", "csv", "--out", out)
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"), newline="")))
    assert told.data == {"records": len(rows), "format": "csv", "out": str(out)}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    subjects = [row["subject"] for row in rows if row["event"] == "attempt"]
    assert subjects == ["'=HYPERLINK('http://evil')", 'a "quoted", name', "'+1", "two\nlines"]
    assert json.loads(rows[-2]["detail"]) == {"n": 1}
    again = enrolled("audit", "export", "--format", "csv", "--out", out)
    assert again.code == 3
    assert "exists already" in again.sentence


def test_a_part_of_the_log_can_be_exported(enrolled: Appliance) -> None:
    _append(enrolled, "alice")
    assert enrolled("audit", "export", "--until", "2020-01-01").out == ""
    assert enrolled("audit", "export", "--since", "2999-01-01T00:00Z").out == ""
    assert len(enrolled("audit", "export", "--since", "2020-01-01").out.splitlines()) >= 3
    for word in ("yesterday", "2026-13-01", "0001-01-01", "9999-12-31"):
        assert enrolled.json("audit", "export", "--since", word).error["code"] == "usage"
    assert enrolled.json("audit", "export", "--format", "csv").code == 2


def test_a_checkpoint_goes_away_and_finds_what_happened_since(
    enrolled: Appliance, tmp_path: Path
) -> None:
    _append(enrolled, *"abcdef")
    file = tmp_path / "door.checkpoint"
    told = enrolled.json("audit", "checkpoint", "--out", file)
    assert told.code == 0
    number = told.data["number"]
    assert json.loads(file.read_text())["signature"]
    _append(enrolled, *"gh")
    good = enrolled.json("audit", "verify", "--checkpoint", file)
    assert (good.code, good.data["ok"], good.data["compared"]) == (0, True, number)
    assert "agrees with the checkpoint" in enrolled("audit", "verify", "--checkpoint", file).out
    with closing(sqlite3.connect(enrolled.state / "appliance.db")) as raw, raw:
        raw.execute("DROP TRIGGER audit_no_delete")
        raw.execute("DELETE FROM audit WHERE number > 3")
        raw.execute("DELETE FROM audit_checkpoint")
        raw.execute(
            "UPDATE audit_head SET (number, digest) = "
            "(SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1)"
        )
    assert enrolled("audit", "verify").code == 0
    bad = enrolled.json("audit", "verify", "--checkpoint", file)
    assert (bad.code, bad.data["ok"], bad.data["first_bad"]) == (1, False, 4)
    assert "missing from 4" in enrolled("audit", "verify", "--checkpoint", file).out


def test_a_checkpoint_is_signed_by_whom_the_key_says(enrolled: Appliance, tmp_path: Path) -> None:
    file = tmp_path / "door.checkpoint"
    signer = enrolled.json("audit", "checkpoint", "--out", file).data["signer"]
    verify = ("audit", "verify", "--checkpoint", file, "--signer")
    assert enrolled(*verify, signer.upper()).code == 0
    assert enrolled.json(*verify, "00" * 32).error["code"] == "another_signer"
    assert enrolled.json("audit", "verify", "--signer", signer).code == 2
    (enrolled.state / "template.key").unlink()
    told = enrolled("audit", "verify", "--checkpoint", file)
    assert told.code == 0
    assert "key is not at hand" in told.err


def test_what_is_no_checkpoint_is_told(enrolled: Appliance, tmp_path: Path) -> None:
    for file, code in (
        (enrolled.config, "bad_checkpoint"),
        (tmp_path / "missing", "unreadable"),
        (tmp_path, "unreadable"),
        (Path("/dev/zero"), "unreadable"),
    ):
        told = enrolled.json("audit", "verify", "--checkpoint", file)
        assert (told.code, told.error["code"]) == (3, code)
        assert told.error["hint"]


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(
    enrolled: Appliance, tmp_path: Path
) -> None:
    told = enrolled.json("audit", "checkpoint", "--out", tmp_path / "no" / "such" / "folder")
    assert (told.code, told.error["code"]) == (3, "cannot_open")
    with closing(sqlite3.connect(enrolled.state / "appliance.db")) as raw, raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("UPDATE audit SET subject = 'mallory' WHERE number = 1")
    file = tmp_path / "door.checkpoint"
    told = enrolled.json("audit", "checkpoint", "--out", file)
    assert (told.code, told.error["code"]) == (3, "audit_broken")
    assert not file.exists()


def test_a_log_on_a_read_only_card_can_still_be_exported(
    enrolled: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.errors import StoreError
    from appliance.store.audit import SqliteAudit

    def refuse(*_: object) -> None:
        raise StoreError("The card is read-only.", code="read_only")

    monkeypatch.setattr(SqliteAudit, "append", refuse)
    told = enrolled("audit", "export")
    assert told.code == 0
    assert len(told.out.splitlines()) >= 1
    assert "leaves no record itself" in told.err


def test_people_and_their_consent(enrolled: Appliance) -> None:
    words = ("people", "consent", "alice")
    assert enrolled.json(*words).data["retain_until"] is None
    told = enrolled.json(
        *words, "--given", "2026-03-01", "--purpose", "the door", "--retain-until", "2026-12-31"
    )
    assert told.data == {
        "name": "alice",
        "consent_given": "2026-03-01",
        "consent_by": None,
        "purpose": "the door",
        "retain_until": "2026-12-31",
    }
    assert enrolled.json("people", "show", "alice").data["purpose"] == "the door"
    record = enrolled.json("audit", "tail", "-n", "1").data["records"][0]
    assert (record["event"], record["subject"]) == ("consent_changed", "alice")
    assert "the door" not in json.dumps(record)
    assert enrolled.json(*words, "--purpose", "none").data["purpose"] is None
    assert enrolled.json(*words, "--retain-until", "soon").code == 2
    assert enrolled.json(*words, "--by", "a\x1b[31mb").error["code"] == "bad_consent"
    assert enrolled.json("people", "consent", "nobody").error["code"] == "unknown_person"


def test_people_whose_time_has_passed_are_removed(enrolled: Appliance) -> None:
    enrolled("people", "consent", "alice", "--retain-until", "2026-12-31")
    expire = ("people", "expire", "--today")
    assert enrolled.json(*expire, "2026-12-31").data["expired"] == []
    assert enrolled.json(*expire, "2027-01-01", "--dry-run").data["expired"] == ["alice"]
    assert len(enrolled.json("people", "list").data["people"]) == 1
    assert enrolled.json(*expire, "2027-01-01").data["expired"] == ["alice"]
    assert enrolled.json("people", "list").data["people"] == []
    record = enrolled.json("audit", "tail", "-n", "1").data["records"][0]
    assert (record["event"], record["detail"]["by"]) == ("expired", "local command")


def test_a_last_day_that_cannot_be_read_is_told(enrolled: Appliance) -> None:
    enrolled("people", "consent", "alice", "--retain-until", "2026-12-31")
    with closing(sqlite3.connect(enrolled.state / "appliance.db")) as raw, raw:
        raw.execute("UPDATE consent SET retain_until = '2026-1x-31'")
    told = enrolled("people", "expire", "--today", "2027-01-01")
    assert (told.code, told.out) == (0, "Removed: nobody.\n")
    assert "'alice'" in told.err
    assert "2026-1x-31" in enrolled("people", "list").err


def test_a_clock_that_nobody_vouches_for_removes_nobody(
    enrolled: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.hardware.clock import SystemClock

    enrolled("people", "consent", "alice", "--retain-until", "2026-01-31")
    monkeypatch.setattr(SystemClock, "trusted", lambda _: False)
    told = enrolled.json("people", "expire")
    assert (told.code, told.error["code"]) == (3, "clock_untrusted")
    monkeypatch.setattr(SystemClock, "trusted", lambda _: True)
    assert "people expire" in enrolled("people", "list").err
    assert enrolled.json("people", "expire").data["expired"] == ["alice"]
