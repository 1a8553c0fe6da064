"""Which embedder `model.name: auto` means, and why: rules over what was measured on this machine.

`appliance bench --models` measures the embedders and keeps the table. The fastest one wins whose
recorded accuracy loss is within bounds and which computes here what its float32 original does;
nearly as fast and more accurate is better. A template is bound to the model that made it, so a
pick is never changed under people who are enrolled unless somebody says so.

Everything here is pure: files and clocks belong to `assemble`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from appliance.host import Host
from appliance.types import PersonSummary
from appliance.vision.manifest import Entry, Manifest

SCHEMA: Literal[1] = 1
# What `auto` means until something was measured here.
FALLBACK = "mobilefacenet_dynamic"
# Cosine to the float32 original's embedding, on the same crop: on thousands of faces the worst
# was 0.993 (models/README.md), so less than this is a kernel that computes something else.
LEAST_COSINE = 0.98
LEAST_MEAN_COSINE = 0.99
# The most that FRR may grow over the original's at any FAR that is recorded, absolute.
MOST_LOSS = 0.003
# Times nearer than this share are noise, and the more accurate one wins.
TIE = 0.05


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Cosines(_Kept):
    """Agreement of a model's embeddings with its float32 original's."""

    least: float
    mean: float


class Measured(_Kept):
    """One embedder on this machine.

    ms, ms_one_thread: medians of one embedding; None where it could not be run, see `error`.
    original: it is the float32 file that the others of its family were made from.
    family: it is made from the same weights, and fed and aligned the same way, as the fallback.
    cosines: None where it has no original that runs here. separates: whether the one person in
    the pictures is more alike than the two, None where that was not looked at.
    losses: FRR minus the original's, by FAR, as recorded when the model was built.
    """

    name: str
    sha256: str
    ms: float | None = Field(None, gt=0)
    ms_one_thread: float | None = Field(None, gt=0)
    original: bool = False
    family: bool = False
    cosines: Cosines | None = None
    separates: bool | None = None
    losses: Mapping[str, float] | None = None
    error: str = ""


class Record(_Kept):
    """A table of measurements and the pick, as kept in the state folder.

    best: the model that this table speaks for, None when it speaks for none. chosen: what `auto`
    means, which is another one where people are enrolled with it. threads: those of `ms`.
    """

    version: Literal[1] = Field(alias="schema")
    measured_at: AwareDatetime
    host: Host
    threads: int
    rounds: int
    faces: int
    load_average: float | None = None
    models: tuple[Measured, ...]
    best: str | None
    chosen: str | None
    chosen_sha256: str | None

    def measured(self, name: str | None) -> Measured | None:
        """The row of a model."""
        return next((item for item in self.models if item.name == name), None)


@dataclass(frozen=True)
class Choice:
    """The embedder in use, and why.

    recorded: it was picked by measurement on this machine. why: a clause for people.
    record: what was measured on this very machine, None where nothing was.
    """

    name: str
    recorded: bool
    why: str
    record: Record | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of a new table. kept: the pick stays although `best` is another model.

    affected: the names of those who must enrol again before `best` knows them.
    """

    best: str | None
    chosen: str | None
    kept: bool
    affected: tuple[str, ...]


def why_not(item: Measured) -> str:
    """Why `auto` may not pick this model, as a clause; empty when it may."""
    if item.error or item.ms is None:
        return item.error or "it was not timed"
    if not item.family:
        return "it is not made from the default's weights, and a door is better served by those"
    if item.separates is False:
        return "here it holds two people for more alike than two pictures of one"
    return "" if item.original else _quantised_why_not(item)


def _quantised_why_not(item: Measured) -> str:
    if item.cosines is None:
        return "its float32 original did not run here, so there is nothing to compare it with"
    least, mean = item.cosines.least, item.cosines.mean
    if least < LEAST_COSINE or mean < LEAST_MEAN_COSINE:
        return (
            f"here it computes something else than its float32 original: cosine {mean:.4f} in the "
            f"mean, {least:.4f} at worst"
        )
    if not item.losses:
        return "no accuracy loss is recorded for it"
    worst = max(item.losses, key=lambda far: item.losses[far] if item.losses else 0.0)
    if item.losses[worst] > MOST_LOSS:
        return f"it loses {100 * item.losses[worst]:.2f} points of FRR at a FAR of {worst}"
    return ""


def pick(table: Sequence[Measured]) -> Measured | None:
    """The fastest that is fit; of those as fast as it within TIE, the most accurate."""
    fit = [item for item in table if not why_not(item)]
    if not fit:
        return None
    limit = min(_time(item) for item in fit) * (1 + TIE)
    tied = [item for item in fit if _time(item) <= limit]
    return min(tied, key=lambda item: (_loss(item), -_mean_cosine(item), _time(item), item.name))


def _time(item: Measured) -> float:
    return float("inf") if item.ms is None else item.ms


def _loss(item: Measured) -> float:
    """The largest recorded; the original loses nothing."""
    return 0.0 if item.original else max((item.losses or {}).values(), default=float("inf"))


