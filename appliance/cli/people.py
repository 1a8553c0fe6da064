"""`appliance people list|show|access|consent|expire|remove`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
import numpy as np

from appliance import assemble
from appliance.access import ALWAYS, Permission
from appliance.cli import access, consent, credentials
from appliance.cli.session import Session, json_option
from appliance.errors import InputError
from appliance.types import Person, PersonSummary

if TYPE_CHECKING:
    from rich.console import Console


@click.group("people")
def command() -> None:
    """Who is enrolled.

    \b
    Example:
      appliance people list
    """


command.add_command(access.command)
for subcommand in credentials.COMMANDS:
    command.add_command(subcommand)
command.add_command(consent.consent)
command.add_command(consent.expire)


@command.command("list")
@json_option
@click.pass_obj
def list_people(session: Session) -> None:
    """List everybody, by name. Needs no key.

    \b
    Example:
      appliance people list --json
    """
    with assemble.store(session.config, create=False) as store:
        found, permitted = store.people.summaries(), store.permissions.everybody()
        consent.warn_of_due(session, store)
    people = [
        _summary(item) | access.summary_json(permitted.get(item.name, ALWAYS)) for item in found
    ]
    session.result({"people": people}, lambda it: _table(it, found, permitted))


@command.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one person's template: when, with what, of how many frames that agree how well.

    \b
    Example:
      appliance people show alice
    """
    with assemble.store(session.config, create=False) as store:
        person = store.people.get(name)
        if person is None:
            raise _unknown(name)
        data = _details(person) | access.access_json(session.config, store, person.name)
        data |= credentials.held_json(store, person.name)
        data |= consent.consent_json(store.consent.read(person.name))
    session.result(data, lambda console: _lines(console, data))


@command.command("remove")
@click.argument("name")
@json_option
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Erase a person's template for good.

    \b
    Example:
      appliance people remove alice
    """
    # Together: nobody disappears without a record.
    with assemble.store(session.config) as store, store.together():
        if not store.people.remove(name):
            raise _unknown(name)
        store.failures.clear(name)
        store.audit.append("removed", name, {"by": "local command"})
    session.result({"removed": name}, lambda it: it.print(f"Removed {name!r}.", markup=False))


def _unknown(name: str) -> InputError:
    return InputError(
        f"Nobody called {name!r} is enrolled.",
        hint="`appliance people list` shows who is.",
        code="unknown_person",
    )


def _summary(item: PersonSummary) -> dict[str, object]:
    return {
        "name": item.name,
        "model": item.model,
        "fingerprint": item.fingerprint,
        "count": item.count,
        "created": item.created.isoformat(),
        "updated": item.updated.isoformat(),
    }


def _details(person: Person) -> dict[str, object]:
    template = person.template
    to_mean = template.vectors @ template.mean
    return {
        "name": person.name,
        "model": template.model,
        "fingerprint": template.fingerprint,
        "count": template.count,
        "created": person.created.isoformat(),
        "updated": person.updated.isoformat(),
        "similarity_to_mean": {
            "least": round(float(np.min(to_mean)), 4),
            "mean": round(float(np.mean(to_mean)), 4),
        },
    }


def _table(
    console: Console, found: list[PersonSummary], permitted: Mapping[str, Permission]
) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found:
        console.print("Nobody is enrolled yet. Begin with `appliance enroll --name NAME`.")
        return
    columns = ("Name", "Frames", "Model", "Updated (UTC)", "May enter")
    table = Table(*columns, box=None, header_style="bold")
    for item in found:
        when = f"{item.updated:%Y-%m-%d %H:%M}"
        # Brackets in a name are no colours.
        may = access.summary(permitted.get(item.name, ALWAYS))
        table.add_row(Text(item.name), str(item.count), item.model, when, may)
    console.print(table)


def _lines(console: Console, data: dict[str, object]) -> None:
    for key, value in data.items():
        console.print(f"{key}: {value}", markup=False)
