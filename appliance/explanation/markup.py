"""Pieces of a page of HTML that holds its pictures and asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from appliance.explanation.distances import fixed

# Nothing is loaded and nothing runs, whatever a name holds; nor can a link be turned elsewhere.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2933; --faint: #52606d; --line: #d5dbe1;
  --paper: #ffffff; --card: #f5f7f9; --good: #06662c; --bad: #b00020; --link: #0b5fa5 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --faint: #a3b0bc; --line: #3a4550; --paper: #14191f; --card: #1d242c;
    --good: #6fd89a; --bad: #ff8a93; --link: #7cc0ff } }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 72rem;
  padding: 1.5rem 1rem 3rem; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line);
  padding-top: 1.25rem }
p { max-width: 46rem; margin: .6rem 0 }
nav a { color: var(--link); margin-right: 1rem; display: inline-block }
.lead { font-size: 1.1rem } .good { color: var(--good) } .bad { color: var(--bad) }
.good, .bad { font-weight: 600 } .faint, figcaption { color: var(--faint); font-size: .9rem }
.row { display: flex; flex-wrap: wrap; gap: 1.25rem; align-items: flex-start }
figure { margin: .75rem 0; flex: 0 1 auto; max-width: 100%; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: .6rem; box-sizing: border-box }
figure img { display: block; max-width: 100%; height: auto; border-radius: 4px }
figcaption { margin-top: .5rem; max-width: 34rem }
.wide, .half { width: fit-content } .wide img { max-height: 46rem; width: auto }
.half { max-width: min(35rem, 100%) } .small { max-width: 18rem }
.small img { width: 16rem } .pixels { image-rendering: pixelated }
.scroll { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--faint); font-size: .9rem; padding-bottom: .3rem }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .9rem .35rem 0; text-align: left;
  vertical-align: top }
td.number, th.number { text-align: right } code { overflow-wrap: anywhere }
footer { margin-top: 3rem; border-top: 1px solid var(--line) }
@media print { body { max-width: none } figure, tr { break-inside: avoid } }
"""


def figure(files: Mapping[str, bytes], name: str, alt: str, caption: str, kind: str) -> str:
    """A picture with its text for those who do not see it, and a caption. kind: CSS classes."""
    data = base64.b64encode(files[name]).decode()
    width, height = _size(files[name])
    return (
        f'<figure class="{kind}"><img alt="{text(alt)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{data}"><figcaption>{text(caption)}</figcaption></figure>'
    )


def _size(png: bytes) -> tuple[int, int]:
    """Width and height, which stand at a fixed place in every PNG file."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Collection[int] = (),
    raw: Collection[int] = (),
) -> Iterator[str]:
    """A table whose first column names its rows.

    numbers: columns that are set to the right. raw: columns whose cells are markup already.
    """
    yield f'<div class="scroll"><table><caption>{text(caption)}</caption><thead><tr>'
    for index, head in enumerate(heads):
        kind = ' class="number"' if index in numbers else ""
        yield f'<th scope="col"{kind}>{text(head)}</th>' if head else "<td></td>"
    yield "</tr></thead><tbody>"
    for row in rows:
        cells = []
        for index, cell in enumerate(row):
            kind = ' class="number"' if index in numbers else ""
            body = cell if index in raw else text(cell)
            cells.append(f'<th scope="row">{body}</th>' if index == 0 else f"<td{kind}>{body}</td>")
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def number(value: float, digits: int) -> str:
    """A number with a real minus sign, and none before nought."""
    return fixed(value, digits).replace("-", "\u2212")


def text(value: object) -> str:
    """Text that begins no markup."""
    return html.escape(str(value))
