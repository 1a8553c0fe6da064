"""A trained classifier as files: what it is in JSON, and its estimator and templates by skops.

No pickle: loading one runs what is in it. skops keeps objects as a tree of types by name and
arrays as .npy. Before any of that is read here, the file must have the size and the SHA-256 that
the JSON names, and afterwards only types that are on a list written for the kind of classifier;
skops' own list of what it trusts has nearly six hundred. Whoever can replace both files can put
another classifier there, but makes nothing run; against that helps the SHA-256 of the JSON file,
which names the whole classifier and can be kept elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import ApplianceError, InputError
from appliance.training import files
from appliance.training.classifier import Classifier, Kind, Origin
from appliance.training.classifier_kinds import require_sklearn

FORMAT: Literal[1] = 1
RECORD = "classifier.json"
_ESTIMATOR = "classifier-{:.16}.skops"
_ARRAY = re.compile(r"[0-9]+\.npy")
_OURS = re.compile(r"classifier-[0-9a-f]{16}\.skops")
_LIBRARY = "scikit-learn"
AGAIN = "Train it anew: `appliance classifier train DIR --kind svm`."
# Unpacked; that of 2,835 people is 20 MB. The tree of types is 22 kB at most, however many people
# there are; JSON takes many times its size in memory.
_MOST_BYTES = 1 << 30
_MOST_OF_TREE = 1 << 20

_Type = tuple[str, str, str]
_PLAIN: frozenset[_Type] = frozenset(
    {
        ("builtins", "dict", "DictNode"),
        ("builtins", "list", "ListNode"),
        ("builtins", "tuple", "TupleNode"),
        ("builtins", "str", "JsonNode"),
        ("builtins", "str", "TypeNode"),
        ("numpy", "ndarray", "NdArrayNode"),
        ("numpy", "float64", "NdArrayNode"),
        ("numpy", "int64", "NdArrayNode"),
    }
)
_OF_A_KIND: dict[str, frozenset[_Type]] = {
    "svm": frozenset({("sklearn.svm._classes", "LinearSVC", "ObjectNode")}),
    "knn": frozenset({("sklearn.neighbors._classification", "KNeighborsClassifier", "ObjectNode")}),
    "mlp": frozenset(
        {
            ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier", "ObjectNode"),
            ("sklearn.preprocessing._label", "LabelBinarizer", "ObjectNode"),
        }
    ),
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class _File(_Strict):
    name: str = Field(pattern=f"^{_OURS.pattern}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=1)


class _Record(_Strict):
    format: Literal[1]
    kind: Kind
    model: str | None
    fingerprint: str | None
    dimensions: int = Field(ge=1, le=65_536)
    people: tuple[str, ...] = Field(min_length=2, strict=False)
    temperature: float = Field(gt=0)
    least_similarity: float = Field(ge=-1, le=2)
    scikit_learn: str
    file: _File


def write(folder: Path, classifier: Classifier) -> str:
    """Put a classifier into a folder, in the place of an earlier one; the SHA-256 of its record.

    The record comes last, so whoever reads sees the old classifier or the new one. InputError
    when nothing can be written.
    """
    import skops.io

    files.make_folder(folder)
    content: bytes = skops.io.dumps(
        {"estimator": classifier.estimator, "templates": classifier.templates}
    )
    digest = hashlib.sha256(content).hexdigest()
    name = _ESTIMATOR.format(digest)
    files.replace(folder / name, content)
    record = _Record(
        format=FORMAT,
        kind=classifier.kind,
        model=classifier.origin.model,
        fingerprint=classifier.origin.fingerprint,
        dimensions=classifier.origin.dimensions,
        people=classifier.people,
        temperature=classifier.temperature,
        least_similarity=classifier.least_similarity,
        scikit_learn=metadata.version(_LIBRARY),
        file=_File(name=name, sha256=digest, size=len(content)),
    )
    files.replace_json(folder / RECORD, record.model_dump(mode="json"))
    for old in folder.glob(_ESTIMATOR.format("*")):
        if old.name != name and _OURS.fullmatch(old.name):  # a user's own is left alone
            with suppress(OSError):  # an earlier one's, which nothing names any more
                old.unlink()
    return sha256(folder)


def sha256(folder: Path) -> str:
    """What names the classifier in a folder: the SHA-256 of its record, which has the other's."""
    return hashlib.sha256(files.read(folder / RECORD)).hexdigest()


