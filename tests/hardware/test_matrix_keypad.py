"""A matrix keypad on a scripted chip: which key is down, what bounces, what shorts nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import ConfigError, LockError
from appliance.hardware.matrix_keypad import HOLD_S, LAYOUT, Held, MatrixKeypad, scanned
from appliance.hardware.pins import ChipFactory
from tests.fakes import FakeClock
from tests.hardware.fake_lgpio import PULL_UP, FakeLgpio

ROWS, COLUMNS = (0, 1, 2, 3), (4, 5, 6, 7)
OPEN_DRAIN = 8


class Wired(FakeLgpio):
    """The chip with keys between its lines. down: the keys pressed now."""

    def __init__(self) -> None:
        super().__init__()
        self.down: set[str] = set()

    def gpio_read(self, handle: int, gpio: int) -> int:
        self._called("gpio_read", handle, gpio)
        return int(not self._is_low(gpio, set()))

    def _is_low(self, line: int, passed: set[int]) -> bool:
        """Whether a path of pressed keys leads from the line to a row that is pulled low."""
        if line in ROWS and self.levels.get(line) == 0:
            return True
        return any(
            self._is_low(end, passed | {line})
            for row, names in enumerate(LAYOUT)
            for column, name in enumerate(names)
            if name in self.down
            for start, end in (
                (ROWS[row], COLUMNS[column]),
                (COLUMNS[column], ROWS[row]),
            )
            if start == line and end not in passed
        )


Keypad = tuple[MatrixKeypad, Wired, FakeClock]


@pytest.fixture
def keypad() -> Keypad:
    chip, clock = Wired(), FakeClock()
    return MatrixKeypad(ROWS, COLUMNS, ChipFactory(0, chip), clock), chip, clock


def press(keypad: Keypad, *names: str) -> str | None:
    """The keys go down for a while, then all up; what was typed meanwhile."""
    keys, chip, _ = keypad
    chip.down = set(names)
    found = keys.next_key(0.2)
    chip.down = set()
    assert keys.next_key(0.2) is None
    return found


@pytest.mark.parametrize("name", [*"".join(LAYOUT)])
def test_every_key_is_told_apart(keypad: Keypad, name: str) -> None:
    assert press(keypad, name) == name


def test_a_key_that_is_held_is_one_key(keypad: Keypad) -> None:
    keys, chip, _ = keypad
    chip.down = {"5"}
    assert [keys.next_key(1.0) for _ in range(3)] == ["5", None, None]
    chip.down = set()
    assert keys.next_key(1.0) is None
    assert press(keypad, "5") == "5"


def test_quick_fingers_overlap(keypad: Keypad) -> None:
    keys, chip, _ = keypad
    found = []
    for down in ({"1"}, {"1", "2"}, {"2"}, {"2", "3"}, {"3"}, set()):
        chip.down = set(down)
        found.append(keys.next_key(0.1))
    assert found == ["1", "2", None, "3", None, None]


@pytest.mark.parametrize("names", ["12", "159", "1245"])
def test_several_keys_at_once_are_none(keypad: Keypad, names: str) -> None:
    assert press(keypad, *names) is None


def test_a_third_key_is_none_for_a_fourth_seems_to_be_down(keypad: Keypad) -> None:
    keys, chip, _ = keypad
    found = []
    for down in ({"1"}, {"1", "2"}, {"1", "2", "4"}):
        chip.down = set(down)
        found.append(keys.next_key(0.1))
    assert found == ["1", "2", None]


def test_nobody_there_is_nothing_after_the_time(keypad: Keypad) -> None:
    keys, _, clock = keypad
    assert keys.next_key(0.5) is None
    assert clock.monotonic() == pytest.approx(0.5)


def test_rows_are_never_driven_high_and_columns_are_pulled_up(keypad: Keypad) -> None:
    _, chip, _ = keypad
    claims = [call for call in chip.calls if str(call[0]).startswith("gpio_claim")]
    outputs = [call[2:] for call in claims if call[0] == "gpio_claim_output"]
    assert outputs == [(row, 1, OPEN_DRAIN) for row in ROWS]
    assert [call[2:] for call in claims if call[0] == "gpio_claim_input"][1::2] == [
        (column, PULL_UP) for column in COLUMNS
    ]


def test_at_rest_only_the_columns_are_read(keypad: Keypad) -> None:
    keys, chip, _ = keypad
    chip.calls.clear()
    keys.next_key(0.0)
    assert chip.calls == [("gpio_read", 0x10, column) for column in COLUMNS]


def test_closed_it_leaves_the_rows_alone_and_gives_all_back(keypad: Keypad) -> None:
    keys, chip, _ = keypad
    keys.close()
    assert [chip.levels[row] for row in ROWS] == [1] * 4
    freed = [call[2] for call in chip.calls if call[0] == "gpio_free"]
    assert set(freed[-8:]) == {*ROWS, *COLUMNS}
    assert chip.calls[-1][0] == "gpiochip_close"
    keys.close()


def test_a_line_that_fails_is_told_and_tried_again(keypad: Keypad) -> None:
    keys, chip, _ = keypad
    chip.broken = {"gpio_read": "GPIO error"}
    assert keys.next_key(5.0) is None
    assert keys.trouble.startswith("The keypad: Line 4 of")
    chip.broken = {}
    assert press(keypad, "7") == "7"
    assert keys.trouble == ""


def test_a_line_that_another_holds_is_refused_and_all_given_back() -> None:
    chip = Wired()
    chip.broken = {"gpio_claim_output": "GPIO busy"}
    with pytest.raises(LockError, match="is in use"):
        MatrixKeypad(ROWS, COLUMNS, ChipFactory(0, chip), FakeClock())
    assert chip.calls[-1][0] == "gpiochip_close"


@pytest.mark.parametrize(("rows", "columns"), [((0, 1), (4, 5, 6)), (ROWS, (4, 5, 6, 6))])
def test_a_keypad_that_cannot_be_is_refused(
    rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        MatrixKeypad(rows, columns, ChipFactory(0, FakeLgpio()), FakeClock())
    assert caught.value.code == "bad_keypad"


def through(script: list[tuple[frozenset[str], float]]) -> list[str]:
    held, now, found = Held(), 0.0, []
    for down, passed in script:
        now += passed
        held, key = scanned(held, down, now)
        if key is not None:
            found.append(key)
    return found


def test_bouncing_contacts_are_one_key() -> None:
    on, off = frozenset("5"), frozenset[str]()
    bounce = [(on, 0.004), (off, 0.004)] * 10
    assert through([*bounce, *[(on, 0.005)] * 10, *bounce, *[(off, 0.005)] * 10]) == ["5"]


def test_a_spark_is_no_key() -> None:
    on, off = frozenset("5"), frozenset[str]()
    assert through([(off, 0.01), (on, 0.01), (off, 0.01)] * 50) == []


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.frozensets(st.sampled_from("123456"), max_size=4),
            st.sampled_from([0.0, 0.005, HOLD_S, 1.0]),
        ),
        max_size=60,
    )
)
def test_a_key_is_told_at_most_once_for_each_time_it_goes_down(
    script: list[tuple[frozenset[str], float]],
) -> None:
    found = through(script)
    downs = 0
    before: frozenset[str] = frozenset()
    for down, _ in script:
        downs += len(down - before)
        before = down
    assert len(found) <= downs
