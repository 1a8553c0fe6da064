"""`appliance door test|status`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from appliance import assemble
from appliance.cli.session import Session, json_option
from appliance.cli.wording import history_json, print_history
from appliance.door_values import DoorChange, DoorReadings, DoorWord

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.ports import DoorInputs

# The states of a door whose leaf stands open.
_OPEN = frozenset({DoorWord.OPEN, DoorWord.HELD_OPEN, DoorWord.FORCED})


@click.group("door")
def command() -> None:
    """The lock, for the installer.

    \b
    Example:
      appliance door test
    """


@command.command("test")
@json_option
@click.pass_obj
def test(session: Session) -> None:
    """Pulse the lock once, as an accepted attempt would. Audited.

    Open the door meanwhile: the contact is watched, and closing the door ends the pulse.

    \b
    Example:
      appliance door test
    """
    config = session.config
    with ExitStack() as stack:
        store = stack.enter_context(assemble.store(config))
        stack.enter_context(assemble.devices(config))
        inputs = _inputs(stack, config)
        lock = stack.enter_context(closing(assemble.lock(config)))
        controller = assemble.controller(config, lock, store, inputs)
        opened: list[DoorChange] = []
        controller.listen(lambda it: opened.append(it) if it.state in _OPEN else None)
        session.say(f"The lock is released for {config.door.pulse_s:g} s.")
        controller.pulse("door_test", "installer", {"by": "local command"})
        after = controller.status()
        events = list(lock.history)
        simulated = lock.simulated
    data = {
        "done": True,
        "simulated": simulated,
        "history": history_json(events),
        "opened": None if after.open is None else bool(opened),
        **_inputs_json(DoorReadings(after.open, after.exit_pressed, after.tampered)),
    }

    def people(console: Console) -> None:
        print_history(console, events, simulated=simulated)
        console.print(f"Now: {_describe(data)}.")

    session.result(data, people)


@command.command("status")
@json_option
@click.pass_obj
def status(session: Session) -> None:
    """Claim the lock's line, which commands it locked, and tell how line and inputs stand.

    \b
    Example:
      appliance door status
    """
    config = session.config
    with ExitStack() as stack:
        stack.enter_context(assemble.devices(config))
        inputs = _inputs(stack, config)
        lock = stack.enter_context(closing(assemble.lock(config)))
        state, simulated, energised = lock.state.value, lock.simulated, lock.energised
        readings = DoorReadings() if inputs is None else inputs.read()
    data = {
        "state": state,
        "energised": energised,
        "simulated": simulated,
        "driver": config.door.driver,
        "chip": config.door.chip,
        "pin": config.door.pin,
        "active_high": config.door.active_high,
        "fail": config.door.fail,
        **_inputs_json(readings),
    }
    session.result(data, lambda console: _status(console, data))


def _inputs(stack: ExitStack, config: Config) -> DoorInputs | None:
    """Contact, button and tamper contact, given back at the end; None where there are none."""
    inputs = assemble.door_inputs(config)
    return None if inputs is None else stack.enter_context(closing(inputs))


def _inputs_json(readings: DoorReadings) -> dict[str, object]:
    """What the inputs read; null: not connected."""
    contact = {None: None, True: "open", False: "closed"}[readings.open]
    return {
        "contact": contact,
        "request_to_exit": readings.exit_pressed,
        "tamper": readings.tampered,
    }


def _status(console: Console, data: dict[str, object]) -> None:
    kind = "simulated lock" if data["simulated"] else f"chip {data['chip']}, line {data['pin']}"
    current = "energised" if data["energised"] else "without current"
    console.print(f"{data['state']}, {current} ({kind}, fail-{data['fail']}); {_describe(data)}.")


def _describe(data: Mapping[str, object]) -> str:
    """Contact, button and tamper contact in a line."""
    contact, pressed, tampered = (data[key] for key in ("contact", "request_to_exit", "tamper"))
    return ", ".join(
        [
            "no door contact" if contact is None else f"door {contact}",
            "no request-to-exit button"
            if pressed is None
            else f"button {'pressed' if pressed else 'not pressed'}",
            "no tamper contact"
            if tampered is None
            else f"tamper contact {'open: alarm' if tampered else 'quiet'}",
        ]
    )
