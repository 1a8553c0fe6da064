"""What decides what is found in a picture and what a model makes of it, as two fingerprints.

Beside the networks, their settings and the libraries, it is the appliance's own source code: a
change of any of it must not be answered from what was found before.
"""

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from appliance.config import Config
from appliance.vision.manifest import Entry, Manifest

# The layout of what is kept: another number finds an empty cache.
FORMAT = 1
# Source files beside `vision` that decide what a picture becomes.
AROUND = (
    "types.py",
    "perception.py",
    "assemble.py",
    "evaluation/embed.py",
    "evaluation/workers.py",
    *(
        f"hardware/{name}.py"
        for name in ("files", "headers", "pace", "pictures", "quiet", "videos")
    ),
)
# Modules of `vision` that have no say in either layer (the manifest's content is in the key), and
# those that come into play only when the face is found.
_NO_SAY = frozenset({"__init__", "manifest", "motion", "tracker"})
_LATER = frozenset({"alignment", "embedding", "predictor", "quality"})
_LIBRARIES = ("ai-edge-litert", "tflite-runtime", "onnxruntime", "dlib-bin", "dlib")


@dataclass(frozen=True)
class Keys:
    """The fingerprints of both layers, 32 hexadecimal digits each."""

    faces: str
    vectors: str


def keys(config: Config, models: Manifest, entry: Entry, package: Path | None = None) -> Keys:
    """Fingerprint everything that decides what is found in a picture and what `entry` makes of it.

    package: the folder of the appliance's source code; the running one by default.
    """
    root = package or Path(__file__).resolve().parent.parent
    finders = [item for item in models.entries.values() if item.role not in _NOT_FINDERS]
    faces = _fingerprint(
        format=FORMAT,
        code=_code(root, _NO_SAY | _LATER),
        libraries=_libraries(),
        machine=platform.machine(),
        detector=config.detector.model_dump(mode="json"),
        models={item.name: [item.sha256, item.input.model_dump()] for item in finders},
    )
    vectors = _fingerprint(
        faces=faces,
        code=_code(root, _NO_SAY),
        model=config.model.model_dump(mode="json", exclude={"name", "directory", "threads"}),
        network=[entry.sha256, entry.input.model_dump(), entry.alignment.model_dump()],
        limits=config.quality.model_dump(mode="json"),
    )
    return Keys(faces, vectors)


_NOT_FINDERS = frozenset({"embedder", "liveness"})


def _fingerprint(**parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _code(root: Path, without: frozenset[str]) -> dict[str, str]:
    stages = sorted(path for path in (root / "vision").glob("*.py") if path.stem not in without)
    files = [*stages, *(root / name for name in AROUND)]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _libraries() -> dict[str, str]:
    found = {"numpy": np.__version__, "opencv": cv2.__version__}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
