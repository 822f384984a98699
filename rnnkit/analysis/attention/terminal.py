"""Alignment maps for a terminal."""

from __future__ import annotations

from rnnkit.analysis.attention.grid import Grid, label

SHADES = " ·░▒▓█"
"""From a weight of 0 to 1, where there are no colours."""

RAMP = (231, 189, 147, 105, 63, 21, 18)
"""The same in the palette of 256 colours: white to dark blue."""

RESET = "\x1b[0m"


def draw_map(grid: Grid, colour: bool) -> str:
    """Return the map: source tokens from top to bottom, a line for each token written."""
    sides = [label(token) for token in grid.written]
    width = max((len(side) for side in sides), default=0)
    heads = [label(token) for token in grid.read]
    lines = [
        " " * width + " " + "".join(f"{letter:<2}" for letter in letters)
        for letters in zip(*_bottom(heads), strict=True)
    ]
    for side, weights in zip(sides, grid.weights.tolist(), strict=True):
        cells = "".join(_cell(weight, colour) for weight in weights)
        lines.append(f"{side:>{width}} {cells}{RESET if colour else ''}")
    return "\n".join(line.rstrip() for line in [grid.layer, *lines])


def _bottom(names: list[str]) -> list[str]:
    """Return names of one length, the short ones standing on the map."""
    height = max((len(name) for name in names), default=0)
    return [name.rjust(height) for name in names]


def _cell(weight: float, colour: bool) -> str:
    part = min(max(weight, 0.0), 1.0)
    if colour:
        return f"\x1b[48;5;{RAMP[round(part * (len(RAMP) - 1))]}m  "
    return SHADES[round(part * (len(SHADES) - 1))] * 2
