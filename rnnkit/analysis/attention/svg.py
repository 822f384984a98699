"""Alignment maps as one SVG, or a page with it; neither asks a network for anything."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from rnnkit.analysis.attention.grid import Grid, label
from rnnkit.core.text_width import columns

CELL, LETTER, GAP = 22, 9, 10
"""Pixels: the side of a cell, the width of a letter, the space around."""

STYLE = (
    "text{font:14px ui-monospace,monospace;fill:#1a1a1a}rect{stroke:#ddd;stroke-width:.5}"
    ".page{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e0e0e0}rect{stroke:#555}.page{fill:#16191d}}"
)
AXES = "across: the source, down: what is written"
STEPS = 10
"""Cells of the colour bar between 0 and 1."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:1.5em;background:#fff}}
@media(prefers-color-scheme:dark){{body{{background:#16191d;color:#e0e0e0}}}}</style>
</head>
<body>
<h1>{title}</h1>
{svg}
</body>
</html>
"""


def attention_svg(grids: Sequence[Grid]) -> str:
    """Return the maps below each other: a row for each token written, darker where it looks.

    A cell tells its weight when the pointer rests on it.
    """
    parts: list[str] = []
    width = top = GAP
    for grid in grids:
        wide, high, cells = _map(grid, top)
        parts += cells
        width, top = max(width, wide), high
    parts += _colour_bar(top)
    width, top = max(width, 2 * GAP + CELL * (STEPS + 1) + LETTER * 14), top + CELL + GAP
    size = f'width="{width}" height="{top}" viewBox="0 0 {width} {top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    # A browser that prefers dark pages shows a picture alone on a white one.
    page = f'<path class="page" d="M0 0h{width}v{top}h-{width}z"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", page, *parts, "</svg>\n"])


def attention_page(title: str, grids: Sequence[Grid]) -> str:
    """Return the same in an HTML page."""
    return PAGE.format(title=html.escape(label(title).replace("␣", " ")), svg=attention_svg(grids))


def _map(grid: Grid, top: int) -> tuple[int, int, list[str]]:
    """Return the right and the lower edge, and the elements."""
    left = 2 * GAP + LETTER * _longest(grid.written)
    first = top + 2 * GAP + CELL + LETTER * _longest(grid.read)
    title = f"{grid.layer}, {AXES}"
    parts = [f'<text x="{GAP}" y="{top + 14}">{html.escape(title)}</text>']
    turned = any(len(label(token)) > 1 for token in grid.read)
    turn, anchor = (" rotate(-90)", "start") if turned else ("", "middle")
    for column, token in enumerate(grid.read):
        x = left + CELL * column + CELL // 2 + (5 if turned else 0)
        place = f'transform="translate({x} {first - 6}){turn}" text-anchor="{anchor}"'
        parts.append(f"<text {place}>{html.escape(label(token))}</text>")
    for row, token in enumerate(grid.written):
        y = first + CELL * row + 16
        place = f'x="{left - 8}" y="{y}" text-anchor="end"'
        parts.append(f"<text {place}>{html.escape(label(token))}</text>")
    parts += _cells(grid, left, first)
    right = max(left + CELL * len(grid.read) + GAP, 2 * GAP + LETTER * len(title))
    return right, first + CELL * len(grid.written) + 2 * GAP, parts


def _cells(grid: Grid, left: int, top: int) -> Iterator[str]:
    for row, weights in enumerate(grid.weights):
        for column, weight in enumerate(weights.tolist()):
            place = f'x="{left + CELL * column}" y="{top + CELL * row}"'
            size = f'width="{CELL}" height="{CELL}" fill="{shade(weight)}"'
            names = f"{label(grid.written[row])} looks at {label(grid.read[column])}"
            hint = html.escape(f"{names}: {weight:.3f}")
            yield f"<rect {place} {size}><title>{hint}</title></rect>"


def _colour_bar(top: int) -> Iterator[str]:
    """Yield what the colours of the weights from 0 to 1 are."""
    left = GAP + 2 * LETTER
    yield f'<text x="{GAP}" y="{top + 16}">0</text>'
    for k in range(STEPS + 1):
        square = f"M{left + CELL * k} {top}h{CELL}v{CELL}h-{CELL}z"
        yield f'<path d="{square}" fill="{shade(k / STEPS)}"/>'
    yield f'<text x="{left + CELL * (STEPS + 1) + LETTER}" y="{top + 16}">1 (weight)</text>'


def shade(weight: float) -> str:
    """Return the colour of a weight: white at 0, dark blue at 1."""
    part = min(max(weight, 0.0), 1.0)
    red, green, blue = (round(255 + (dark - 255) * part) for dark in (16, 44, 120))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _longest(tokens: Sequence[str]) -> int:
    return max((columns(label(token)) for token in tokens), default=0)
