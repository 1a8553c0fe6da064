"""What the store's tests share: a place on the disk, a clock, templates, another user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from appliance.ports import Clock
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Template

_NOBODY = 65534


class _TickingClock:
    """A wall clock that goes on by one second each time somebody looks."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=timezone.utc)

    @property
    def boot(self) -> str:
        return "first boot"

    def trusted(self) -> bool:
        return True

    def monotonic(self) -> float:
        return self._now.timestamp()

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return _TickingClock()


@pytest.fixture
def location(tmp_path: Path) -> StoreLocation:
    state = tmp_path / "state"
    return StoreLocation(state / "appliance.db", state / "template.key")


@pytest.fixture
def open_store(location: StoreLocation, clock: Clock) -> Iterator[Callable[..., Store]]:
    """Opens the store at `location` (or another one); closes what a test leaves open."""
    with ExitStack() as stack:

        def opener(at: StoreLocation = location, *, create: bool = True) -> Store:
            store = Store.open(at, clock, create=create, busy_timeout_s=0.05)
            return stack.enter_context(store)

        yield opener


@pytest.fixture
def make_template() -> Callable[..., Template]:
    def make(seed: int = 0, count: int = 5, dimensions: int = 192) -> Template:
        vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        mean = vectors.mean(axis=0)
        mean /= np.linalg.norm(mean)
        return Template(
            vectors.astype(np.float32), mean.astype(np.float32), "mobilefacenet", "f1ng3r"
        )

    return make


@pytest.fixture
def ordinary_user() -> Callable[[], AbstractContextManager[None]]:
    """Lends the rights of an ordinary user, where permissions mean something."""

    @contextmanager
    def lend() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return lend


@pytest.fixture
def users_location() -> Iterator[StoreLocation]:
    """A place that belongs to the ordinary user and can be reached by it."""
    folder = Path(tempfile.mkdtemp(prefix="appliance-store-"))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    yield StoreLocation(folder / "appliance.db", folder / "template.key")
    folder.chmod(0o700)
    shutil.rmtree(folder)
