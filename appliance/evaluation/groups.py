"""The same error rates for groups of people, as a file labels them.

Impostors are of the same group: somebody who tries another's name will rather resemble her than
not, and such strangers are harder to tell apart than strangers at large.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.counts import share_of_pictures
from appliance.evaluation.dataset import Dataset
from appliance.evaluation.embed import Embedded
from appliance.evaluation.lfw import TARGETS, at_targets, fates
from appliance.evaluation.protocols import ENROLLED, Embeddings, gather, single, templates
from appliance.evaluation.rates import RULE_OF_THREE, Trials
from appliance.matching import handicap
from appliance.vision.manifest import Calibration

FILE_NAME = "groups.csv"
CAVEAT = (
    "Groups are as the file labels them, and their people differ in more than that label; "
    "impostors are of the same group. A difference within the intervals is none."
)
# Of fewer people nothing is said: a bootstrap over them varies too little. In simulated worlds its
# 95 % interval misses the truth in a fifth of the runs at 10 people, in one of sixteen at 50.
LEAST_PEOPLE = 30

# column → value → the people (indices into Dataset.people) who have it
Members = Mapping[str, Mapping[str, Sequence[int]]]


@dataclass(frozen=True)
class Groups:
    """What a groups.csv says. unlisted: how many of the data set's people it does not name."""

    members: Members
    unlisted: int


def read(path: Path, dataset: Dataset) -> Groups:
    """Read `name,COLUMN,...` with one row a person; an empty cell puts a person into no group.

    InputError where it is malformed, names somebody twice or somebody who has no pictures.
    """
    header, rows = _rows(path)
    columns = [title for title in header if title != "name"]
    index = {name: number for number, name in enumerate(dataset.people)}
    place = header.index("name")
    members: dict[str, dict[str, list[int]]] = {title: {} for title in columns}
    seen: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != len(header):
            raise _malformed(path, f"line {line} has {len(cells)} cells, not {len(header)}")
        name = cells[place]
        if name in seen:
            raise _malformed(path, f"{name!r} stands in line {seen[name]} and in line {line}")
        if name not in index:
            raise _malformed(path, f"line {line} names {name!r}, who has no pictures there")
        seen[name] = line
        for title, value in zip(header, cells, strict=True):
            if title != "name" and value:
                members[title].setdefault(value, []).append(index[name])
    return Groups(members, len(index) - len(seen))


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        if path.exists() and not path.is_file():  # a pipe or a device might never end
            raise _malformed(path, "it cannot be read: it is no regular file")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, ValueError, csv.Error) as error:
        raise _malformed(path, f"it cannot be read: {error}") from error
    header = rows[0][1] if rows else []
    if "name" not in header or len(header) < 2:
        raise _malformed(path, "its first line is no header of `name` and at least one group")
    if "" in header or len(set(header)) != len(header):
        raise _malformed(path, "its header has an empty or a repeated title")
    return header, rows[1:]


def _malformed(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} is no table of groups: {what}.",
        hint="Expected lines such as `name,age,glasses`, then `alice,30-39,yes`, one a person.",
        code="bad_groups",
    )


def report(
    dataset: Dataset, embedded: Sequence[Embedded], calibration: Calibration, groups: Groups
) -> dict[str, object]:
    """The JSON of all groups: the rates of `evaluate lfw` among the members of each."""
    data = gather(dataset, embedded, partial(handicap, calibration))
    fate = fates(data, embedded)
    unread = np.array([item.unreadable for item in embedded])
    return {
        "caveat": CAVEAT,
        "unlisted_people": groups.unlisted,
        "columns": {
            title: {
                value: {
                    **_group(data, fate, np.asarray(people), calibration),
                    "unreadable": int(unread[np.isin(data.person, people)].sum()),
                }
                for value, people in sorted(values.items())
            }
            for title, values in groups.members.items()
        },
    }


def _group(
    data: Embeddings,
    fate: Mapping[str, NDArray[np.bool_]],
    people: NDArray[np.int64],
    calibration: Calibration,
) -> dict[str, object]:
    inside = np.isin(data.person, people)
    part = _part(data, inside)
    told: dict[str, object] = {
        "people": part.people,
        "pictures": len(part.person),
        **{name: _share(happened[inside], part) for name, happened in fate.items()},
    }
    protocols = {"single": (1, single(part)), f"template_{ENROLLED}_1": (ENROLLED, templates(part))}
    for name, (enrolled, trials) in protocols.items():
        told[name] = _stated(*trials, calibration, enrolled=enrolled)
    return told


def _part(data: Embeddings, inside: NDArray[np.bool_]) -> Embeddings:
    """The same of some pictures only, their people numbered anew."""
    people, person = np.unique(data.person[inside], return_inverse=True)
    return replace(
        data,
        vectors=data.vectors[inside],
        found=data.found[inside],
        usable=data.usable[inside],
        handicap=data.handicap[inside],
        person=person.astype(np.int32),
        people=len(people),
    )


def _share(happened: NDArray[np.bool_], part: Embeddings) -> dict[str, object]:
    if part.people < LEAST_PEOPLE:
        return {"count": int(happened.sum()), "rate": None, "ci": None}
    share = share_of_pictures(happened, part.person, part.people)
    low, high = share.interval
    return {
        "count": int(happened.sum()),
        "rate": float(f"{share.value:.4g}"),
        "ci": [float(f"{low:.4g}"), float(f"{high:.4g}")],
        "ci_method": share.method,
    }


def _stated(
    genuine: Trials, impostor: Trials, calibration: Calibration, *, enrolled: int
) -> dict[str, object]:
    """The rows of one protocol, without the rates that these trials cannot support."""
    told: dict[str, object] = {}
    for name, row in at_targets(genuine, impostor, calibration, enrolled=enrolled).items():
        # Fewer pairs of people say nothing about a rate that low.
        pairs = round(RULE_OF_THREE / TARGETS[name])
        enough = {
            "far": _drawn_from(impostor) >= LEAST_PEOPLE and impostor.independent >= pairs,
            "frr": _drawn_from(genuine) >= LEAST_PEOPLE,
        }
        hidden = [kind for kind, stated in enough.items() if not stated]
        blank = {key: None for kind in hidden for key in (kind, f"{kind}_ci")}
        told[name] = row | blank | {"too_few_to_state": hidden}
    return told


def _drawn_from(trials: Trials) -> int:
    """How many people take part in any trial."""
    return len(np.union1d(trials.one, trials.other))