def _mean_cosine(item: Measured) -> float:
    return 1.0 if item.original or item.cosines is None else item.cosines.mean


def decide(
    best: str | None,
    now: str,
    people: Sequence[PersonSummary],
    prints: Mapping[str, str],
    *,
    repick: bool,
) -> Decision:
    """Whether `best` becomes what `auto` means.

    now: what it means without the new table. prints: the fingerprint of each model's templates.
    A pick stays while somebody is enrolled with it, unless `repick`.
    """
    if best is None:
        return Decision(None, now if _enrolled_with(now, people, prints) else None, False, ())
    affected = tuple(it.name for it in people if it.fingerprint != prints.get(best))
    kept = best != now and not repick and bool(_enrolled_with(now, people, prints))
    return Decision(best, now if kept else best, kept, affected)


def _enrolled_with(
    model: str, people: Sequence[PersonSummary], prints: Mapping[str, str]
) -> list[str]:
    return [it.name for it in people if it.fingerprint == prints.get(model)]


def choose(
    record: Record | str,
    host: Host,
    models: Manifest,
    enrolled: Callable[[], Sequence[PersonSummary]],
    fingerprint: Callable[[Entry], str],
) -> Choice:
    """What `auto` means on this machine.

    record: what was measured, or a clause that says why nothing readable is there.
    enrolled: who is in the store; asked only when the record does not settle it. Whoever is
    enrolled must not be locked out by a new runtime or a lost record, so the model that all of
    them were enrolled with goes before the fallback.
    """
    why = record if isinstance(record, str) else stale(record, host, models)
    here = None if isinstance(record, str) or record.host.differences(host) else record
    if here is not None and here.chosen is not None and not why:
        return Choice(here.chosen, True, _told(here), here)
    loyal = _model_of_all(enrolled(), models, fingerprint)
    if loyal is not None and loyal != FALLBACK:
        return Choice(loyal, False, f"{why}, and everybody is enrolled with it", here)
    return Choice(FALLBACK, False, why, here)


def stale(record: Record, host: Host, models: Manifest) -> str:
    """Why a record does not settle what `auto` means here, as a clause; empty when it does."""
    if differences := record.host.differences(host):
        return f"it was measured on another machine or runtime ({', '.join(differences)})"
    if record.chosen is None:
        return "none of the models was fit when they were measured"
    entry = models.entries.get(record.chosen)
    if entry is None:
        return f"{record.chosen}, which was picked, is in the manifest no more"
    if entry.sha256 != record.chosen_sha256:
        return f"the file of {record.chosen} has changed since it was measured"
    if not is_family(entry, models):
        return f"{record.chosen} is no model that a door may pick"
    return ""


def is_family(entry: Entry, models: Manifest) -> bool:
    """Made from the fallback's weights, fed and aligned as it, run by TFLite and calibrated."""
    default = models.entries.get(FALLBACK)
    return (
        default is not None
        and entry.calibration is not None
        and (entry.role, entry.runtime) == ("embedder", "tflite")
        and entry.source == default.source
        and entry.input == default.input
        and entry.alignment == default.alignment
        and entry.output.shape == default.output.shape
    )


def is_original(entry: Entry) -> bool:
    """Nothing was rounded away."""
    return entry.precision == "float32"


def read_record(text: bytes) -> Record | str:
    """The record, or a clause that says why this is none."""
    try:
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("schema",) and first["type"] != "missing":
            return f"the measurements are of another version ({first['input']!r:.40})"
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        return f"the measurements cannot be read ({where}: {first['msg']})"


def record_json(record: Record) -> dict[str, Any]:
    """The record for its file and for scripts, with what the rules say of each model."""
    data: dict[str, Any] = record.model_dump(mode="json", by_alias=True)
    for row, item in zip(data["models"], record.models, strict=True):
        row |= {"eligible": not why_not(item), "why_not": why_not(item) or None}
    return data


def _model_of_all(
    people: Sequence[PersonSummary], models: Manifest, fingerprint: Callable[[Entry], str]
) -> str | None:
    names = {it.model for it in people}
    entry = models.entries.get(names.pop()) if len(names) == 1 else None
    if entry is None or not is_family(entry, models):
        return None
    return entry.name if {it.fingerprint for it in people} == {fingerprint(entry)} else None


def _told(record: Record) -> str:
    found = record.measured(record.chosen)
    return f"measured here on {day(record.measured_at)}" + (f": {figures(found)}" if found else "")


def figures(item: Measured) -> str:
    """A row's time and loss, for people."""
    took = f"{item.ms:.2f} ms" if item.ms is not None else "no time"
    if item.original:
        return f"{took}, the float32 original"
    if not item.losses:
        return took
    return f"{took}, at most {100 * max(item.losses.values()):.2f} points of FRR lost"


def day(moment: datetime) -> str:
    """2026-01-05."""
    return f"{moment:%Y-%m-%d}"
