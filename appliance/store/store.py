"""The whole store, opened and closed as one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from appliance.ports import Clock
from appliance.store.audit import SqliteAudit
from appliance.store.database import BUSY_TIMEOUT_S, Database
from appliance.store.failures import SqliteFailures
from appliance.store.keyring import Keyring
from appliance.store.location import StoreLocation
from appliance.store.people import SqlitePeople
from appliance.store.permissions import SqlitePermissions


class Store(AbstractContextManager["Store"]):
    """People, audit log and failure counts in one database."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self.database = database
        self.people = SqlitePeople(database, keyring, clock)
        self.permissions = SqlitePermissions(database)
        self.audit = SqliteAudit(database, clock)
        self.failures = SqliteFailures(database)

    @classmethod
    def open(
        cls,
        location: StoreLocation,
        clock: Clock,
        *,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Store:
        """Open the store, or found it; see Database.open for `create`. Raises StoreError."""
        database = Database.open(location.database, create=create, busy_timeout_s=busy_timeout_s)
        return cls(database, Keyring(location.key), clock)

    def together(self) -> AbstractContextManager[object]:
        """Whatever is changed and recorded inside happens as a whole, or not at all."""
        return self.database.transaction()

    def close(self) -> None:
        """Give the files back; may be called twice."""
        self.database.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
