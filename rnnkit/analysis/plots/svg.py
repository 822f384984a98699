"""Panels as one standalone SVG, by matplotlib: equal panels give equal bytes.

Nothing in the file names an address: no font, style or script is fetched. The text stays text, so
that it can be searched and read aloud.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from rnnkit.analysis.plots.panel import Curve, Panel
from rnnkit.core.text_width import cut
from rnnkit.errors import PluginError

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart with any kind of colour vision (Okabe and Ito 2008)."""
LONGEST_NAME = 60
"""Characters of a name in a legend, which is to be no wider than its panel."""
DASHES = ("-", "--", "-.", ":")
SETTINGS: Any = {
    "svg.hashsalt": "rnnkit",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": "small",
    "text.parse_math": False,
}
DARK = b"""
@media (prefers-color-scheme: dark) {
 text { fill: #e0e0e0 !important }
 [style*="fill: #ffffff"] { fill: #16191d !important }
 [style*="stroke: #000000"] { stroke: #e0e0e0 !important }
}
"""
"""Rules for readers who prefer a dark page; they go before those that stand in the elements."""


def has_matplotlib() -> bool:
    """Tell whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def svg(panels: Sequence[Panel]) -> bytes:
    """Return panels, one above the other, as an SVG; raises PluginError without matplotlib."""
    if not has_matplotlib():
        raise PluginError.of(
            "PLOT_NO_MATPLOTLIB",
            "an SVG needs matplotlib, which is not installed (pip install 'rnnkit[plot]', or leave "
            "out --out: then the curves are drawn in the terminal)",
        )
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        # A user's own settings would change the bytes.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        figure = Figure(figsize=(8, 2.8 * len(panels) + 0.2), layout="constrained")
        for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False), panels, strict=True):
            _draw(axes[0], panel)
        found = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(found, format="svg", metadata=nothing)
    # A viewer might look for the document type that it names.
    plain = re.sub(rb"<!DOCTYPE[^>]*>\n?", b"", found.getvalue())
    return plain.replace(b"</style>", DARK + b"</style>", 1)


def _draw(axes: Any, panel: Panel) -> None:
    for curve in panel.curves:
        ys = [y for _, y in curve.drawn(log=False)]
        axes.plot(curve.xs, ys, label=cut(curve.name, LONGEST_NAME), **_style(curve))
    if panel.log:
        _log_scale(axes)
    axes.set_title(panel.title, fontsize="medium", loc="left")
    axes.set_xlabel(panel.x_label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel(panel.y_label, fontsize="small")
    if len(panel.curves) > 1:
        axes.legend()


def _log_scale(axes: Any) -> None:
    """Scale by powers of ten, labelled in plain text, as all of the file."""
    from matplotlib.ticker import LogFormatter

    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter())


def _style(curve: Curve) -> dict[str, Any]:
    """Return colour by group, dashes where a colour comes again, marks for points."""
    colour = COLOURS[curve.group % len(COLOURS)]
    line = DASHES[curve.group // len(COLOURS) % len(DASHES)]
    if curve.style == "points":
        return {"color": colour, "linestyle": "--", "marker": "o", "markersize": 4, "linewidth": 1}
    if curve.style == "dots":
        return {"color": colour, "linestyle": "", "marker": "o", "markersize": 4}
    alone = len(curve.xs) == 1
    return {"color": colour, "linestyle": line, "linewidth": 1.5, "marker": "o" if alone else None}
