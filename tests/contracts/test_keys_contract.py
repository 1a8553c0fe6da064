"""What every keypad and reader does, the simulated one included."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import HardwareError
from appliance.hardware.evdev_keys import EvdevKeys
from appliance.hardware.matrix_keypad import MatrixKeypad
from appliance.hardware.pins import ChipFactory
from appliance.hardware.simulated_keys import SimulatedKeys
from appliance.ports import Keys
from tests.fakes import FakeClock
from tests.hardware.test_evdev_keys import Plug, presses
from tests.hardware.test_matrix_keypad import COLUMNS, ROWS, Wired

# A keypad, and the finger that types digits at it: returns what the keypad told.
Made = tuple[Keys, Callable[[str], list[str | None]]]


def usb(_: Path) -> Made:
    plug = Plug([], FakeClock())
    keys = EvdevKeys(
        Path("/dev/input/by-id/usb-Keypad-event-kbd"),
        plug.clock,
        what="keypad",
        open_device=lambda _: plug,
    )

    def type_in(digits: str) -> list[str | None]:
        plug.events = presses(*(f"KP{digit}" for digit in digits))
        return [keys.next_key(0.1) for _ in digits]

    return keys, type_in


def matrix(_: Path) -> Made:
    chip = Wired()
    keys = MatrixKeypad(ROWS, COLUMNS, ChipFactory(0, chip), FakeClock())

    def type_in(digits: str) -> list[str | None]:
        found = []
        for digit in digits:
            chip.down = {digit}
            found.append(keys.next_key(0.1))
            chip.down = set()
            keys.next_key(0.1)
        return found

    return keys, type_in


def simulated(folder: Path) -> Made:
    keys = SimulatedKeys(folder / "keys")

    def type_in(digits: str) -> list[str | None]:
        (folder / "keys").write_text(digits)
        return [keys.next_key(0.1) for _ in digits]

    return keys, type_in


@pytest.fixture(params=[usb, matrix, simulated], ids=lambda it: it.__name__)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    keys, type_in = request.param(tmp_path)
    with closing(keys):
        yield keys, type_in


def test_keys_come_in_their_order_and_each_once(made: Made) -> None:
    keys, type_in = made
    assert type_in("2580369147") == [*"2580369147"]
    assert keys.next_key(0.0) is None
    assert type_in("11") == ["1", "1"]


def test_without_a_key_there_is_none_and_nothing_is_amiss(made: Made) -> None:
    keys, _ = made
    assert [keys.next_key(it) for it in (0.0, 0.01, -1.0)] == [None] * 3
    assert keys.trouble == ""


def test_closing_twice_is_fine_and_there_are_no_keys_then(made: Made) -> None:
    keys, _ = made
    keys.close()
    keys.close()
    assert keys.next_key(0.0) is None


# --- the twin's own ---------------------------------------------------------------------------


def test_the_pipe_is_private_and_takes_what_is_written_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with closing(SimulatedKeys(path)) as keys:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        writer = threading.Thread(target=path.write_text, args=("12\n",))
        writer.start()
        assert [keys.next_key(5.0) for _ in range(3)] == ["1", "2", "\n"]
        writer.join()
        path.write_text("3")
        assert keys.next_key(5.0) == "3"


def test_a_pipe_that_is_there_is_used_and_what_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys")
    with closing(SimulatedKeys(tmp_path / "keys")):
        pass
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "no" / "folder"):
        with pytest.raises(HardwareError) as caught:
            SimulatedKeys(wrong)
        assert caught.value.code == "no_pipe"


def test_rubbish_in_the_pipe_is_keys_that_do_not_exist(tmp_path: Path) -> None:
    with closing(SimulatedKeys(tmp_path / "keys")) as keys:
        (tmp_path / "keys").write_bytes(b"\xff\x00\xc3")
        found = [keys.next_key(0.0) for _ in range(4)]
        assert found == ["\ufffd", "\x00", None, None]
