"""The layers of a model as a table: what each reads and gives, and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnkit.core.signal import Signal
from rnnkit.errors import shape_text
from rnnkit.inference.asked_records import html_table
from rnnkit.inference.bound_network import BoundNetwork

HEAD = ("layer", "reads", "gives", "parameters", "count")


class LayerRow(NamedTuple):
    """A layer: its name, its signals, its own parameters with their shapes, how many numbers."""

    layer: str
    reads: str
    gives: str
    parameters: str
    numbers: int


def layer_rows_of(model: BoundNetwork) -> list[LayerRow]:
    """Return a row for each layer; what a layer shares with another is counted there."""
    network = model.network
    entering, leaving = network.entering(), network.leaving()
    stored = model.store.stored()
    rows = []
    for name in network.names:
        own = {key.split("/", 1)[1]: a for key, a in stored.items() if key.split("/")[0] == name}
        shapes = ", ".join(f"{key} {shape_text(array.shape)}" for key, array in own.items())
        count = sum(array.size for array in own.values())
        rows.append(LayerRow(name, _words(entering[name]), _words(leaving[name]), shapes, count))
    return rows


def summary_text(model: BoundNetwork) -> str:
    """Return the layers as a table of text, and the sum of the parameters."""
    rows = [HEAD, *(_cells(row) for row in layer_rows_of(model))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    total = f"{model.store.size:,} parameters; the loss is {model.network.loss.type}"
    return "\n".join([*lines, total])


def summary_html(model: BoundNetwork) -> str:
    """Return the same as notebooks show it."""
    table = html_table(HEAD, (_cells(row) for row in layer_rows_of(model)))
    head = html_table((str(model.path), f"{model.store.size:,} parameters"), ())
    return head + table


def _cells(row: LayerRow) -> tuple[str, ...]:
    return (*row[:-1], f"{row.numbers:,}")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return cells as wide as their columns, the last one to the right."""
    cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return [*cells[:-1], row[-1].rjust(widths[-1])]


def _words(signal: Signal) -> str:
    return f"{signal.known():,} ids" if signal.ids else f"{signal.known():,} values"
