"""How commands reach the running service, and when they do without it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from appliance.cli.guidance import Guidance
from appliance.cli.session import Session
from appliance.control.client import CLOSED, UNANSWERED, Client
from appliance.control.words import Event, Guide, JsonObject, Result, UnlockAsked, Unlocked
from appliance.errors import DaemonUnreachableError, UsageError
from appliance.store.location import locate

if TYPE_CHECKING:
    from appliance.types import AuditRecord


def client(session: Session) -> Client:
    """Of the socket that the config names."""
    return Client(session.written.control.socket)


def running(session: Session) -> Client | None:
    """The service that owns the store and the devices of this config; None: do it directly.

    A service that hangs is told of rather than passed by: it holds the devices. One that this
    user may not ask is passed by with a word: the store may still be this user's own.
    """
    asked = client(session)
    try:
        status = asked.status()
    except DaemonUnreachableError as error:
        if error.code == CLOSED:
            session.say(f"{error.message} Going on without it.")
        if error.code in (CLOSED, UNANSWERED):
            return None
        raise
    return asked if _serves(session, Path(status.store)) else None


def _serves(session: Session, store: Path) -> bool:
    """Whether it is the same store. A config that names none means the service's."""
    config = session.written.store
    if config.path is None:
        return True
    own = locate(config, os.environ, uid=os.getuid()).database
    return os.path.realpath(own) == os.path.realpath(store)


def unlocked(session: Session, reason: str) -> Unlocked:
    """Release the door for one pulse. UsageError for a reason that says nothing."""
    try:
        asked = UnlockAsked(reason=reason)
    except ValidationError:
        raise UsageError(
            "The reason is empty, longer than 200 characters, or holds characters that do not "
            "show.",
            hint='Say why in a few words: --reason "parcel for the second floor".',
        ) from None
    return client(session).unlock(asked.reason)


def guided(session: Session, events: Generator[Event, None, None]) -> JsonObject:
    """Show the person what to do until there is a result. Leaving early ends it there, too."""
    with closing(events), Guidance(session) as guidance:
        for event in events:
            if isinstance(event, Guide):
                guidance.tell(event.say, event.taken, event.of, urgent=event.urgent)
            elif isinstance(event, Result):
                return event.data
    raise RuntimeError("a job of the service ended without a result")


def audit_tail(session: Session, count: int) -> list[AuditRecord]:
    """The last records, from the service where it runs."""
    from appliance.types import AuditRecord  # with numpy, which `status` does without

    if (service := running(session)) is not None:
        return [
            AuditRecord(it.number, it.at, it.event, it.subject, it.detail, digest="")
            for it in service.audit(count).records
        ]
    from appliance import assemble

    with assemble.store(session.config, create=False) as store:
        return store.audit.tail(count)
