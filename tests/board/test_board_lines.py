"""The trace of the board's lines, read back."""

from __future__ import annotations

import pytest

from tests.board.lines import Change, Drive, Pulse, parse_trace

CHIP = "/machine/unattached/device[7]"
RELAY = 5


def line(at: float, event: str, rest: str) -> str:
    return f"4711@{at:.6f}:pl061_{event} {CHIP} {rest}"


def update(at: float, direction: int, data: int) -> str:
    return line(at, "update", f"GPIODIR 0x{direction:x} GPIODATA 0x{data:x} pullups 0x0")


def level(at: float, number: int, value: int) -> str:
    return line(at, "set_output", f"setting output {number} to {value}")


BOOT = [
    line(100.0, "reset", "reset"),
    *(level(100.0, number, 0) for number in range(8)),
    update(100.1, 0x00, 0x80),
]


def test_a_pulse_lasts_from_its_rise_to_its_fall() -> None:
    trace = parse_trace([*BOOT, level(130.0, RELAY, 1), level(133.25, RELAY, 0)])
    assert trace.pulses(RELAY) == [Pulse(130.0, 133.25)]
    assert trace.pulses(RELAY)[0].length_s == 3.25


def test_a_pulse_that_the_trace_does_not_end_has_no_length() -> None:
    trace = parse_trace([*BOOT, level(130.0, RELAY, 1)])
    assert trace.pulses(RELAY) == [Pulse(130.0, None)]
    assert trace.pulses(RELAY)[0].length_s is None


def test_a_line_that_is_high_from_reset_on_is_a_pulse() -> None:
    trace = parse_trace([line(100.0, "reset", "reset"), level(100.0, RELAY, 1)])
    assert trace.pulses(RELAY) == [Pulse(100.0, None)]


def test_other_lines_do_not_count() -> None:
    trace = parse_trace([*BOOT, level(130.0, 4, 1), level(131.0, 4, 0)])
    assert trace.pulses(RELAY) == []
    assert trace.levels(RELAY) == [Change(100.0, 0)]


def test_a_reset_in_a_pulse_ends_it() -> None:
    again = [line(140.0, "reset", "reset"), *(level(140.0, number, 0) for number in range(8))]
    trace = parse_trace([*BOOT, level(139.0, RELAY, 1), *again])
    assert trace.pulses(RELAY) == [Pulse(139.0, 140.0)]
    assert trace.resets == (100.0, 140.0)


def test_the_guest_drives_what_it_made_an_output() -> None:
    trace = parse_trace(
        [
            *BOOT,
            update(120.0, 0x20, 0x80),
            update(130.0, 0x20, 0xA0),
            update(131.0, 0x20, 0xA0),
            update(133.0, 0x20, 0x80),
            update(140.0, 0x00, 0x80),
        ]
    )
    assert trace.drives(RELAY) == [
        Drive(100.1, None),
        Drive(120.0, 0),
        Drive(130.0, 1),
        Drive(133.0, 0),
        Drive(140.0, None),
    ]


def test_what_came_in_is_told_by_line() -> None:
    pressed = line(150.0, "input_change", "input 7 changed to 0")
    trace = parse_trace([*BOOT, pressed])
    assert trace.pressed(7) == [Change(150.0, 0)]
    assert trace.pressed(6) == []


def test_lines_of_other_events_are_passed_over() -> None:
    trace = parse_trace(["qemu: warning", *BOOT, "4711@100.2:virtio_notify x"])
    assert trace.resets == (100.0,)


def test_what_is_no_trace_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin with a reset"):
        parse_trace(["nothing"])


def timer(at: float, seconds: float, number: int = 1) -> str:
    ticks = round(seconds * 62_500_000)
    return f"4711@{at:.6f}:arm_gt_cval_write gt_cval_write: timer {number} value 0x{ticks:x}"


def test_a_pulse_is_as_long_as_the_guest_finds_it() -> None:
    seen = [timer(129.0, 12.0), level(130.0, RELAY, 1), timer(150.0, 14.9), timer(158.0, 15.0)]
    trace = parse_trace([*BOOT, *seen, level(160.0, RELAY, 0), timer(161.0, 16.0)])
    assert trace.pulses(RELAY)[0].length_s == 3.0
    assert trace.between(129.5, 155.0) == pytest.approx(2.9)


def test_other_timers_and_times_before_the_first_tell_nothing() -> None:
    trace = parse_trace([*BOOT, timer(129.0, 12.0, number=0), level(130.0, RELAY, 1)])
    assert trace.guest_seconds(130.0) is None
    assert trace.between(130.0, 131.0) is None
