"""What the lock, the contacts, lamps and loudspeaker do, driven directly: the service stands still.

Each releases, claims and gives back for itself, and whatever ends it leaves the lock at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import Any, Final

from appliance import assemble
from appliance.config import Config
from appliance.door_controller import POLL_S
from appliance.door_values import DoorChange, DoorWord, Happening
from appliance.errors import LockError
from appliance.signals import ON
from appliance.store.store import Store

# A contact counts once it has stood for so long, seconds; as `door_watch` has it.
SETTLED_S: Final = 0.06
# A fail-safe door stands open while the service stands still; held so long, before and after the
# pulse, somebody hears each click by itself and feels that it is locked.
HELD_S: Final = 3.0
LAMP_S: Final = 2.0
SPEAKS_S: Final = 6.0
SENTENCE: Final = "This is a test of the loudspeaker."
_OPEN: Final = frozenset({DoorWord.OPEN, DoorWord.HELD_OPEN, DoorWord.FORCED})


def pulse(config: Config, store: Store, detail: Mapping[str, object]) -> dict[str, Any]:
    """Release the lock for one pulse, recorded as `door_test` before; what it did.

    detail: of the record. Raises LockError, ConfigError, DeviceBusyError or StoreError; the lock is
    then at rest. So it is however else this is left, such as by Ctrl-C.
    """
    changes: list[DoorChange] = []
    read: list[bool] = []
    with ExitStack() as stack:
        stack.enter_context(assemble.devices(config))
        inputs = assemble.door_inputs(config)
        if inputs is not None:
            stack.enter_context(closing(inputs))
        lock = stack.enter_context(closing(assemble.lock(config)))
        controller = assemble.controller(config, lock, store, inputs)

        def hear(change: DoorChange) -> None:
            changes.append(change)
            if change.what is Happening.RELEASED:
                read.append(lock.energised)

        controller.listen(hear)
        held_s = HELD_S if config.door.fail == "safe" else 0.0
        assemble.clock().sleep(held_s)
        record = controller.pulse("door_test", "installer", detail)
        assemble.clock().sleep(held_s)
    return {
        "record": record.number,
        "measured_s": _length(changes),
        "read_back": read[0] if read else None,
        "opened": any(it.state in _OPEN for it in changes),
        "contact": inputs is not None and config.door.contact_pin is not None,
    }


def _length(changes: list[DoorChange]) -> float | None:
    """From the first release to the command that ended it, seconds."""
    begun = next((it.at for it in changes if it.what is Happening.RELEASED), None)
    ended = next((it.at for it in reversed(changes) if it.what is Happening.SECURED), None)
    if begun is None or ended is None or ended < begun:
        return None
    return round(ended - begun, 3)


def contact(config: Config, wait_s: float) -> dict[str, Any]:
    """What the contact read, each position once it had settled, until it had been closed again.

    Raises LockError, ConfigError or DeviceBusyError.
    """
    clock, seen = assemble.clock(), list[str]()
    with ExitStack() as stack:
        stack.enter_context(assemble.devices(config))
        inputs = assemble.door_inputs(config)
        if inputs is None:
            raise LockError("No door contact is connected.", hint="Set door.contact_pin.")
        stack.enter_context(closing(inputs))
        latest, position, since = clock.monotonic() + wait_s, "", 0.0
        while clock.monotonic() < latest and seen != ["closed", "open", "closed"]:
            now = "open" if inputs.read().open else "closed"
            if now != position:
                position, since = now, clock.monotonic()
            elif clock.monotonic() - since >= SETTLED_S and seen[-1:] != [now]:
                seen.append(now)
            clock.sleep(POLL_S)
    return {"seen": seen}


def lamps(config: Config, told: Callable[[str], None]) -> dict[str, Any]:
    """Light each lamp and sound the buzzer, one after the other. told: hears which it is."""
    clock, lines = assemble.clock(), assemble.indicator_lines(config)
    with assemble.devices(config), closing(assemble.indicators(config)) as shown:
        for output in lines:
            told(f"Now: {output.value.replace('_', ' ')}.")
            shown.show({output: ON})
            clock.sleep(LAMP_S)
            shown.show({})
        faults = shown.faults
    return {"order": [output.value for output in lines], "faults": list(faults)}


def sound(config: Config) -> dict[str, Any]:
    """Play or say something, and wait until it is over."""
    clock = assemble.clock()
    with ExitStack() as stack:
        greeter = assemble.speaker(config)
        voices = {it for it in (greeter, assemble.instructor(config, greeter)) if it is not None}
        for voice in voices:
            stack.enter_context(closing(voice))
        faults = [fault for voice in voices for fault in voice.examine()]
        if greeter is not None:
            greeter.greet(SENTENCE)
        else:
            for voice in voices:
                voice.say(SENTENCE)
        clock.sleep(SPEAKS_S)
        faults += [fault for voice in voices for fault in voice.faults if fault not in faults]
    return {"faults": faults}