def read(folder: Path, wanted: str | None = None) -> Classifier:
    """Load a classifier. wanted: the SHA-256 of its record, for those who kept it.

    InputError when there is none, when a file was altered, holds a type that no such classifier
    has, or was written by another version of scikit-learn; nothing in it is ever run.
    """
    path = folder / RECORD
    if not path.is_file():
        raise InputError(f"{folder} holds no {RECORD}.", hint=AGAIN, code="no_classifier")
    content = files.read(path)
    if wanted is not None and hashlib.sha256(content).hexdigest() != wanted.lower():
        raise InputError(
            f"{path} is not the classifier that was asked for: its SHA-256 is another.",
            hint="`train` printed it; was the classifier trained again, or replaced?",
            code="altered",
        )
    record = _record(path, content)
    require_sklearn()
    _same_version(path, record)
    held = _held(folder / record.file.name, record)
    try:
        return _classifier(held, record)
    except ApplianceError:
        raise
    except Exception as error:
        raise InputError(
            f"{folder / record.file.name} is no classifier that can be used: "
            f"{type(error).__name__}.",
            hint=AGAIN,
            code="bad_classifier",
        ) from error


def _record(path: Path, content: bytes) -> _Record:
    try:
        record = _Record.model_validate(json.loads(content))
    except (ValueError, RecursionError) as error:
        told = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(
            f"{path} cannot be understood: {told}.", hint=AGAIN, code="bad_classifier"
        ) from error
    if len(set(record.people)) < len(record.people):
        raise InputError(f"{path} names somebody twice.", hint=AGAIN, code="bad_classifier")
    return record


def _same_version(path: Path, record: _Record) -> None:
    here = metadata.version(_LIBRARY)
    if here.split(".")[:2] != record.scikit_learn.split(".")[:2]:
        raise InputError(
            f"{path} was written with {_LIBRARY} {record.scikit_learn}, and {here} is installed; "
            "the one does not promise to understand the other.",
            hint=AGAIN,
            code="other_version",
        )


def _held(path: Path, record: _Record) -> dict[str, Any]:
    """What is in the estimator's file, once it is the right one and holds nothing else."""
    content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    if (len(content), digest) != (record.file.size, record.file.sha256):
        raise InputError(
            f"{path} was altered after it was written: its SHA-256 is not the one in {RECORD}.",
            hint=AGAIN,
            code="altered",
        )
    types, own = set(_types(path, content)), _OF_A_KIND[record.kind]
    if foreign := sorted(types - _PLAIN - own):
        module, name, _ = foreign[0]
        raise InputError(
            f"{path} holds a {module}.{name}, which no {record.kind} classifier has; nothing of it "
            "was loaded.",
            hint=f"Do not use this file. {AGAIN}",
            code="untrusted",
        )
    if not own <= types:
        raise _no_file(path, TypeError("no estimator"))
    # Only now: skops loads all of scikit-learn, which takes seconds.
    import skops.io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a patch version of scikit-learn
        try:
            found = skops.io.loads(content, trusted=[])
        except Exception as error:
            raise _no_file(path, error) from error
    if not isinstance(found, dict):
        raise _no_file(path, TypeError("no dict"))
    return found


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(
            f"{path}, which {RECORD} names, is not there.", hint=AGAIN, code="missing_file"
        )
    return files.read(path)


def _types(path: Path, content: bytes) -> Iterator[_Type]:
    """Every type that the file names. InputError where it is none of skops."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MOST_BYTES:
                raise ValueError("too large")  # noqa: TRY301 - told as the others are
            names = [item.filename for item in archive.infolist()]
            arrays = (name for name in names if name != "schema.json")
            if len(set(names)) < len(names) or not all(map(_ARRAY.fullmatch, arrays)):
                raise ValueError("foreign members")  # noqa: TRY301 - likewise
            if archive.getinfo("schema.json").file_size > _MOST_OF_TREE:
                raise ValueError("too large a tree")  # noqa: TRY301 - likewise
            schema = json.loads(archive.read("schema.json"))
        yield from _named(schema)
    except Exception as error:
        raise _no_file(path, error) from error


def _named(node: Any) -> Iterator[_Type]:
    if isinstance(node, dict):
        if "__class__" in node or "__loader__" in node:
            yield tuple(str(node.get(f"__{it}__")) for it in ("module", "class", "loader"))  # type: ignore[misc] # three of them
        for part in node.values():
            yield from _named(part)
    elif isinstance(node, list):
        for part in node:
            yield from _named(part)


def _no_file(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is no file of a classifier ({type(error).__name__}).",
        hint=AGAIN,
        code="bad_classifier",
    )


def _classifier(held: dict[str, Any], record: _Record) -> Classifier:
    """Put together, and asked once: whatever does not fit is found here."""
    known = np.asarray(held["templates"])
    estimator = held["estimator"]
    count = len(record.people)
    if known.shape != (count, record.dimensions) or not np.isfinite(known).all():
        raise ValueError("templates")
    if list(estimator.classes_) != list(range(count)):
        raise ValueError("classes")
    classifier = Classifier(
        kind=record.kind,
        people=record.people,
        estimator=estimator,
        templates=known.astype(np.float32),
        temperature=record.temperature,
        least_similarity=record.least_similarity,
        origin=Origin(record.model, record.fingerprint, record.dimensions),
    )
    for answer in classifier.predict(classifier.templates[:2]):
        if not (np.isfinite(answer.confidence) and np.isfinite(answer.similarity)):
            raise ValueError("answers")
    return classifier
