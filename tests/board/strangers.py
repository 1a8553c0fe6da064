"""Templates of people whom no face is like: random vectors, which can be enrolled as any other."""

from __future__ import annotations

import base64

import numpy as np

from appliance import assemble
from appliance.config import Config
from appliance.store.codec import encode_template
from appliance.types import Template

_FRAMES, _DIMENSIONS = 5, 192


def templates(count: int) -> list[str]:
    """So many, each the body of `PUT /v1/people/NAME/template` for the default network."""
    config = Config()
    models = assemble.manifest(config)
    entry = models.entry(config.model.name, "embedder")
    fingerprint = assemble.template_fingerprint(entry, models)
    return [_template(entry.name, fingerprint, seed) for seed in range(count)]


def _template(model: str, fingerprint: str, seed: int) -> str:
    from appliance.control.words import TemplateSent

    vectors = np.random.default_rng(seed).normal(size=(_FRAMES + 1, _DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors.astype(np.float32)
    made = Template(vectors=rows[1:], mean=rows[0], model=model, fingerprint=fingerprint)
    sent = base64.b64encode(encode_template(made)).decode("ascii")
    return TemplateSent(model=model, fingerprint=fingerprint, template=sent).model_dump_json()
