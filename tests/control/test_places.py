"""The calls' places: none is lost, whatever happens."""

from __future__ import annotations

import asyncio
import threading

import pytest

from appliance.control.threads import Places, Stream, call


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that has no more threads, until this is undone."""

    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    return monkeypatch


def test_a_place_is_given_back_where_no_thread_can_be_started(full: pytest.MonkeyPatch) -> None:
    async def twice() -> int:
        places = Places(1, 0.0)
        with pytest.raises(RuntimeError, match="new thread"):
            await call(lambda: 1, places, 5)
        full.undo()
        return await call(lambda: 2, places, 5)

    assert asyncio.run(twice()) == 2


def test_so_is_that_of_a_stream(full: pytest.MonkeyPatch) -> None:
    async def begin() -> list[str]:
        ended: list[str] = []
        with pytest.raises(RuntimeError, match="new thread"):
            Stream(lambda: iter(()), lambda: ended.append("given back"))
        full.undo()
        return ended

    assert asyncio.run(begin()) == ["given back"]
