"""What must hold after every fault, whatever came before it. Each complaint is a sentence."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from appliance.types import AuditRecord
from tests.faults.rig import Command, Rig

UNLOCKED = "unlocked"
# The audit's times have milliseconds or less.
RESOLUTION = timedelta(milliseconds=1)


def complaints(rig: Rig) -> list[str]:
    """All that is wrong with what the rig left; to be asked while nothing runs."""
    with rig.store() as store:
        bad = store.audit.first_bad()
        records = {record.number: record for record in store.audit.tail(1_000_000)}
        people = [person.name for person in store.people.everybody()]
    found = [] if bad is None else [f"the audit chain breaks at record {bad}"]
    if people != ["alice"]:
        found.append(f"enrolled are {people}")
    found += damage(rig.state / "appliance.db")
    return found + releases_without_cause(rig.commands(), records) + unfinished(rig.commands())


def damage(database: Path) -> list[str]:
    """What SQLite itself finds wrong in its file."""
    connection = sqlite3.connect(database)
    try:
        told = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    finally:
        connection.close()
    return [] if told == ["ok"] else [f"the database: {told}"]


def releases_without_cause(
    commands: Sequence[Command], records: Mapping[int, AuditRecord]
) -> list[str]:
    """Energised relays for which no record of their own was written before."""
    found, used = [], set()
    for command in commands:
        if command.state != UNLOCKED:
            continue
        cause = re.fullmatch(r"(\w+) #(\d+)", command.cause)
        record = None if cause is None else records.get(int(cause[2]))
        if cause is None or record is None or record.event != cause[1]:
            found.append(f"released by {command.cause!r}, of which there is no record")
        elif record.at > command.wall + RESOLUTION:
            found.append(f"released by {command.cause!r} before its record was written")
        elif record.number in used:
            found.append(f"released by {command.cause!r} a second time")
        else:
            used.add(record.number)
    return found


def unfinished(commands: Sequence[Command]) -> list[str]:
    """Relays that a process left energised and its successor did not lock first of all."""
    return [
        f"process {after.pid} began with {after.state} after process {before.pid}"
        for before, after in pairwise(commands)
        if before.pid != after.pid and after.state == UNLOCKED
    ]
