"""The report for people: one page of HTML that holds the signed report and nothing from elsewhere.

The page is drawn from the report alone, so that whoever has it can draw it again and compare: a
page of which a byte was changed is not the page of the report that it holds.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.acceptance.report import Report
from appliance.errors import InputError
from appliance.store.canonical import canonical

_OPENS: Final = '<script type="application/json" id="signed">'
_CLOSES: Final = "</script>"
_WORDS: Final = {
    "passed": "passed",
    "failed": "FAILED",
    "skipped": "skipped",
    "not_applicable": "not at this door",
    "accepted": "Accepted",
    "incomplete": "Incomplete: something that counts was skipped",
}
# Nothing is loaded and nothing runs, whatever a name or a note holds.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em }
table { border-collapse: collapse; width: 100%; margin: 1em 0 }
th, td { border-bottom: 1px solid #bbb; padding: .3em .6em; text-align: left; vertical-align: top }
code { overflow-wrap: anywhere }
.accepted, .passed { color: #06662c } .failed { color: #b00020; font-weight: bold }
.incomplete, .skipped { color: #8a5a00 }
.accepted, .failed, .incomplete { font-size: larger }
td.failed, h3 + .failed { font-size: inherit } .not_applicable { color: #666 }
.twins { border: 3px solid #b00020; padding: .5em 1em; font-weight: bold }
.facts { color: #444; font-size: 13px } .facts th { width: 12em }
.signing td { height: 3.5em; width: 50% }
@media print { body { margin: 0; max-width: none } tr { break-inside: avoid } }
"""


def draw(signed: bytes, report: Report, fingerprint: str) -> bytes:
    """The page. signed: the file of the report, which `extract` gives back."""
    # What could end the element, or begin another, is spelt as JSON spells it as well.
    inner = signed.decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>Acceptance {_text(report['id'])}</title>",
            f"<style>{_STYLE}</style></head><body>",
            *_head(report, fingerprint),
            *_summary(report),
            *_details(report["steps"]),
            *_signing(),
            f"{_OPENS}{inner.rstrip()}{_CLOSES}",
            "</body></html>\n",
        ]
    ).encode()


def extract(page: bytes, source: str) -> bytes:
    """The signed report that a page holds. InputError `bad_report` where there is none."""
    _, _, rest = page.decode("utf-8", "replace").partition(_OPENS)
    inner, _, _ = rest.partition(_CLOSES)
    try:
        whole = json.loads(inner)
    except (ValueError, RecursionError):
        raise InputError(
            f"{source} holds no signed report.",
            hint="Give the page as it was written, or the .json file beside it.",
            code="bad_report",
        ) from None
    return f"{canonical(whole)}\n".encode()


def _text(value: object) -> str:
    return html.escape(str(value))


def _head(report: Report, fingerprint: str) -> Iterator[str]:
    yield "<h1>Acceptance of a face-access appliance</h1>"
    if report["simulated"]:
        parts = " and ".join(report["simulated"])
        yield (f'<p class="twins">SIMULATED: {_text(parts)}. This says nothing of a real door.</p>')
    outcome = str(report["outcome"])
    yield f'<p class="{_text(outcome)}"><strong>{_WORDS.get(outcome, "Failed")}</strong></p>'
    rows = {
        "Begun, ended (UTC)": f"{report['begun']}, {report['ended']}",
        "Carried out by": report["by"] or "not stated",
        "Finished by": ", ".join(f"{key} {it}" for key, it in report["operator"].items()),
        **_answered(report["steps"]),
        "Appliance": report["version"],
        "Configuration, SHA-256": report["config_sha256"] or "none",
        "Audit log": f"database {report['audit']['database']}, record {report['audit']['number']}",
        "Digest of that record": report["audit"]["digest"],
        "Identity of this run": report["id"],
        "Signed by the key": fingerprint,
    }
    yield "<table>"
    for name, value in rows.items():
        yield f"<tr><th>{_text(name)}</th><td><code>{_text(value)}</code></td></tr>"
    yield "</table>"


def _answered(steps: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What answered: somebody at the door, or a file that was written before."""
    counts = Counter(it["hand"]["answers"] for it in steps if it.get("hand", {}).get("answers"))
    told = "; ".join(f"{count} steps by {_answers(it)}" for it, count in counts.items())
    return {"Answered": told} if told else {}


def _answers(word: str) -> str:
    return "somebody at the terminal" if word == "terminal" else f"a {word}"


def _summary(report: Report) -> Iterator[str]:
    yield "<h2>Summary</h2><table><tr><th>Step</th><th>Counts</th><th>Outcome</th></tr>"
    for step in report["steps"]:
        status = str(step["status"])
        yield (
            f"<tr><td>{_text(step['title'])}</td><td>{'yes' if step['required'] else 'no'}</td>"
            f'<td class="{_text(status)}">{_WORDS.get(status, _text(status))}</td></tr>'
        )
    tally = ", ".join(
        f"{count} {_WORDS.get(key, key)}" for key, count in report["tally"].items() if count
    )
    yield f"</table><p>{_text(tally)}</p>"


def _details(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    section = ""
    for step in steps:
        if step["section"] != section:
            section = step["section"]
            yield f"<h2>{_text(section)}</h2>"
        status = str(step["status"])
        yield f"<h3>{_text(step['title'])}</h3>"
        reason = f": {_text(step['reason'])}" if step["reason"] else ""
        yield f'<p class="{_text(status)}">{_WORDS.get(status, _text(status))}{reason}</p>'
        if step["question"]:
            yield f"<p>{_text(step['question'])} {'Yes' if step['answer'] else 'No'}.</p>"
        if step["note"]:
            yield f"<p>Note: {_text(step['note'])}</p>"
        if (hand := step.get("hand", {})).get("answers"):
            who = f"{hand.get('by') or 'not stated'}, local user {hand.get('user')}"
            yield f"<p>Decided by {_text(who)}; answered by {_text(_answers(hand['answers']))}.</p>"
        for reason in step["earlier"]:
            yield f"<p>Tried before: {_text(reason)}</p>"
        if step["facts"]:
            yield '<table class="facts">'
            for name, value in step["facts"].items():
                shown, told = _text(name.replace("_", " ")), _text(_told(value))
                cell = told.replace("\n", "<br>")
                yield f"<tr><th>{shown}</th><td><code>{cell}</code></td></tr>"
            yield "</table>"


def _told(value: object) -> str:
    """A fact for people, a line for each of its parts."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_told(it)}" for key, it in sorted(value.items()))
    if isinstance(value, list):
        return "\n".join(map(_told, value)) or "none"
    words = {None: "not known", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value) or "none"


def _signing() -> Iterator[str]:
    yield '<h2>On paper</h2><table class="signing">'
    for who in ("Installer", "Owner"):
        yield f"<tr><td>{who}: name, date, signature</td><td></td></tr>"
    yield "</table>"
    yield (
        "<p>Whether a byte of this page was changed is told by <code>appliance acceptance verify "
        "FILE --key FINGERPRINT</code>. The fingerprint is what <code>appliance acceptance "
        "key</code> shows on the device.</p>"
    )
