"""Values in memory that a model is asked about, as rows of the kind of data it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rnnkit.builtin.datasets.arrays.columns import listed_values
from rnnkit.builtin.datasets.arrays.faults import Faults
from rnnkit.builtin.datasets.arrays.frames import framed
from rnnkit.builtin.datasets.arrays.sequence_form import index_of, input_values
from rnnkit.contracts.table import MemoryTable

WHERE = "the values"


def series_rows(values: Any, columns: Sequence[str], time: str | None) -> MemoryTable:
    """Return a frame, or an array (N,) or (N, C) whose columns are those that are read.

    Times of its index are the column `time`.
    """
    faults = Faults(WHERE)
    found = framed(values, faults)
    faults.check()
    named, names = found.table.columns, list(found.table.columns)
    if time and found.time and time not in named:
        names[names.index(found.time)] = time
    others = [name for name in names if name != time]
    if not set(columns) & set(names) and len(others) == len(columns):
        names = [name if name == time else columns[others.index(name)] for name in names]
    renamed = dict(zip(names, named.values(), strict=True))
    return MemoryTable(renamed, found.table.labels)


def sequence_rows(kind: str, key: str | None, values: Any) -> MemoryTable:
    """Return sequences of a kind as the column `key`; with no key a frame that has the columns."""
    faults = Faults(WHERE)
    if key is None:
        table = framed(values, faults).table
    elif _has_column(values, key):
        table = sequence_rows(kind, key, values[key])
    else:
        found = input_values(kind, values, key, faults)
        table = MemoryTable({key: found}, index_of(values))
    faults.check()
    return table


def source_rows(key: str, values: Any) -> MemoryTable:
    """Return texts to be read by an encoder; one text alone is one row."""
    faults = Faults(WHERE)
    if _has_column(values, key):
        values = values[key]
    texts = [values] if isinstance(values, str) else values
    table = MemoryTable({key: listed_values(texts, key, faults)}, index_of(values))
    faults.check()
    return table


def renamed(table: MemoryTable, names: Mapping[str, str]) -> MemoryTable:
    """Return a table in which columns have other names."""
    columns = {names.get(name, name): values for name, values in table.columns.items()}
    return MemoryTable(columns, table.labels)


def _has_column(values: Any, key: str) -> bool:
    columns = values if isinstance(values, Mapping) else getattr(values, "columns", ())
    return key in columns
