"""Text on a terminal, coloured by an activation."""

from __future__ import annotations

from collections.abc import Sequence

from rnnkit.analysis.neurons.text import visible
from rnnkit.types import Array

RESET = "\x1b[0m"
STEPS = 5
"""Shades of blue below zero, and of red above; the palette of 256 colours has no more."""


def coloured(tokens: Sequence[str], shown: Array) -> str:
    """Return the text with a background for each activation (T,): -1 blue, 0 white, 1 red.

    Nothing of the text reaches the terminal as a command: what is not printable is written out.
    """
    lines: list[list[str]] = [[]]
    for token, value in zip(tokens, shown.tolist(), strict=True):
        for index, piece in enumerate(visible(token).split("\n")):
            if index:
                lines.append([])
            if piece:
                lines[-1].append(f"{_style(value)}{piece}")
    return "\n".join("".join([*line, RESET]) if line else "" for line in lines)


def _style(value: float) -> str:
    level = round(min(max(value, -1.0), 1.0) * STEPS)
    pale = STEPS - abs(level)
    red, green, blue = (5, pale, pale) if level > 0 else (pale, pale, 5)
    ink = 15 if level < -3 else 16
    return f"\x1b[38;5;{ink};48;5;{16 + 36 * red + 6 * green + blue}m"
