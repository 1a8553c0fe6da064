"""`appliance config check|show`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from appliance import config as configuration
from appliance.cli.session import Session, json_option
from appliance.config import Config
from appliance.doctor import unsupported_target
from appliance.errors import ModelError


@click.group("config")
def command() -> None:
    """The settings in force.

    \b
    Example:
      appliance config check
    """


@command.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def check(session: Session, file: Path | None) -> None:
    """Check a config file, or the one in force; every fault is told at once.

    \b
    Example:
      appliance config check /etc/appliance/config.yaml
    """
    path = file or session.config_path
    if path is not None:
        configuration.load(path)
    where = "the defaults (there is no config file)" if path is None else str(path)
    _warn(session, session.config if file is None else configuration.load(file))
    told = {"ok": True, "file": None if path is None else str(path)}
    session.result(told, lambda console: console.print(f"{where}: no fault.", markup=False))


def _warn(session: Session, config: Config) -> None:
    """Say what is no fault of the file, but will not be kept: a rate nobody can vouch for."""
    if config.model.name == configuration.AUTO:
        return  # which model that means is doctor's matter
    with suppress(ModelError):  # models that are missing are doctor's matter, too
        if doubt := unsupported_target(config):
            session.say(f"Warning: {doubt}.")


@command.command("show")
@json_option
@click.pass_obj
def show(session: Session) -> None:
    """Show every setting in force, defaults included and secrets hidden.

    \b
    Example:
      appliance config show --json
    """
    data: dict[str, Any] = session.written.model_dump(mode="json")
    session.result(data, lambda console: console.print(_yaml(data), markup=False, end=""))


def _yaml(data: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
