"""Alignment maps for a terminal."""

from __future__ import annotations

from rnnkit.analysis.attention.grid import Grid, label
from rnnkit.core.text_width import columns, to_left, to_right

SHADES = " ·░▒▓█"
"""From a weight of 0 to 1, where there are no colours."""

RAMP = (231, 189, 147, 105, 63, 21, 18)
"""The same in the palette of 256 colours: white to dark blue."""

RESET = "\x1b[0m"


def draw_map(grid: Grid, colour: bool, room: int | None = None) -> str:
    """Return the map: source tokens from top to bottom, a line for each token written.

    Where the source does not fit into `room` columns, its parts stand one below the other.
    """
    sides = [label(token) for token in grid.written]
    width = max(map(columns, sides), default=0)
    heads, weights = _bottom([label(token) for token in grid.read]), grid.weights.tolist()
    most = len(heads) if room is None else max(1, (room - width - 1) // 2)
    blocks = []
    for start in range(0, max(1, len(heads)), max(1, most)):
        part = slice(start, start + most)
        above = [
            " " * width + " " + "".join(to_left(letter, 2) for letter in letters)
            for letters in zip(*heads[part], strict=True)
        ]
        rows = (
            f"{to_right(side, width)} {''.join(_cell(w, colour) for w in row[part])}"
            f"{RESET if colour else ''}"
            for side, row in zip(sides, weights, strict=True)
        )
        blocks.append("\n".join(line.rstrip() for line in [*above, *rows]))
    return "\n".join([grid.layer, "\n\n".join(blocks)])


def _bottom(names: list[str]) -> list[str]:
    """Return names of one length, the short ones standing on the map."""
    height = max((len(name) for name in names), default=0)
    return [name.rjust(height) for name in names]


def _cell(weight: float, colour: bool) -> str:
    part = min(max(weight, 0.0), 1.0)
    if colour:
        return f"\x1b[48;5;{RAMP[round(part * (len(RAMP) - 1))]}m  "
    return SHADES[round(part * (len(SHADES) - 1))] * 2
