"""How an acceptance begins or goes on: alone, at one door, and told in the audit log."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import assemble
from appliance.acceptance import progress
from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Status
from appliance.cli.session import Session
from appliance.errors import DeviceBusyError, InputError
from appliance.errors import UsageError as WrongUsage
from appliance.store.device_key import DeviceKey
from appliance.store.exports import read_whole
from appliance.store.faults import translated
from appliance.store.files import private_folder

if TYPE_CHECKING:
    from appliance.control.authority import Caller
    from appliance.store.location import StoreLocation
    from appliance.store.store import Store


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second acceptance of the same door away. DeviceBusyError where one is under way.

    The folder itself is locked: the file of the acceptance is another one after each step. The
    kernel gives the lock back when the process dies, however it dies.
    """
    with translated(folder):
        private_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeviceBusyError(
                "Another acceptance of this door is being carried out just now.",
                hint="Finish it, or leave it there (q); what was decided is kept.",
                code="acceptance_busy",
            ) from None
        yield
    finally:
        os.close(descriptor)


def begun(  # noqa: PLR0913 - two of them are options, by keyword
    session: Session,
    location: StoreLocation,
    store: Store,
    caller: Caller,
    *,
    resume: bool,
    anew: bool,
) -> Progress:
    """The acceptance that was left, or a new one, recorded in the log either way."""
    from appliance.inspection.machine import config_sha256

    kept, config = location.acceptance, config_sha256(session.config_path)
    with translated(location.device_key):
        device = DeviceKey.at(location.device_key).public
    if kept.exists() and not anew:
        if not resume:
            raise WrongUsage(
                "An acceptance was begun here and is not finished.",
                hint="--resume goes on with it, --anew forgets it.",
            )
        left = _of_this_door(_read(kept), config, store.database.identity, device)
        store.audit.append("acceptance_resumed", "acceptance", {**caller.audited, "run": left.run})
        return left
    if resume:
        raise InputError(
            "There is no acceptance to go on with.",
            hint="Leave --resume out to begin one.",
            code="nothing_to_resume",
        )
    if kept.exists():
        _abandon(kept, store, caller)
    now = assemble.clock().now().isoformat(timespec="seconds")
    new = Progress(
        secrets.token_hex(8), now, config, database=store.database.identity, device=device
    )
    store.audit.append("acceptance_begun", "acceptance", {**caller.audited, "run": new.run})
    return new


def _read(kept: Path) -> Progress:
    return progress.parse(read_whole(kept, progress.MOST_BYTES), str(kept))


def _of_this_door(left: Progress, config: str, database: str, device: str) -> Progress:
    """The same. InputError where something else was tried than what would be signed for."""
    if (left.database, left.device) != (database, device):
        raise InputError(
            "This acceptance was begun on another device, or with another store.",
            hint="What was tried there says nothing of this door: `appliance acceptance --anew`.",
            code="another_device",
        )
    if left.config != config:
        raise InputError(
            "The configuration is another than when this acceptance began.",
            hint="Begin anew: `appliance acceptance --anew`.",
            code="config_changed",
        )
    return left


def _abandon(kept: Path, store: Store, caller: Caller) -> None:
    """Record what is forgotten: it may be forgotten because of what it says."""
    detail: dict[str, object] = {**caller.audited, "run": None, "failed": None}
    with suppress(InputError):  # of what cannot be read nothing can be said
        left = _read(kept)
        failed = [key for key, it in left.results.items() if it.status is Status.FAILED]
        detail |= {"run": left.run, "failed": failed}
    store.audit.append("acceptance_abandoned", "acceptance", detail)
