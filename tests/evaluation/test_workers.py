"""Work that is spread over processes: what is told when one of them dies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import InputError
from appliance.evaluation import workers
from appliance.evaluation.workers import Workers, each


class Pool:
    """Processes of which one dies at the third task."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Any, tasks: Sequence[int], chunksize: int) -> Iterator[int]:
        yield from tasks[:2]
        raise BrokenProcessPool("terminated abruptly")


def test_a_process_that_the_system_ends_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_: Path) -> Any:
        raise AssertionError

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    done: list[int] = []
    with pytest.raises(InputError, match="ended from outside") as told:
        done += each(abs, [1, 2, 3], Workers(object, nobody))
    assert (told.value.code, int(told.value.exit_code)) == ("worker_ended", 3)
    assert "--workers" in told.value.hint
