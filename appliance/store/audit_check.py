"""Does the audit log hold together, and with what was signed of it?"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from appliance.errors import InputError
from appliance.store.audit_rows import Finding, LogRows, breaks_at
from appliance.store.checkpoints import TRAIL_BYTES, Checkpoint

_PREFIX = 2 * TRAIL_BYTES


@dataclass(frozen=True)
class AuditCheck:
    """What a check of the log found.

    first_bad: the number of the first record that nothing vouches for, None when all is well;
    why: a sentence, empty when all is well. first, last: the numbers of the records that are
    there (last is first - 1 where there are none). checkpoints: how many in the database agree.
    signer_known: False when the key was not at hand, so that nobody knows whose signatures these
    are. compared: how many records a given checkpoint vouches for and found.
    """

    first_bad: int | None
    why: str
    first: int
    last: int
    checkpoints: int
    signer_known: bool
    compared: int | None = None


def check(
    rows: LogRows, own: str | None, against: Checkpoint | None, expected: str | None
) -> AuditCheck:
    """Check the chain, its beginning, the checkpoints in the database, and one given.

    own: this appliance's public key, None where it is not at hand. expected: whose signature
    `against` must carry, None: `own`. InputError when `against` is of another appliance or
    signer, or when so much was dropped since that nothing is left to compare.
    """
    here, broken = rows.walk(None)
    with rows.database.reading() as connection:
        agreeing, disagreeing = _stored_fault(rows, connection, own)
        findings = [broken, begin_fault(rows.begin(connection), own), disagreeing]
        compared = None
        if against is not None:
            _require_fitting(against, rows.identity, expected or own)
            compared, parting = _parting(rows, connection, against, here.number)
            findings.append(parting)
        first, last = rows.beginning(connection).number + 1, rows.head(connection).number
    worst = min((finding for finding in findings if finding), default=None)
    return AuditCheck(
        first_bad=worst.number if worst else None,
        why=worst.why if worst else "",
        first=first,
        last=last,
        checkpoints=agreeing,
        signer_known=own is not None,
        compared=compared,
    )


def begin_fault(begin: Checkpoint | None, own: str | None) -> Finding | None:
    """What is wrong with the statement of what was dropped."""
    if begin is None:
        return None
    if not begin.genuine:
        return Finding(
            1,
            f"The log begins after record {begin.number}, and nothing that was signed says that "
            "those before were dropped because of their age.",
        )
    if own is not None and begin.signer != own:
        return Finding(
            1,
            f"The log begins after record {begin.number} by the word of another key "
            f"({begin.signer[:16]}). If the template key was replaced, "
            "`appliance audit checkpoint --adopt` vouches for it anew.",
        )
    return None


def _stored_fault(
    rows: LogRows, connection: sqlite3.Connection, own: str | None
) -> tuple[int, Finding | None]:
    """How many checkpoints in the database agree, up to the first that does not."""
    agreeing, vouched = 0, rows.beginning(connection).number
    for stored in rows.checkpoints(connection):
        if not stored.genuine:
            why = f"The checkpoint of record {stored.number} was changed after it was signed."
            return agreeing, Finding(vouched + 1, why)
        if own is not None and stored.signer != own:
            continue  # made under an earlier key, or by somebody else: it proves nothing
        if stored.number > vouched and rows.digest(connection, stored.number) != stored.digest:
            return agreeing, _rewritten(vouched + 1, stored.number)
        agreeing, vouched = agreeing + 1, max(vouched, stored.number)
    return agreeing, None


def _parting(
    rows: LogRows, connection: sqlite3.Connection, against: Checkpoint, last: int
) -> tuple[int, Finding | None]:
    """How many records a checkpoint was compared for, and where the log parts from it."""
    begin = rows.beginning(connection)
    if begin.number > against.number:
        raise _nothing_left(against, begin.number)
    compared = against.number - begin.number
    trail = against.digests() | {against.number: against.digest}
    if begin.number in trail and not begin.digest.startswith(trail[begin.number]):
        return compared, breaks_at(begin.number)
    if begin.number == against.number or rows.digest(connection, against.number) == against.digest:
        return compared, None
    first = _first_other(connection, trail, begin.number)
    if last < min(first, against.number):
        return compared, Finding(
            last + 1,
            f"Records are missing from {last + 1} on: the checkpoint of "
            f"{against.moment:%Y-%m-%d %H:%M} (UTC) vouches for {against.number}.",
        )
    # Before the trail nothing was written down: there the change may be anywhere.
    return compared, _rewritten(
        first if first > max(min(trail), begin.number + 1) else begin.number + 1, first
    )


def _first_other(connection: sqlite3.Connection, trail: dict[int, str], begin: int) -> int:
    """The first record that is not as the trail has it."""
    found = connection.execute(
        f"SELECT number, substr(digest, 1, {_PREFIX}) FROM audit WHERE number BETWEEN ? AND ?",  # noqa: S608 - a constant
        (min(trail), max(trail)),
    )
    digests = {int(number): str(digest) for number, digest in found}
    others = (
        number
        for number, digest in trail.items()
        if number > begin and digests.get(number) != digest[:_PREFIX]
    )
    return min(others, default=max(trail))


def _rewritten(first: int, last: int) -> Finding:
    if first == last:
        return Finding(first, f"Record {first} is not the one that was signed.")
    return Finding(first, f"The log was written anew somewhere from record {first} to {last}.")


def _require_fitting(against: Checkpoint, identity: str, signer: str | None) -> None:
    if against.database != identity:
        raise InputError(
            "The checkpoint is of another appliance's audit log.",
            hint=f"This log is {identity[:16]}, the checkpoint's {against.database[:16]}.",
            code="another_appliance",
        )
    if signer is not None and against.signer != signer:
        raise InputError(
            f"The checkpoint was signed by another key ({against.signer[:16]}) than the expected "
            f"one ({signer[:16]}).",
            hint="If the template key was replaced since, name the old signer with --signer, as "
            "it was noted when the checkpoint was exported.",
            code="another_signer",
        )


def _nothing_left(against: Checkpoint, begin: int) -> InputError:
    return InputError(
        f"The checkpoint vouches for records up to {against.number}, and those up to {begin} were "
        "dropped because of their age: nothing is left to compare.",
        hint="Export checkpoints more often than audit.keep_days.",
        code="nothing_to_compare",
    )
