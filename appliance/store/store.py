"""The whole store, opened and closed as one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from appliance.ports import Clock
from appliance.store.audit import SqliteAudit
from appliance.store.consent import Due, SqliteConsent
from appliance.store.credentials import SqliteCredentials
from appliance.store.database import BUSY_TIMEOUT_S, Database
from appliance.store.failures import SqliteFailures
from appliance.store.keyring import Keyring
from appliance.store.location import StoreLocation
from appliance.store.people import SqlitePeople
from appliance.store.permissions import SqlitePermissions
from appliance.store.upkeep import HouseKept, HousePolicy, Rooms, keep_house, remove_expired


class Store(AbstractContextManager["Store"]):
    """People, audit log and failure counts in one database."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self.database = database
        self.people = SqlitePeople(database, keyring, clock)
        self.credentials = SqliteCredentials(database, keyring, clock)
        self.permissions = SqlitePermissions(database)
        self.audit = SqliteAudit(database, keyring, clock)
        self.consent = SqliteConsent(database)
        self.failures = SqliteFailures(database)
        self._rooms = Rooms(database, self.audit, self.people, self.consent, self.failures, clock)

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

    def keep_house(self, policy: HousePolicy) -> HouseKept:
        """What has to be done about once an hour, see `upkeep.keep_house`. Raises nothing."""
        return keep_house(self._rooms, policy)

    def remove_expired(self, due: list[Due], by: str) -> list[str]:
        """Erase people whose time has passed, each with a record; who went. Raises StoreError."""
        return list(remove_expired(self._rooms, due, by))

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
