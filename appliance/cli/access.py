"""`appliance people access`, and how a permission is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click

from appliance import access, assemble
from appliance.access import Permission
from appliance.cli.session import Session, json_option
from appliance.errors import InputError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.store.store import Store

# Takes a first or a last day back.
NONE = "none"
EVENT = "access_changed"

T = TypeVar("T")


@click.command("access")
@click.argument("name")
@click.option(
    "--allow",
    "windows",
    multiple=True,
    metavar="WINDOW",
    help="A part of the week, such as 'mon-fri 08:00-18:00'. Repeatable; those given take the "
    "place of all from before.",
)
@click.option("--from", "first", metavar="DATE", help="The first day or moment, or `none`.")
@click.option("--until", "last", metavar="DATE", help="The last day or moment, or `none`.")
@click.option(
    "--keeper/--no-keeper",
    default=None,
    help="Whether this person may open with code and PIN while the camera is out of order.",
)
@click.option("--always", is_flag=True, help="At any time, from now on and for good.")
@json_option
@click.pass_obj
def command(  # noqa: PLR0913, PLR0917 - one argument for each option
    session: Session,
    name: str,
    windows: tuple[str, ...],
    first: str | None,
    last: str | None,
    keeper: bool | None,  # noqa: FBT001 - click hands it over by name
    always: bool,  # noqa: FBT001 - click hands it over by name
) -> None:
    """Say when a person may enter; without options, show it. Needs no key.

    \b
    Example:
      appliance people access alice --allow "mon-fri 08:00-18:00" --until 2026-12-31
    """
    if always and (windows or first is not None or last is not None):
        raise UsageError(
            "--always means at any time, so --allow, --from and --until say something else.",
            hint="Leave one of them out.",
        )
    change = _change(windows, first, last, keeper, always=always)
    with assemble.store(session.config, create=change is not None) as store:
        name = enrolled_name(store, name)
        if change is not None:
            _keep(store, name, change)
        data = {"name": name, **access_json(session.config, store, name)}
    session.result(data, lambda console: _show(console, data))


def access_json(config: Config, store: Store, name: str) -> dict[str, object]:
    """When a person may enter, and whether that is now. StoreError when it cannot be read."""
    permission = store.permissions.get(name)
    refusal = assemble.access(config, store).refusal(name)
    return {
        "access": access.words(permission),
        "windows": [str(window) for window in permission.windows],
        "not_before": _iso(permission.not_before),
        "expires": _iso(permission.expires),
        "keeper": permission.keeper,
        "permitted_now": refusal is None,
        "why_not": None if refusal is None else refusal.why,
    }


def summary_json(permission: Permission) -> dict[str, object]:
    """What a list shows of it."""
    return {"access": access.words(permission), "keeper": permission.keeper}


def summary(permission: Permission) -> str:
    """The same in one cell."""
    return access.words(permission) + (" (keeper)" if permission.keeper else "")


def enrolled_name(store: Store, name: str) -> str:
    """The name as it was enrolled. InputError `unknown_person`. Opens no template."""
    known = store.permissions.enrolled(name)
    if known is None:
        raise InputError(
            f"Nobody called {name!r} is enrolled.",
            hint="`appliance people list` shows who is.",
            code="unknown_person",
        )
    return known


def _change(
    windows: Sequence[str],
    first: str | None,
    last: str | None,
    keeper: bool | None,  # noqa: FBT001 - of three values, none is a switch
    *,
    always: bool,
) -> Callable[[Permission], Permission] | None:
    """What the options ask for; None where they ask for nothing."""
    parsed = access.parse_windows(windows)
    begins, ends = _given(first, access.parse_from), _given(last, access.parse_until)

    def changed(now: Permission) -> Permission:
        if always:
            now = Permission(keeper=now.keeper)
        wanted = replace(
            now,
            windows=parsed or now.windows,
            not_before=now.not_before if first is None else begins,
            expires=now.expires if last is None else ends,
            keeper=now.keeper if keeper is None else keeper,
        )
        access.require_sense(wanted)
        return wanted

    asked = always or windows or first is not None or last is not None or keeper is not None
    return changed if asked else None


def _given(text: str | None, parse: Callable[[str], T]) -> T | None:
    return None if text is None or text.strip().lower() == NONE else parse(text)


def _keep(store: Store, name: str, change: Callable[[Permission], Permission]) -> None:
    # Together: nobody's permission changes without a record, and none from an older one.
    with store.together():
        before = store.permissions.get(name)
        after = change(before)
        if after == before:
            return
        store.permissions.put(name, after)
        was, now = summary_json(before), summary_json(after)
        detail = {"by": "local command", "before": was, "after": now}
        store.audit.append(EVENT, name, detail)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="minutes")


def _show(console: Console, data: dict[str, object]) -> None:
    role = ", and keeps the door" if data["keeper"] else ""
    now = "permitted now" if data["permitted_now"] else f"not now: {data['why_not']}"
    console.print(f"{data['name']}: {data['access']}{role} ({now}).", markup=False)
