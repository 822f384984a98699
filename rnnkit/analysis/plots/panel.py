"""What is drawn: curves in panels, one above the other; how is for `svg` and `terminal`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LARGEST = 1e300
"""What is greater is drawn here, so that axes have a length and a margin."""


@dataclass(frozen=True)
class Curve:
    """Points of one curve over whole numbers, such as steps; NaN in `ys` leaves a gap.

    In an SVG curves of one `group`, such as those of one run, have one colour, and `points` marks
    each point; `dots` draws no line.
    """

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    group: int = 0
    style: Literal["line", "points", "dots"] = "line"

    def drawn(self, log: bool) -> list[tuple[float, float]]:
        """Return the points as they are drawn: NaN where one cannot be on the scale."""
        return [(x, _on_scale(y, log)) for x, y in zip(self.xs, self.ys, strict=True)]


@dataclass(frozen=True)
class Panel:
    """Curves over one pair of axes; the labels carry the units."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log: bool = False


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest of what is drawn; `y` in powers of ten where the scale is log."""

    x: tuple[float, float]
    y: tuple[float, float]


def bounds(panel: Panel) -> Bounds | None:
    """Return what the axes of a panel span; None where it has no point to draw."""
    points = [p for curve in panel.curves for p in curve.drawn(panel.log) if math.isfinite(p[1])]
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return Bounds(_span(xs, 1.0), _span(ys, abs(ys[0]) / 10 or 1.0))


def _span(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Return the least and the greatest, with a margin around them where they are one."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - margin, high + margin)


def _on_scale(y: float, log: bool) -> float:
    if not math.isfinite(y) or (log and y <= 0):
        return math.nan
    return math.log10(y) if log else max(-LARGEST, min(y, LARGEST))
