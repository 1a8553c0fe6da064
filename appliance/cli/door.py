"""`appliance door test|status`."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from appliance import assemble
from appliance.cli.session import Session, json_option
from appliance.cli.wording import history_json, print_history

if TYPE_CHECKING:
    from rich.console import Console


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

    \b
    Example:
      appliance door test
    """
    config = session.config
    with ExitStack() as stack:
        store = stack.enter_context(assemble.store(config))
        stack.enter_context(assemble.devices(config))
        lock = stack.enter_context(closing(assemble.lock(config)))
        controller = assemble.controller(config, lock, store)
        session.say(f"The lock is released for {config.door.pulse_s:g} s.")
        controller.pulse("door_test", "installer", {"by": "local command"})
        events = list(lock.history)
        simulated = lock.simulated
    data = {"done": True, "simulated": simulated, "history": history_json(events)}
    session.result(data, lambda console: print_history(console, events, simulated=simulated))


@command.command("status")
@json_option
@click.pass_obj
def status(session: Session) -> None:
    """Claim the lock's line, which commands it locked, and tell its state.

    \b
    Example:
      appliance door status
    """
    config = session.config
    with ExitStack() as stack:
        stack.enter_context(assemble.devices(config))
        lock = stack.enter_context(closing(assemble.lock(config)))
        state, simulated = lock.state.value, lock.simulated
    data = {
        "state": state,
        "simulated": simulated,
        "driver": config.door.driver,
        "chip": config.door.chip,
        "pin": config.door.pin,
        "active_high": config.door.active_high,
        "contact": None,
        "request_to_exit": None,
    }
    session.result(data, lambda console: _status(console, data))


def _status(console: Console, data: dict[str, object]) -> None:
    kind = "simulated lock" if data["simulated"] else f"chip {data['chip']}, line {data['pin']}"
    console.print(f"{data['state']} ({kind}); no door contact, no request-to-exit button.")
