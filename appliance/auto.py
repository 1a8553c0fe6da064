"""What `model.name: auto` means on this machine.

The rules of `model_choice` are brought together with the machine, its measurements and who is
enrolled. A command settles it once, at its beginning: two answers within one command could compare
an embedding with the threshold of another model.
"""

from __future__ import annotations

import json
from importlib import metadata

from appliance import assemble, model_choice
from appliance import host as machine
from appliance.config import AUTO, Config
from appliance.errors import ModelError, StoreError
from appliance.host import Host
from appliance.model_choice import Choice, Record
from appliance.store.choice import keep_choice, read_choice
from appliance.types import PersonSummary
from appliance.vision.interpreter import runtime


def settled(config: Config) -> Config:
    """The config with the name of a model where it says `auto`."""
    if config.model.name != AUTO:
        return config
    return named(config, choice(config).name)


def named(config: Config, model: str) -> Config:
    """The config with another embedder."""
    return config.model_copy(update={"model": config.model.model_copy(update={"name": model})})


def choice(config: Config) -> Choice:
    """What `auto` means on this machine. Never fails: what is broken is told where it is used."""
    try:
        models, here = assemble.manifest(config), host()
    except ModelError as error:
        return Choice(model_choice.FALLBACK, False, f"the models cannot be used: {error.message}")
    return model_choice.choose(
        record(config),
        here,
        models,
        lambda: _enrolled_or_nobody(config),
        lambda entry: assemble.template_fingerprint(entry, models),
    )


def record(config: Config) -> Record | str:
    """What was measured here, or a clause that says why nothing readable is there."""
    try:
        content = read_choice(assemble.location(config).model_choice)
    except StoreError as error:
        return f"the measurements cannot be read: {error.message.rstrip('.')}"
    if content is None:
        return "no model was measured here yet"
    return model_choice.read_record(content)


def keep(config: Config, table: Record) -> None:
    """Put the record in the place of the former one. StoreError where that is not possible."""
    text = json.dumps(model_choice.record_json(table), indent=2, allow_nan=False)
    keep_choice(assemble.location(config).model_choice, f"{text}\n".encode())


def enrolled(config: Config) -> list[PersonSummary]:
    """Everybody in the store; nobody where there is none. StoreError where it cannot be read."""
    with assemble.store(config, create=False) as store:
        return store.people.summaries()


def host() -> Host:
    """This machine and its runtime. ModelError where no runtime is installed."""
    package = runtime().__name__.split(".")[0]
    try:
        version = metadata.version(package.replace("_", "-"))
    except metadata.PackageNotFoundError:
        version = None
    return machine.host(package, version)


def _enrolled_or_nobody(config: Config) -> list[PersonSummary]:
    try:
        return enrolled(config)
    except StoreError:
        # Nobody can be compared with anybody then, and whoever opens the store tells why.
        return []
