"""rnnkit plot: what training did, step by step, for one run or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.cli.common import emit, unknown
from rnnkit.cli.options import Number, make_command
from rnnkit.cli.paths import PATH
from rnnkit.cli.picture import DRAWING, picture
from rnnkit.cli.results import json_asked

if TYPE_CHECKING:
    from rnnkit.analysis.plots.panel import Curve, Panel


@make_command("plot")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Draw this one, such as loss or valid_loss; may be repeated "
    "(default: loss, perplexity, accuracy, gradient_norm, and lr where it changes).",
)
@click.option("--log", is_flag=True, help="A logarithmic scale.")
@click.option(
    "--smooth",
    type=Number(0, 1, max_open=True),
    default=0.0,
    metavar="WEIGHT",
    help="Exponential mean of what training gives: a line counts WEIGHT times as much as the next.",
)
@DRAWING
def command(
    runs: tuple[Path, ...],
    metrics: tuple[str, ...],
    log: bool,
    smooth: float,
    out: Path | None,
    terminal: bool,
) -> None:
    """Draw loss, perplexity, accuracy, gradient norm and learning rate of each RUN over its steps.

    RUN is a run directory, also one that is still training. With --out the picture is one SVG,
    which needs the extra rnnkit[plot]; without it the curves are drawn in the terminal.
    """
    from rnnkit.analysis.plots.metrics import (
        default_metrics,
        drawable_metrics,
        panels,
        read_history,
    )

    histories = [read_history(run) for run in dict.fromkeys(runs)]
    known = drawable_metrics(histories)
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known)
    wanted = list(dict.fromkeys(metrics)) or default_metrics(histories)
    drawn = panels(histories, wanted, log, smooth)
    text = picture(drawn, out, terminal)
    result = {"out": None if out is None else str(out), "panels": as_objects(drawn)}
    if json_asked() or text:
        emit(result, text)


def as_objects(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return panels as --json prints them."""
    return [
        {"title": p.title, "x": p.x_label, "y": p.y_label, "curves": [*map(_curve, p.curves)]}
        for p in panels
    ]


def _curve(curve: Curve) -> dict[str, Any]:
    ys = [y if math.isfinite(y) else None for y in curve.ys]
    return {"name": curve.name, "x": list(curve.xs), "y": ys}
