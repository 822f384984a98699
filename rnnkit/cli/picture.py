"""What the commands that draw share: a file, a terminal, or both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnkit.cli.common import write_named
from rnnkit.cli.options import together, wants_colour
from rnnkit.cli.paths import Output
from rnnkit.cli.results import json_asked, results

if TYPE_CHECKING:
    from rnnkit.analysis.plots.panel import Panel

DRAWING: Callable[..., Callable[..., object]] = together(
    click.option("--out", type=Output(".svg"), help="Write one standalone SVG to this file."),
    click.option(
        "--terminal", is_flag=True, help="Draw in the terminal; the default without --out."
    ),
)


def picture(panels: Sequence[Panel], out: Path | None, terminal: bool) -> str:
    """Write the SVG that was asked for; return the text of what a terminal shows, "" for nothing.

    Raises PluginError where there is no matplotlib to write it.
    """
    from rnnkit.analysis.plots.svg import svg
    from rnnkit.analysis.plots.terminal import draw_panels

    if out is not None:
        write_named(out, svg(panels))
    if json_asked() or (out is not None and not terminal):
        return ""
    columns = shutil.get_terminal_size().columns
    return draw_panels(panels, columns, colour=wants_colour(), braille=_in_braille())


def _in_braille() -> bool:
    try:
        "⠿│┤└─".encode(getattr(results(), "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
