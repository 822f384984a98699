"""What the commands that draw share: a file, a terminal, or both."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from rnnkit.cli.common import OUTPUT, tell

if TYPE_CHECKING:
    from rnnkit.analysis.plots.panel import Panel

F = TypeVar("F", bound=Callable[..., object])


def drawing(function: F) -> F:
    """Add the options that say where a picture goes."""
    terminal = click.option(
        "--terminal", is_flag=True, help="Draw in the terminal; the default without --out."
    )
    out = click.option(
        "--out", type=OUTPUT, callback=_svg_name, help="Write one standalone SVG to this file."
    )
    return out(terminal(function))


def picture(panels: Sequence[Panel], out: Path | None, terminal: bool, as_json: bool) -> str:
    """Write the SVG that was asked for; return the text of what a terminal shows, "" for nothing.

    Raises PluginError where there is no matplotlib to write it.
    """
    from rnnkit.analysis.plots.svg import svg
    from rnnkit.analysis.plots.terminal import draw_panels
    from rnnkit.files.outputs import write_output

    if out is not None:
        write_output(out, svg(panels))
        tell(f"wrote {out}")
    if as_json or (out is not None and not terminal):
        return ""
    columns = shutil.get_terminal_size().columns
    return draw_panels(panels, columns, colour=_in_colour(), braille=_in_braille())


def unknown(kind: str, name: str, known: Sequence[str]) -> click.UsageError:
    """Return the error of a name that is none, with the one that was probably meant."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return click.UsageError(f"there is no {kind} {name!r} ({hint}there are {', '.join(known)})")


def _svg_name(context: click.Context, option: click.Parameter, out: Path | None) -> Path | None:
    if out is not None and out.suffix.lower() != ".svg":
        raise click.BadParameter(f"expected a name that ends in .svg, received {str(out)!r}")
    return out


def _in_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _in_braille() -> bool:
    try:
        "⠿│┤└─".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
