from __future__ import annotations

import pytest

from appliance.config import parse
from appliance.errors import ConfigError


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ("{sources: [keypad]}", "keypad_device is missing"),
        ("{sources: [card]}", "card_device is missing"),
        ("{sources: [keypad], keypad: matrix}", "4 rows and of 3 or 4 columns, not of 0 and 0"),
        (
            "{sources: [keypad], keypad: matrix, keypad_rows: [1, 2], keypad_columns: [4, 5, 6]}",
            "not of 2 and 3",
        ),
        ("{require_pin: [card]}", "require_pin needs keypad"),
        ("{sources: [card, qr], card_device: /dev/input/e1, require_pin: [qr]}", "needs keypad"),
        (
            "{sources: [card, keypad], card_device: /dev/input/e1, keypad_device: /dev/input/e1}",
            "are the same device",
        ),
    ],
)
def test_a_source_without_its_device_is_refused(claims: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"claims: {claims}")
    assert fault in caught.value.message


@pytest.mark.parametrize(
    "claims",
    [
        "{sources: [keypad], keypad_device: /dev/input/e1, require_pin: [keypad]}",
        "{sources: [keypad], keypad: simulated}",
        "{sources: [sole_user, qr]}",
        "{sources: [keypad], keypad: matrix, keypad_rows: [1, 2, 3, 4], keypad_columns: [5, 6, 7]}",
        "{keypad_device: /dev/input/e1, card_device: /dev/input/e1}",
    ],
)
def test_what_is_complete_is_taken(claims: str) -> None:
    parse(f"claims: {claims}")
