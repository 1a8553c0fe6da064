"""`appliance people code|pin|card|badge`: what somebody claims with at the door.

No secret is ever an argument, where every user of the machine could read it. Each change and
its audit record are one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance import assemble
from appliance.cli.access import enrolled_name
from appliance.cli.session import Session, json_option
from appliance.errors import HardwareError, InputError, UsageError

if TYPE_CHECKING:
    from appliance.store.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])

ADDED = "credential_added"
REMOVED = "credential_removed"

# Seconds to find the card and hold it to the reader.
SWIPE_S = 30.0
# Characters of a line; more is no code, PIN or card.
_LONGEST_LINE = 1024

_remove_option = click.option("--remove", is_flag=True, help="Take it back instead.")
_stdin_option = click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read it from standard input: one line."
)


@click.command("code")
@click.argument("name")
@_stdin_option
@_remove_option
@json_option
@click.pass_obj
def code(session: Session, name: str, *, from_stdin: bool, remove: bool) -> None:
    """Give somebody a user code; draws one and shows it, this once, unless --stdin gives it.

    \b
    Example:
      appliance people code alice
    """
    from appliance.claims import code as codes

    if remove:
        _take_back(session, name, "code")
        return
    wanted = codes.check(_line(_given())) if from_stdin else None
    with assemble.store(session.config) as store:
        name = enrolled_name(store, name)
        with store.together():
            kept = wanted or _unused_code(store)
            _refuse_as_both(store, name, kept)
            store.credentials.add(name, "code", kept)
            _record(store, ADDED, name, "code")
    data: dict[str, object] = {"name": name, "kind": "code"}
    if wanted is None:
        data["code"] = kept
    told = "is kept" if wanted else f"is {kept}; it cannot be shown again"
    session.result(data, lambda it: it.print(f"The code of {name!r} {told}.", markup=False))


@click.command("pin")
@click.argument("name")
@click.option("--duress", is_flag=True, help="A second PIN, which opens and calls for help.")
@_stdin_option
@_remove_option
@json_option
@click.pass_obj
def pin(session: Session, name: str, *, duress: bool, from_stdin: bool, remove: bool) -> None:
    """Give somebody a PIN, asked for twice without being shown, or change it.

    --remove takes the duress PIN along, and with --duress that one alone.

    \b
    Example:
      appliance people pin alice
    """
    from appliance.claims import pin as pins

    kind = "duress_pin" if duress else "pin"
    if remove:
        _take_back(session, name, kind)
        return
    with assemble.store(session.config) as store:
        name = enrolled_name(store, name)
        typed = _given() if from_stdin else _asked(kind)
        chosen = pins.check(_line(typed))
        salt = store.credentials.pin_salt(name)
        if duress and salt is None:
            raise _no_pin(name)
        salt = salt or pins.new_salt()
        digest = pins.digest(chosen, salt)
        with store.together():
            subject = store.credentials.find("code", chosen)
            if subject is not None and subject.name == name:
                raise _code_as_pin()
            if duress:
                store.credentials.keep_duress_pin(name, digest)
            else:
                store.credentials.keep_pin(name, salt, digest)
            _record(store, ADDED, name, kind)
    said = "duress PIN" if duress else "PIN"
    session.result(
        {"name": name, "kind": kind},
        lambda it: it.print(f"The {said} of {name!r} is kept.", markup=False),
    )


@click.command("card")
@click.argument("name")
@_stdin_option
@_remove_option
@json_option
@click.pass_obj
def card(session: Session, name: str, *, from_stdin: bool, remove: bool) -> None:
    """Give somebody a card: waits for one swipe at the configured reader.

    --remove takes back all cards of that person: a lost one, then give the others anew.

    \b
    Example:
      appliance people card alice
    """
    from appliance.claims import card as cards

    if remove:
        _take_back(session, name, "card")
        return
    with assemble.store(session.config) as store:
        name = enrolled_name(store, name)
        typed = _given() if from_stdin else _swiped(session)
        number = cards.check(_line(typed))
        with store.together():
            new = store.credentials.add(name, "card", number)
            if new:
                _record(store, ADDED, name, "card")
    told = f"The card of {name!r} is kept." if new else f"{name!r} had this card already."
    session.result(
        {"name": name, "kind": "card", "new": new}, lambda it: it.print(told, markup=False)
    )


@click.command("badge")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write the picture of the code (PNG), to be printed.",
)
@_remove_option
@json_option
@click.pass_obj
def badge(session: Session, name: str, *, out: Path | None, remove: bool) -> None:
    """Make somebody a badge with a QR code; one from before is worth nothing from then on.

    \b
    Example:
      appliance people badge alice --out badge.png
    """
    from appliance.claims import badge as badges

    if remove:
        _take_back(session, name, "qr")
        return
    if out is None:
        raise UsageError(
            "Where should the badge be written?", hint="Give --out FILE, such as badge.png."
        )
    from appliance.store.exports import new_file
    from appliance.vision import qr

    text = badges.new()
    picture = qr.png(qr.draw(text))
    with assemble.store(session.config) as store:
        name = enrolled_name(store, name)
        # The file first: a badge that could not be written is not kept either.
        with store.together(), new_file(out) as file:
            file.write(picture)
            store.credentials.add(name, "qr", text)
            _record(store, ADDED, name, "qr")
    session.result(
        {"name": name, "kind": "qr", "file": str(out)},
        lambda it: it.print(
            f"The badge of {name!r} is in {out}. Who copies it can claim to be {name!r}, "
            "so print it and delete the file.",
            markup=False,
        ),
    )


def held_json(store: Store, name: str) -> dict[str, object]:
    """What somebody can claim with, for `people show`."""
    held = store.credentials.held(name)
    return {"code": held.code, "cards": held.cards, "badge": held.badge, "pin": held.pin}


def _take_back(session: Session, name: str, kind: str) -> None:
    with assemble.store(session.config) as store, store.together():
        name = enrolled_name(store, name)
        gone = _removed(store, name, kind)
        if gone:
            _record(store, REMOVED, name, kind)
    told = f"Removed from {name!r}." if gone else f"{name!r} had none."
    if kind == "duress_pin":  # whether there was one is nobody's business
        told = f"{name!r} has no duress PIN from now on."
    session.result(
        {"name": name, "kind": kind, "removed": gone}, lambda it: it.print(told, markup=False)
    )


def _removed(store: Store, name: str, kind: str) -> int:
    if kind == "pin":
        return int(store.credentials.remove_pin(name))
    if kind == "duress_pin":
        store.credentials.keep_duress_pin(name, None)
        return 1
    return store.credentials.remove(name, kind)


def _record(store: Store, event: str, name: str, kind: str) -> None:
    store.audit.append(event, name, {"kind": kind, "by": "local command"})


def _unused_code(store: Store) -> str:
    from appliance.claims import code as codes

    while store.credentials.find("code", drawn := codes.new()) is not None:
        continue
    return drawn


def _refuse_as_both(store: Store, name: str, code_: str) -> None:
    from appliance.claims import pin as pins
    from appliance.types import PinVerdict

    salt = store.credentials.pin_salt(name)
    if salt is None:
        return
    if store.credentials.judge_pin(name, pins.digest(code_, salt)) is not PinVerdict.WRONG:
        raise _code_as_pin()


def _asked(kind: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask for the PIN.", hint="Give it with --stdin, one line."
        )
    said = "Duress PIN" if kind == "duress_pin" else "PIN"
    given: str = click.prompt(said, hide_input=True, confirmation_prompt=True, err=True)
    return given


def _given() -> str:
    """The first line of standard input."""
    if sys.stdin is None:
        raise UsageError("There is no standard input.", hint="Pipe one line into the command.")
    try:
        return sys.stdin.readline(_LONGEST_LINE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"Standard input cannot be read: {error}.", hint="One line of text is expected."
        ) from error


def _line(text: str) -> str:
    return text.strip("\r\n \t")


def _swiped(session: Session) -> str:
    """What the configured reader types, up to Enter. HardwareError when nothing comes."""
    from contextlib import closing

    from appliance.claims import typed

    with assemble.devices(session.config), closing(assemble.card_reader(session.config)) as keys:
        if keys.trouble:
            raise HardwareError(keys.trouble, hint="Check claims.card_device, or give --stdin.")
        session.say("Hold the card to the reader.")
        clock, entry = assemble.clock(), typed.Entry()
        alphabet = typed.Keys(typed.CARD_CHARACTERS, SWIPE_S)
        until = clock.monotonic() + SWIPE_S
        while (left := until - clock.monotonic()) > 0:
            key = keys.next_key(min(left, 1.0))
            if key is None:
                continue
            entry, done = typed.press(entry, key, clock.monotonic(), alphabet)
            if isinstance(done, typed.Line):
                return done.text
    raise HardwareError(
        f"No card was read within {SWIPE_S:.0f} seconds. {keys.trouble}".rstrip(),
        hint="Hold it closer, or give its number with --stdin.",
        code="no_card",
    )


def _no_pin(name: str) -> InputError:
    return InputError(
        f"{name!r} has no PIN, so there is nothing for a duress PIN to stand beside.",
        hint="`appliance people pin NAME` sets one.",
        code="no_pin",
    )


def _code_as_pin() -> InputError:
    return InputError(
        "The PIN and the user code must not be the same.",
        hint="A code is no secret: take another PIN or another code.",
        code="same_pin",
    )


COMMANDS = (code, pin, card, badge)
