"""Answers that were written down beforehand, so that an acceptance can be replayed and tested.

A file maps steps to answers:

    pulse: {consent: yes, answer: yes}
    strike: {consent: yes, answer: no, note: "the strike is mounted too tight"}
    sound: {skip: "the loudspeaker is not delivered yet"}
    network: yes

A plain yes or no is the answer alone. Steps that ask nothing need no entry; one that asks and has
none stays open.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from appliance import yaml_dialect
from appliance.acceptance.plan import BY_KEY
from appliance.acceptance.values import Step
from appliance.errors import InputError

MOST_BYTES = 64 * 1024
LONGEST_NOTE = 500
_KEYS = ("answer", "consent", "note", "skip")


@dataclass(frozen=True)
class Prepared:
    """What is to be said at one step. answer: None where the file gives none."""

    answer: bool | None = None
    consent: bool = False
    note: str = ""
    skip: str = ""


def parse(content: bytes, source: str) -> dict[str, Prepared]:
    """The answers of a file. InputError `bad_answers` lists every fault."""
    try:
        data = yaml_dialect.read(content.decode("utf-8"))
    except (UnicodeDecodeError, yaml_dialect.YamlFaultError) as error:
        why = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise _bad(source, [why]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise _bad(source, ["steps with their answers are expected"])
    found: dict[str, Prepared] = {}
    faults: list[str] = []
    for key, value in data.items():
        step = BY_KEY.get(str(key))
        if step is None:
            faults.append(f"{key!r} is not a step{_meant(str(key), BY_KEY)}")
        else:
            told = list(_faults(step, value))
            faults += told
            if not told:
                found[step.key] = _prepared(value)
    if faults:
        raise _bad(source, faults)
    return found


def _faults(step: Step, value: object) -> Iterable[str]:
    if not isinstance(value, Mapping):
        if not isinstance(value, bool):
            yield f"{step.key}: yes or no is expected, or a mapping, not {value!r}"
        elif step.consent:
            yield f"{step.key}: it needs `consent: yes`, for: {step.consent}"
        return
    unknown = [str(key) for key in value if key not in _KEYS]
    yield from (f"{step.key}: {key!r} is not a key{_meant(key, _KEYS)}" for key in unknown)
    for key in ("answer", "consent"):
        if not isinstance(value.get(key, False), bool):
            yield f"{step.key}.{key}: yes or no is expected, not {value[key]!r}"
    for key in ("note", "skip"):
        if key in value and not _is_a_text(value[key]):
            yield f"{step.key}.{key}: a text of at most {LONGEST_NOTE} characters is expected"
    if "skip" in value and set(value) - {"skip", "note"}:
        yield f"{step.key}: a step that is skipped has no answer"
    if "skip" not in value and step.consent and value.get("consent") is not True:
        yield f"{step.key}: it needs `consent: yes`, for: {step.consent}"


def _is_a_text(value: object) -> bool:
    fits = isinstance(value, str) and 0 < len(value.strip()) <= LONGEST_NOTE
    return fits and str(value).isprintable()


def _prepared(value: object) -> Prepared:
    if isinstance(value, Mapping):
        answer = value.get("answer")
        return Prepared(
            None if answer is None else bool(answer),
            bool(value.get("consent", False)),
            str(value.get("note", "")),
            str(value.get("skip", "")),
        )
    return Prepared(answer=bool(value))


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _bad(source: str, faults: list[str]) -> InputError:
    return InputError(
        f"{source} cannot be used as answers: {'; '.join(faults)}.",
        hint="`appliance acceptance plan` lists the steps; docs/acceptance.md has an example.",
        code="bad_answers",
    )
