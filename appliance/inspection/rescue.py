"""A backup is made and opened again, to see that one can be."""

from __future__ import annotations

import secrets
from typing import Any

import appliance
from appliance import assemble, installed
from appliance.config import Config
from appliance.errors import StoreError
from appliance.store.backup import Embedding, create_backup, read_backup
from appliance.store.store import Store
from appliance.store.workshop import workshop


def backup(config: Config, store: Store, by: str) -> dict[str, Any]:
    """Make a backup under a passphrase of its own, open it to the last byte, and delete it.

    by: for the audit log. Raises StoreError or InputError; StoreError `key_elsewhere` where the key
    of the enrolled faces is handed to the service alone.
    """
    try:
        return _made(config, store, by)
    except StoreError as error:
        installed.complain_of_key(error)
        raise


def _made(config: Config, store: Store, by: str) -> dict[str, Any]:
    location = assemble.location(config)
    models = assemble.manifest(config)
    entry = models.entry(config.model.name, "embedder")
    embedding = Embedding(entry.name, assemble.template_fingerprint(entry, models))
    with workshop(location.folder) as folder:
        file, passphrase = folder / "trial.backup", secrets.token_urlsafe(24)
        create_backup(
            *(store, location, file, passphrase),
            embedding=embedding,
            version=appliance.__version__,
            by=by,
        )
        (unpacked := folder / "unpacked").mkdir(mode=0o700)
        manifest, _ = read_backup(file, passphrase, unpacked)
        size = file.stat().st_size
    return {
        "people": manifest.people,
        "enrolled": len(store.people.summaries()),
        "bytes": size,
        "model": manifest.model,
    }
