"""Panels in a terminal: braille dots, two by four to a character, or stars where it has none.

Curves are told apart by a letter on each, so that no colour is needed, and by colour where there is
one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rnnkit.analysis.plots.panel import Bounds, Curve, Panel, bounds

ROWS = 12
MARGIN = 10
NARROWEST = 32
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a braille character, by row and column (Unicode 15, block 2800)."""
COLOURS = (36, 33, 32, 35, 34, 31)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def draw_panels(
    panels: Sequence[Panel], width: int, *, colour: bool = False, braille: bool = True
) -> str:
    """Return panels as text of at most `width` columns (never below 32), one above the other."""
    width = max(width, NARROWEST)
    return "\n\n".join(_panel(panel, width, colour, braille) for panel in panels)


def _panel(panel: Panel, width: int, colour: bool, braille: bool) -> str:
    scale = " (log scale)" if panel.log else ""
    head = f"{panel.y_label}{scale}"[:width]
    found = bounds(panel)
    if found is None:
        return f"{head}\n  no point to draw"
    labels = _y_labels(found, panel.log)
    margin = max(MARGIN, *map(len, labels))
    canvas = _Canvas(width - margin - 2, ROWS, found)
    for index, curve in enumerate(panel.curves):
        draw = canvas.dots if curve.style == "dots" else canvas.curve
        draw(curve.drawn(panel.log), index)
    if len(panel.curves) > 1:
        for index, curve in enumerate(panel.curves):
            canvas.letter(curve.drawn(panel.log), index, len(panel.curves))
    count = len(panel.curves)
    colours = [COLOURS[k % len(COLOURS)] for k in range(count)] if colour else None
    rows = [
        f"{label:>{margin}} {mark}{row}".rstrip()
        for label, mark, row in zip(
            labels, _marks(braille), canvas.rows(colours, braille), strict=True
        )
    ]
    foot = [" " * margin + line for line in _foot(panel, found, width - margin, colours, braille)]
    return "\n".join([head, *rows, *foot])


def _foot(
    panel: Panel, found: Bounds, width: int, colours: list[int] | None, braille: bool
) -> list[str]:
    """Return the x axis and the names of the curves, from the margin on."""
    left, right = (f"{x:,.0f}" for x in found.x)
    inside = width - 2 - len(left) - len(right)
    axis = "  " + left + f" {panel.x_label} "[:inside].center(inside) + right
    corner = ("└", "─") if braille else ("+", "-")
    lines = [f" {corner[0]}" + corner[1] * (width - 2), axis]
    if len(panel.curves) > 1:
        lines += _legend(panel.curves, width, colours)
    return lines


def _legend(curves: Sequence[Curve], width: int, colours: list[int] | None) -> list[str]:
    """Return one line for each curve; a name that is too long keeps its end, which differs."""
    room = width - 4
    lines = []
    for index, curve in enumerate(curves):
        name = curve.name if len(curve.name) <= room else "..." + curve.name[3 - room :]
        letter = _painted(LETTERS[index % len(LETTERS)], index, colours)
        lines.append(f"  {letter} {name}")
    return lines


def _marks(braille: bool) -> list[str]:
    plain, tick = ("│", "┤") if braille else ("|", "+")
    return [tick if row in (0, ROWS // 2, ROWS - 1) else plain for row in range(ROWS)]


def _y_labels(found: Bounds, log: bool) -> list[str]:
    """Return what stands beside each row: three values, in as many digits as tell them apart."""
    (low, high), rows = found.y, (0, ROWS // 2, ROWS - 1)
    ys = [high - (high - low) * row / (ROWS - 1) for row in rows]
    for digits in range(4, 18):
        texts = [_power(y, digits) if log else _short(y, digits) for y in ys]
        if len(set(texts)) == len(set(ys)):
            break
    labels = [""] * ROWS
    for row, text in zip(rows, texts, strict=True):
        labels[row] = text
    return labels


def _power(exponent: float, digits: int) -> str:
    return _short(10**exponent, digits) if -300 < exponent < 300 else f"1e{exponent:.0f}"


def _short(value: float, digits: int) -> str:
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 2}g}"
    return f"{value:,.{digits - 4}f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _painted(text: str, index: int, colours: list[int] | None) -> str:
    return f"\x1b[{colours[index]}m{text}\x1b[0m" if colours else text


class _Canvas:
    """Dots by character, and the curve that a character belongs to."""

    def __init__(self, columns: int, rows: int, found: Bounds) -> None:
        self.columns, self.height, self.found = columns, rows, found
        self.bits: dict[tuple[int, int], int] = {}
        self.owner: dict[tuple[int, int], int] = {}
        self.letters: dict[tuple[int, int], str] = {}

    def place(self, x: float, y: float) -> tuple[int, int]:
        """Return the dot of a point, from the left and from the top."""
        (x0, x1), (y0, y1) = self.found.x, self.found.y
        across, down = 2 * self.columns - 1, 4 * self.height - 1
        return round((x - x0) / (x1 - x0) * across), round((y1 - y) / (y1 - y0) * down)

    def curve(self, points: Sequence[tuple[float, float]], index: int) -> None:
        """Draw the line through points; a NaN interrupts it."""
        before: tuple[int, int] | None = None
        for x, y in points:
            here = self.place(x, y) if math.isfinite(y) else None
            if here is not None:
                self._line(before or here, here, index)
            before = here

    def dots(self, points: Sequence[tuple[float, float]], index: int) -> None:
        """Mark each point."""
        for x, y in points:
            if math.isfinite(y):
                across, down = self.place(x, y)
                self.letters[down // 4, across // 2] = "o"
                self.owner[down // 4, across // 2] = index

    def _line(self, a: tuple[int, int], b: tuple[int, int], index: int) -> None:
        steps = max(abs(b[0] - a[0]), abs(b[1] - a[1]), 1)
        for i in range(steps + 1):
            self._dot(a[0] + (b[0] - a[0]) * i // steps, a[1] + (b[1] - a[1]) * i // steps, index)

    def _dot(self, x: int, y: int, index: int) -> None:
        cell = (y // 4, x // 2)
        self.bits[cell] = self.bits.get(cell, 0) | DOTS[y % 4][x % 2]
        self.owner[cell] = index

    def letter(self, points: Sequence[tuple[float, float]], index: int, curves: int) -> None:
        """Put the letter of a curve on it, at places where those of other curves are not."""
        places = [self.place(x, y) for x, y in points if math.isfinite(y)]
        wanted = {
            round(self.columns * (index + 1 + k * curves) / (3 * curves + 1)) for k in (0, 1, 2)
        }
        for column in sorted(wanted):
            near = min(places, key=lambda p: abs(p[0] // 2 - column), default=None)
            if near is not None:
                self._mark((near[1] // 4, near[0] // 2), index)

    def _mark(self, cell: tuple[int, int], index: int) -> None:
        if cell not in self.letters:
            self.letters[cell] = LETTERS[index % len(LETTERS)]
            self.owner[cell] = index

    def rows(self, colours: list[int] | None, braille: bool) -> list[str]:
        """Return the rows of characters, painted where there are colours."""
        return [
            "".join(self._cell((row, column), colours, braille) for column in range(self.columns))
            for row in range(self.height)
        ]

    def _cell(self, cell: tuple[int, int], colours: list[int] | None, braille: bool) -> str:
        if cell not in self.owner:
            return " "
        dots = chr(0x2800 + self.bits.get(cell, 0)) if braille else "*"
        return _painted(self.letters.get(cell, dots), self.owner[cell], colours)
