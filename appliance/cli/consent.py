"""`appliance people consent|expire`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import click

from appliance import assemble
from appliance.cli.access import enrolled_name
from appliance.cli.session import Session, json_option
from appliance.errors import BadDataError, StoreError
from appliance.ports import Clock
from appliance.store.consent import Consent
from appliance.store.store import Store

if TYPE_CHECKING:
    from rich.console import Console

# Takes an entry back.
NONE = "none"
EVENT = "consent_changed"


def _given(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """A date in ISO 8601, or `none`."""
    if text is None or text == NONE:
        return text
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date such as 2027-03-31, nor `none`.") from None


@click.command("consent")
@click.argument("name")
@click.option("--given", callback=_given, metavar="DATE", help="When the person agreed.")
@click.option("--by", metavar="WHO", help="Who agreed or took it down, and on what.")
@click.option("--purpose", metavar="TEXT", help="What for.")
@click.option(
    "--retain-until",
    callback=_given,
    metavar="DATE",
    help="The last day on which the template may be kept (UTC).",
)
@json_option
@click.pass_obj
def consent(  # noqa: PLR0913, PLR0917 - one argument for each option
    session: Session,
    name: str,
    given: str | None,
    by: str | None,
    purpose: str | None,
    retain_until: str | None,
) -> None:
    """Write down what a person agreed to; without options, show it. `none` takes an entry back.

    \b
    Example:
      appliance people consent alice --given 2026-03-01 --purpose "the front door" \\
        --by "alice, on paper" --retain-until 2027-03-31
    """
    asked = {"given": given, "given_by": by, "purpose": purpose, "retain_until": retain_until}
    changes = {key: text for key, text in asked.items() if text is not None}
    with assemble.store(session.config, create=bool(changes)) as store:
        name = enrolled_name(store, name)
        if changes:
            _change(store, name, changes)
        data = {"name": name, **consent_json(store.consent.read(name))}
    session.result(data, lambda console: _show(console, data))


@click.command("expire")
@click.option("--dry-run", is_flag=True, help="Tell who would be removed, and remove nobody.")
@click.option(
    "--today", metavar="DATE", help="The date, where the clock cannot be believed.", callback=_given
)
@json_option
@click.pass_obj
def expire(session: Session, today: str | None, *, dry_run: bool) -> None:
    """Remove everybody whose --retain-until has passed.

    The service does so by itself once its clock has been right for a day.

    \b
    Example:
      appliance people expire --dry-run
    """
    day = _today(assemble.clock(), today)
    with assemble.store(session.config, create=not dry_run) as store:
        due = store.consent.due(day)
        names = [item.name for item in due]
        if due and not dry_run:
            names = store.remove_expired(due, "local command")
        _warn_of_damage(session, store)
    data = {"dry_run": dry_run, "today": day.isoformat(), "expired": names}
    told = ", ".join(names) or "nobody"
    words = "Would be removed" if dry_run else "Removed"
    session.result(data, lambda console: console.print(f"{words}: {told}.", markup=False))


def consent_json(found: Consent) -> dict[str, object]:
    """What is written down of somebody."""
    return {
        "consent_given": found.given and found.given.isoformat(),
        "consent_by": found.given_by,
        "purpose": found.purpose,
        "retain_until": found.retain_until and found.retain_until.isoformat(),
    }


def warn_of_due(session: Session, store: Store) -> None:
    """Say who may not be kept any longer, and whose last day cannot be read."""
    _warn_of_damage(session, store)
    clock = assemble.clock()
    if not clock.trusted():
        return
    if due := store.consent.due(clock.now().date()):
        names = ", ".join(item.name for item in due)
        session.say(
            f"Warning: the time to keep these has passed: {names}. `appliance people expire` "
            "removes them."
        )


def _warn_of_damage(session: Session, store: Store) -> None:
    try:
        store.consent.check_last_days()
    except StoreError as error:
        session.say(f"Warning: {error.message} {error.hint}")


def _change(store: Store, name: str, changes: dict[str, str]) -> None:
    parsed: dict[str, Callable[[str], object]] = {
        "given": date.fromisoformat,
        "retain_until": date.fromisoformat,
    }
    values = {
        key: None if text == NONE else parsed.get(key, str)(text) for key, text in changes.items()
    }
    # Together: nobody's consent changes without a record.
    with store.together():
        before = store.consent.read(name)
        after = replace(before, **values)  # type: ignore[arg-type]  # by name, as parsed
        if after == before:
            return
        store.consent.write(name, after)
        # What was agreed to can be erased; a log cannot. So it holds the dates and no words.
        detail = {
            "by": "local command",
            "changed": sorted(changes),
            "given": after.given and after.given.isoformat(),
            "retain_until": after.retain_until and after.retain_until.isoformat(),
        }
        store.audit.append(EVENT, name, detail)


def _today(clock: Clock, given: str | None) -> date:
    if given is not None and given != NONE:
        return date.fromisoformat(given)
    if not clock.trusted():
        raise BadDataError(
            "Nobody is removed by a clock that no time server has set since the start.",
            hint="Look at `timedatectl`, or give the date: --today 2027-04-01.",
            code="clock_untrusted",
        )
    return clock.now().date()


def _show(console: Console, data: dict[str, object]) -> None:
    for key, value in data.items():
        console.print(f"{key}: {'not written down' if value is None else value}", markup=False)
