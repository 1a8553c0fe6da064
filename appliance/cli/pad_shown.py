"""What `evaluate pad` tells people: the table, and what they should know to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from appliance.cli.session import printable
from appliance.evaluation.pad_files import LIVE, Presentations
from appliance.reports.rates import percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from appliance.config import Config

CAVEAT = (
    "The intervals take presentations for independent of each other; those of one person, one "
    "artefact or one room are not. The rates hold for attacks, cameras and light like these."
)


def notes(data: Mapping[str, Any], config: Config, found: Presentations) -> list[str]:
    """Sentences without which the figures could be misread."""
    told = [*_missing(data, found), *_small(data, config), *_single_pictures(data, config)]
    told += _cut_off(data, config)
    live = data["classes"][LIVE]
    if data["challenge"] != "off" and live["from_clips"]:
        told.append(
            "A recording cannot answer a challenge that is chosen anew: the BPCER of recorded "
            "living people says nothing of people who can."
        )
    if config.camera.ir is not None:
        told.append("The configured infrared camera is not measured: a recording holds one view.")
    if data["attempts"] != 1:
        told.append(
            "Attempts on one clip are not independent: where a clip gave more than one, the "
            "interval is a bootstrap over clips."
        )
    if data["shown_apart"]:
        told.append(
            f"Sub-folders whose pictures do not follow each other as frames do: "
            f"{data['shown_apart']}. Each of their pictures was shown by itself; the interval is a "
            "bootstrap over folders."
        )
    if data["ignored"]:
        count = "1 file is" if data["ignored"] == 1 else f"{data['ignored']} files are"
        told.append(f"{count} no picture and no clip, and left out.")
    return told


def _missing(data: Mapping[str, Any], found: Presentations) -> list[str]:
    told = []
    if not found.of(LIVE):
        told.append(
            "live/ is empty, so BPCER was not measured: a check that refuses everybody would have "
            "the same APCER or a better one."
        )
    if not found.species:
        told.append("There is no attack, so APCER was not measured.")
    told += [f"{name}/ is empty." for name in found.species if not found.of(name)]
    told += [
        f"{name}: no presentation got a response, so no rate can be told."
        for name, it in data["classes"].items()
        if it["attempts"] and it["attempts"] == sum(it["non_response"].values())
    ]
    return told


def _small(data: Mapping[str, Any], config: Config) -> list[str]:
    classes = data["classes"].values()
    refused = sum(it["non_response"]["poor_quality"] for it in classes)
    small = sum(it["frames"]["refused"].get("too_small", 0) for it in classes)
    if not refused or not small or data["any_size"]:
        return []
    told = (
        f"{refused} of {sum(it['attempts'] for it in classes)} attempts got no response for poor "
        f"quality, and in {small} frames the face was too small: a door asks for "
        f"{config.quality.min_eye_distance:g} pixels between the eyes. --any-size judges smaller "
        "faces too."
    )
    return [told]


def _single_pictures(data: Mapping[str, Any], config: Config) -> list[str]:
    pictures = sum(it["from_pictures"] for it in data["classes"].values())
    if not pictures or not config.liveness.motion:
        return []
    told = (
        f"{pictures} of the attempts are on single pictures and were judged by appearance alone; a "
        f"door with the profile {config.liveness.profile} lets nobody in on a single picture."
    )
    return [told]


def _cut_off(data: Mapping[str, Any], config: Config) -> list[str]:
    count = sum(it["undetermined_cut_off"] for it in data["classes"].values())
    if not count:
        return []
    told = (
        f"{count} of the undetermined attempts ended with their recording and not with an "
        f"attempt's time of {config.verification.timeout_s:g} s: with more of it a living person "
        "may get in, and so may an attack."
    )
    return [told]


def for_people(console: Console, data: Mapping[str, Any]) -> None:
    """The report, for who reads it on a terminal."""
    from rich.markup import escape

    size = ", faces of any size" if data["any_size"] else ""
    console.print(f"Liveness profile {data['profile']}, challenge {data['challenge']}{size}.")
    console.print(_table(data))
    if worst := data["worst_species"]:
        console.print(f"{_worst(worst)}.")
    for note in data["notes"]:
        console.print(escape(printable(note)))
    console.print(data["caveat"])
    for kind, verb in (("plot", "Drawn"), ("csv", "Written"), ("jsonl", "Written")):
        if data.get(kind):
            console.print(f"{verb}: {data[kind]}", markup=False)


def _worst(worst: Mapping[str, Any]) -> str:
    """A species in which nothing passed is the worst only where no other did worse."""
    from rich.markup import escape

    name = escape(printable(worst["species"]))
    if worst["rate"]:
        return f"Worst species: {name}, APCER {_rate(worst)}"
    return f"No attack passed; least is known of {name}: up to {percent(worst['ci'][1])} may pass"


def _table(data: Mapping[str, Any]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    for name in ("", "Attempts", "No response", "Rate of", "n"):
        table.add_column(name)
    for name in ("Errors [95 %]", "Live", "Undetermined", "Attack", "Commonest reason"):
        table.add_column(name)
    rows = [(LIVE, "BPCER", data["bpcer"])]
    rows += [(name, "APCER", rate) for name, rate in data["apcer"].items()]
    for name, kind, rate in rows:
        it = data["classes"][name]
        table.add_row(
            escape(printable(name)),
            str(it["attempts"]),
            _silence(it["non_response"]),
            kind,
            str(rate["n"]),
            _rate(rate),
            *(str(it[outcome]) for outcome in ("live", "undetermined", "spoof")),
            _commonest(it),
        )
    return table


def _silence(counts: Mapping[str, int]) -> str:
    """'2 (poor quality)' or '3 (2 no face, 1 several faces)'."""
    seen = {name.replace("_", " "): count for name, count in counts.items() if count}
    if not seen:
        return "0"
    if len(seen) == 1:
        ((name, count),) = seen.items()
        return f"{count} ({name})"
    parts = ", ".join(f"{count} {name}" for name, count in seen.items())
    return f"{sum(seen.values())} ({parts})"


def _commonest(account: Mapping[str, Any]) -> str:
    """What spoke most often against life, or else what was missing."""
    for kind, words in (("", account["reasons"]), ("no ", account["lacks"])):
        for name, count in words.items():
            return f"{kind}{name.replace('_', ' ')} ({count})"
    return ""


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["rate"] is None:
        return "not measured"
    low, high = (f"{100 * edge:.3g}" for edge in rate["ci"])
    return f"{percent(rate['rate'])} \\[{low}, {high}]"
