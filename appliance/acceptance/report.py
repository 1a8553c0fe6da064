"""The report: what it says, how it is signed, and how a signed one is read again.

A report is one line of canonical JSON (`appliance.store.canonical`) with a line break at its end:
{"format", "report", "signature", "signer"}. Signed, with Ed25519 (RFC 8032), is the canonical JSON
of all but the signature. Any other spelling of the same is refused, so no byte can be changed.

Whoever has a key can sign whatever they like, so a report is also looked at for its shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Outcome, Site, Status, Step
from appliance.errors import InputError
from appliance.store.canonical import canonical
from appliance.store.device_key import has_signed

FORMAT: Final = "appliance acceptance v1"
MOST_BYTES: Final = 4 * 1024 * 1024

Report = Mapping[str, Any]


class Key(Protocol):
    """What signs; see `appliance.store.device_key`."""

    @property
    def public(self) -> str:
        """In hexadecimal."""
        ...

    def sign(self, content: bytes) -> str:
        """The signature in hexadecimal."""
        ...


@dataclass(frozen=True)
class Log:
    """Where the audit log stood: which database, the newest record's number and its digest."""

    database: str
    number: int
    digest: str


@dataclass(frozen=True)
class Signed:
    """What a signed file says. genuine: `signer` has signed just these bytes.

    Of a file that is not genuine nothing is to be believed, not even the signer.
    """

    report: Report
    signer: str
    genuine: bool


def build(  # noqa: PLR0913 - what a report says, each by its name
    steps: Sequence[Step],
    progress: Progress,
    site: Site,
    *,
    outcome: Outcome,
    version: str,
    ended: str,
    operator: Mapping[str, str],
    log: Log,
) -> Report:
    """The report of a finished acceptance. operator: who finished it, local user and role."""
    steps = [step.at(site) for step in steps]
    results = [progress.results[step.key] for step in steps]
    return {
        "id": progress.run,
        "begun": progress.begun,
        "ended": ended,
        "outcome": outcome.value,
        "simulated": list(site.twins),
        # Of everybody who had a hand in it, in the order of the steps.
        "by": "; ".join(dict.fromkeys(it.hand.by for it in results if it.hand.by)),
        "operator": dict(operator),
        "version": version,
        "config_sha256": progress.config,
        "audit": asdict(log),
        "tally": {
            status.value: sum(result.status is status for result in results)
            for status in Status
            if status is not Status.OPEN
        },
        "steps": [
            {
                "section": step.section,
                "title": step.title,
                "required": step.required,
                "question": step.ask if result.answer is not None else "",
                **asdict(result),
            }
            for step, result in zip(steps, results, strict=True)
        ],
    }


def seal(report: Report, key: Key) -> bytes:
    """The file of a report."""
    signature = key.sign(_signed_bytes(report, key.public))
    whole = {"format": FORMAT, "report": report, "signer": key.public, "signature": signature}
    return f"{canonical(whole)}\n".encode()


def read(content: bytes, source: str) -> Signed:
    """What a file says, whoever signed it. InputError `bad_report` where it is no report."""
    try:
        whole = _Whole.model_validate_json(content)
        data = json.loads(content)
        plain = f"{canonical(data)}\n".encode() == content
    except (ValueError, RecursionError):
        raise InputError(
            f"{source} is no report of an acceptance.",
            hint="Give the file that `appliance acceptance` wrote, with .json or .html at its end.",
            code="bad_report",
        ) from None
    report: Report = data["report"]
    signed = _signed_bytes(report, whole.signer)
    return Signed(report, whole.signer, plain and has_signed(whole.signer, whole.signature, signed))


def _signed_bytes(report: Report, signer: str) -> bytes:
    return canonical({"format": FORMAT, "report": report, "signer": signer}).encode()


class _Shape(BaseModel):
    """What is there is as it must be; a later version may say more."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Audit(_Shape):
    database: str
    number: int
    digest: str


class _Step(_Shape):
    key: str
    section: str
    title: str
    required: bool
    question: str
    status: str
    reason: str
    facts: dict[str, Any]
    answer: bool | None
    note: str
    at: str
    earlier: list[str]
    hand: dict[str, str] = Field(default_factory=dict)


class _Report(_Shape):
    id: str
    begun: str
    ended: str
    outcome: str
    simulated: list[str]
    by: str
    operator: dict[str, str]
    version: str
    config_sha256: str
    audit: _Audit
    tally: dict[str, int]
    steps: list[_Step]


class _Whole(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["appliance acceptance v1"]
    report: _Report
    # One spelling only: what is not signed itself must not be changed either.
    signer: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
