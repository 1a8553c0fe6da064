"""A sheet of paper for wiring diagrams: parts, wires, symbols and text, written as SVG.

All lengths are SVG units, x to the right and y downwards; sheets are 960 wide, so that the smallest
letters are still read where a page shows them 830 pixels wide. The paper is opaque: the drawing
looks the same on a light page and on a dark one. Symbols follow IEC 60617 in kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from xml.sax.saxutils import escape

Point: TypeAlias = tuple[float, float]
Kind: TypeAlias = Literal["plus", "minus", "five", "three", "signal", "column", "cable"]
Style: TypeAlias = Literal["name", "pin", "note", "heading", "title", "warn"]
Anchor: TypeAlias = Literal["start", "middle", "end"]

WIDTH: Final = 960
# What each colour of wire is, in the order of the legend.
KINDS: Final[dict[Kind, tuple[str, str]]] = {
    "plus": ("#c2410c", "+12 V"),
    "minus": ("#334155", "minus, ground"),
    "five": ("#b7860b", "5 V"),
    "three": ("#a21caf", "3.3 V"),
    "signal": ("#15803d", "3.3 V signal"),
    "column": ("#1d4ed8", "3.3 V signal, columns"),
    "cable": ("#1d4ed8", "USB or camera cable"),
}
SIZES: Final[dict[Style, int]] = {
    "title": 21,
    "name": 16,
    "heading": 14,
    "pin": 14,
    "note": 14,
    "warn": 14,
}
LINE: Final = 18
_PAPER: Final = "#eef2f6"
_FONT: Final = "'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif"
_STYLE: Final = """
      .panel { fill: #ffffff; stroke: #cbd5e1; stroke-width: 1.5 }
      .part { fill: #f8fafc; stroke: #334155; stroke-width: 2 }
      .wire { fill: none; stroke-width: 3; stroke-linejoin: round; stroke-linecap: round }
      .symbol { fill: none; stroke: #1f2933; stroke-width: 2.2; stroke-linecap: round;
        stroke-linejoin: round }
      .solid { fill: #1f2933; stroke: none }
      .paper { fill: #ffffff }
      .link { stroke-dasharray: 4 5 }
      .terminal { fill: #ffffff; stroke: #1f2933; stroke-width: 2 }
      .title { font-size: 21px; font-weight: bold }
      .name { font-size: 16px; font-weight: bold }
      .heading { font-size: 14px; font-weight: bold; fill: #52606d }
      .pin { font-size: 14px; font-weight: bold }
      .note { font-size: 14px; fill: #46525f }
      .warn { font-size: 14px; font-weight: bold; fill: #b3261e }
      .middle { text-anchor: middle }
      .end { text-anchor: end }"""


@dataclass
class Sheet:
    """One drawing. title, description: what people who do not see it are told."""

    title: str
    description: str
    height: float = 0
    _under: list[str] = field(default_factory=list)
    _body: list[str] = field(default_factory=list)
    _used: set[Kind] = field(default_factory=set)

    # --- paper ----------------------------------------------------------------------------

    def panel(self, x: float, y: float, width: float, height: float, heading: str = "") -> None:
        """A white field with a heading."""
        self._under.append(
            f'<rect class="panel" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            ' rx="12"/>'
        )
        if heading:
            self.text(x + 18, y + 26, heading, "heading")

    def part(self, x: float, y: float, width: float, height: float, name: str = "") -> None:
        """A thing that is bought; its name stands above it."""
        self._body.append(
            f'<rect class="part" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'
        )
        if name:
            self.text(x + width / 2, y - 10, name, "name", "middle")

    def text(
        self,
        x: float,
        y: float,
        lines: str | Sequence[str],
        style: Style = "note",
        anchor: Anchor = "start",
    ) -> None:
        """Lines of text from a base line on."""
        for number, line in enumerate([lines] if isinstance(lines, str) else lines):
            names = style if anchor == "start" else f"{style} {anchor}"
            self._body.append(
                f'<text class="{names}" x="{x:g}" y="{y + number * LINE:g}">{escape(line)}</text>'
            )

    def notes(self, top: float, *paragraphs: str, heading: str = "") -> None:
        """The field at the foot: paragraphs, then what the colours mean. The sheet ends there."""
        lines = [line for it in paragraphs for line in wrapped(it, WIDTH - 80)]
        shift = LINE + 4 if heading else 0
        high = 38 + shift + LINE * len(lines) + (22 if self._used else 0)
        self.panel(20, top, WIDTH - 40, high)
        if heading:
            self.text(40, top + 28, heading, "warn")
        self.text(40, top + 28 + shift, lines)
        if self._used:
            self._legend(40, top + high - 20)
        self.height = top + high + 20

    def pin(  # noqa: PLR0913 - what a terminal is told by is one line at each call
        self,
        x: float,
        y: float,
        label: str,
        note: str = "",
        *,
        side: Anchor = "end",
        shift: float | None = None,
    ) -> None:
        """A terminal on a part's edge; side: `end` for the right edge, `start` for the left.

        shift: how far below y the label's base line is, where a line of a symbol goes on inside.
        """
        inward = -12 if side == "end" else 12
        below = (-1 if note else 5) if shift is None else shift
        self.text(x + inward, y + below, label, "pin", side)
        if note:
            self.text(x + inward, y + 16, note, "note", side)
        self.terminal(x, y)

    # --- wires ----------------------------------------------------------------------------

    def wire(self, kind: Kind, *points: Point) -> None:
        """A wire along points."""
        self._used.add(kind)
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        self._under.append(f'<path class="wire" stroke="{KINDS[kind][0]}" d="{path}"/>')

    def dot(self, kind: Kind, x: float, y: float) -> None:
        """Where wires are joined."""
        self._body.append(f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{KINDS[kind][0]}"/>')

    def terminal(self, x: float, y: float) -> None:
        """A place to screw a wire to."""
        self._body.append(f'<circle class="terminal" cx="{x:g}" cy="{y:g}" r="5"/>')

    def _legend(self, x: float, y: float) -> None:
        """What the colours that were used mean."""
        for kind, (colour, what) in KINDS.items():
            if kind in self._used:
                self._under.append(f'<path class="wire" stroke="{colour}" d="M{x:g} {y:g} h28"/>')
                self.text(x + 36, y + 5, what)
                x += 36 + text_width(what, "note") + 26

    # --- symbols --------------------------------------------------------------------------

    def path(self, path: str, *, classes: str = "symbol") -> None:
        """A line of a symbol."""
        self._body.append(f'<path class="{classes}" d="{path}"/>')

    def shape(self, svg: str) -> None:
        """Whatever else is drawn."""
        self._body.append(svg)

    def resistor(self, x: float, y: float, *, upright: bool = False) -> None:
        """Its middle is at x, y; it covers the wire beneath it. 44 long."""
        wide, high = (18, 44) if upright else (44, 18)
        self._body.append(
            f'<rect class="symbol paper" x="{x - wide / 2:g}" y="{y - high / 2:g}"'
            f' width="{wide}" height="{high}"/>'
        )

    def fuse(self, x: float, y: float) -> None:
        """The same with the wire going through."""
        self.resistor(x, y)
        self.path(f"M{x - 22:g} {y:g} h44")

    def contact(  # noqa: PLR0913 - one switch, drawn in one of its ways
        self,
        x: float,
        y: float,
        *,
        closed: bool = False,
        held: bool = False,
        upright: bool = False,
        by: str = "",
    ) -> None:
        """A switch 60 long from x, y to the right, or downwards; drawn at rest.

        closed: it opens when it is actuated. held: it is joined only while something holds it so,
        and drawn thus. by: `push` draws a button, `magnet` a magnet.
        """
        turn = f' transform="rotate(90 {x:g} {y:g})"' if upright else ""
        rise = 8 if closed else 5 if held else 20
        blade = f"M{x + 5:g} {y:g} L{x + 56:g} {y - rise:g}"
        # The wire beneath ends at the terminals.
        gap = f'<rect class="paper" x="{x + 3:g}" y="{y - 3:g}" width="54" height="6"/>'
        parts = [gap, f'<path class="symbol" d="{blade}"/>']
        if closed:
            parts.append(f'<path class="symbol" d="M{x + 55:g} {y - 4:g} v-10"/>')
        top = y - (12 if rise == 20 else 6)
        if by:
            parts.append(f'<path class="symbol link" d="M{x + 30:g} {top:g} V{y - 30:g}"/>')
        if by == "push":
            parts.append(
                f'<path class="symbol" d="M{x + 16:g} {y - 32:g} h28 m-28 0 v7 m28 -7 v7"/>'
            )
        if by == "magnet":
            parts.append(
                f'<rect class="symbol paper" x="{x + 14:g}" y="{y - 44:g}" width="32" height="13"/>'
                f'<rect class="solid" x="{x + 30:g}" y="{y - 44:g}" width="16" height="13"/>'
            )
        parts += [
            f'<circle class="terminal" cx="{end:g}" cy="{y:g}" r="5"/>' for end in (x, x + 60)
        ]
        self._body.append(f"<g{turn}>{''.join(parts)}</g>")

    def coil(self, x: float, y: float) -> None:
        """A relay's coil around x, y: 36 wide, 44 high."""
        self._body.append(
            f'<rect class="symbol paper" x="{x - 18:g}" y="{y - 22:g}" width="36" height="44"/>'
        )
        self.path(f"M{x - 18:g} {y + 22:g} L{x + 18:g} {y - 22:g}")

    def changeover(self, x: float, com: float, no: float, nc: float) -> None:
        """A relay's coil and contact inside its part, whose right edge is x; the pins' heights."""
        middle = (no + nc) / 2
        self.coil(x - 112, middle)
        self.path(f"M{x - 94:g} {middle + 12:g} H{x - 60:g}", classes="symbol link")
        self.path(
            f"M{x - 5:g} {com:g} H{x - 80:g} V{middle:g} L{x - 34:g} {nc - 20:g}"
            f" M{x - 5:g} {no:g} h-33 V{no + 20:g} M{x - 5:g} {nc:g} h-33 V{nc - 22:g}"
        )
        self.pin(x, com, "COM", shift=-7)
        self.pin(x, no, "NO", shift=-7)
        self.pin(x, nc, "NC", shift=17)

    def winding(self, x: float, y: float) -> None:
        """A magnet's winding from x, y downwards, 80 long."""
        bows = "".join(" c20 0 20 16 0 16" for _ in range(4))
        self.path(f"M{x:g} {y:g} v8{bows} v8")

    def diode(self, x: float, y: float) -> None:
        """Upright, its band above; its middle at x, y."""
        self.path(f"M{x - 16:g} {y + 15:g} h32 L{x:g} {y - 14:g} Z", classes="symbol paper")
        self.path(f"M{x - 17:g} {y - 15:g} h34")

    def capacitor(self, x: float, y: float) -> None:
        """Upright; its middle at x, y. It stands in a wire that stops 4 above and below."""
        self.path(f"M{x - 15:g} {y - 4:g} h30 M{x - 15:g} {y + 4:g} h30")

    def transistor(self, x: float, y: float, *, insulated: bool = False) -> None:
        """An NPN transistor, or an N-channel MOSFET (insulated gate).

        Base or gate at x, y; collector or drain at x + 34, y - 30; emitter or source y + 30.
        """
        self.shape(f'<circle class="symbol paper" cx="{x + 22:g}" cy="{y:g}" r="25"/>')
        if insulated:
            self.path(
                f"M{x:g} {y:g} h10 M{x + 10:g} {y - 14:g} v28 M{x + 16:g} {y - 17:g} v9"
                f" M{x + 16:g} {y - 4:g} v8 M{x + 16:g} {y + 8:g} v9"
                f" M{x + 16:g} {y - 12:g} h18 v-18 M{x + 16:g} {y + 12:g} h18 v18"
                f" M{x + 34:g} {y + 12:g} V{y:g} H{x + 18:g} m6 -5 l-6 5 l6 5"
            )
        else:
            self.path(
                f"M{x:g} {y:g} h14 M{x + 14:g} {y - 14:g} v28"
                f" M{x + 14:g} {y - 6:g} L{x + 34:g} {y - 22:g} v-8"
                f" M{x + 14:g} {y + 6:g} L{x + 34:g} {y + 22:g} v8 M{x + 33:g} {y + 12:g} v9 h-10"
            )

    def suppressor(self, x: float, y: float) -> None:
        """A bidirectional suppressor diode, upright; its middle at x, y."""
        self.path(
            f"M{x - 14:g} {y - 26:g} h28 L{x:g} {y:g} Z M{x - 14:g} {y + 26:g} h28 L{x:g} {y:g} Z",
            classes="symbol paper",
        )
        self.path(f"M{x - 22:g} {y + 6:g} l6 -6 h32 l6 -6")

    def lamp(self, x: float, y: float, colour: str) -> None:
        """A light-emitting diode lying, its long leg (anode) to the left; its middle at x, y."""
        self.shape(
            f'<path class="symbol" style="fill:{colour}"'
            f' d="M{x - 14:g} {y - 15:g} v30 L{x + 14:g} {y:g} Z"/>'
        )
        self.path(f"M{x + 15:g} {y - 15:g} v30")
        for shift in (0, 11):
            self.path(f"M{x - 2 + shift:g} {y - 20:g} l9 -11 m0 7 v-7 h-7")

    def svg(self) -> str:
        """The whole file."""
        body = "\n  ".join([*self._under, *self._body])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:g}"'
            f' role="img" aria-labelledby="title description"\n     font-family="{_FONT}"'
            ' fill="#1f2933">\n'
            f'  <title id="title">{escape(self.title)}</title>\n'
            f'  <desc id="description">{escape(self.description)}</desc>\n'
            f"  <style>{_STYLE}\n  </style>\n"
            f'  <rect width="{WIDTH}" height="{self.height:g}" rx="14" fill="{_PAPER}"/>\n'
            f'  <text class="title" x="24" y="36">{escape(self.title)}</text>\n'
            f"  {body}\n</svg>\n"
        )


# Advances of DejaVu Sans in ems, the widest of the fonts that are named; 0.64 for all others.
_ADVANCES: Final = {
    " ": 0.32, "!": 0.40, "'": 0.27, "(": 0.39, ")": 0.39, "*": 0.50, "+": 0.84, ",": 0.32,
    "-": 0.36, ".": 0.32, "/": 0.34, ":": 0.34, ";": 0.34, "=": 0.84, "I": 0.29, "J": 0.29,
    "M": 0.86, "W": 0.99, "O": 0.79, "Q": 0.79, "D": 0.77, "G": 0.77, "H": 0.75, "N": 0.75,
    "U": 0.73, "C": 0.70, "A": 0.68, "V": 0.68, "B": 0.69, "R": 0.69, "X": 0.69, "Z": 0.69,
    "c": 0.55, "f": 0.35, "i": 0.28, "j": 0.28, "k": 0.58, "l": 0.28, "m": 0.97, "r": 0.41,
    "s": 0.52, "t": 0.39, "v": 0.59, "w": 0.82, "x": 0.59, "y": 0.59, "z": 0.52, "%": 0.95,
    "\N{GREEK CAPITAL LETTER OMEGA}": 0.76, "#": 0.84, "\N{MINUS SIGN}": 0.84, "_": 0.50,
    "\N{MULTIPLICATION SIGN}": 0.84, "\N{DEGREE SIGN}": 0.50, "\N{GREATER-THAN OR EQUAL TO}": 0.84,
}  # fmt: skip
_BOLD: Final = 1.10


def text_width(text: str, style: str) -> float:
    """How wide a text is at most, in the sheet's units."""
    size = SIZES[style]  # type: ignore[index]  # the test passes what the file says
    heavy = 1.0 if style == "note" else _BOLD
    return heavy * size * sum(_ADVANCES.get(letter, 0.64) for letter in text)


def wrapped(paragraph: str, width: float) -> list[str]:
    """A paragraph as lines of notes that are no wider than this."""
    lines = [""]
    for word in paragraph.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, "note") <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
