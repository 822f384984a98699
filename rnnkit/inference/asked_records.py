"""Records as people look at them in Python: a list, columns by name, a frame, a table."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, overload

import numpy as np

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.errors import printable
from rnnkit.types import Array

_log = logging.getLogger("rnnkit")
SHOWN = 20
"""Records that are shown, the first and the last ones."""


def log_note(note: str) -> None:
    """Tell in Python what a command tells beside its answers, if there is anything."""
    if note:
        _log.warning(note)


class RecordList(list[dict[str, Any]]):
    """A list of records; `records["loss"]` is a column (N,), and `frame()` all of them."""

    @overload  # type: ignore[override]
    def __getitem__(self, key: str) -> Array: ...

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, key: slice) -> RecordList: ...

    def __getitem__(self, key: str | int | slice) -> Array | dict[str, Any] | RecordList:
        """Return a record, some records, or a column by its name, NaN where it is missing."""
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, slice):
            return RecordList(super().__getitem__(key))
        return super().__getitem__(key)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that stand in any record."""
        return tuple(dict.fromkeys(name for record in self for name in record))

    def frame(self, index: str | None = None) -> Any:
        """Return a frame of pandas, or of polars where there is no pandas.

        In pandas the column `index` becomes the index, as times where all of it are dates. Raises
        ImportError where neither package is installed.
        """
        with suppress(ImportError):
            return self._pandas(index)
        try:
            import polars
        except ImportError:
            message = "a frame needs pandas or polars (pip install pandas); the records are a list"
            raise ImportError(f"{message} of dictionaries without one") from None
        return polars.DataFrame([*self], infer_schema_length=None)

    def _pandas(self, index: str | None) -> Any:
        import pandas

        found = pandas.DataFrame([*self])
        if index is None:
            return found
        self._check(index)
        if not pandas.api.types.is_numeric_dtype(found[index]):
            with suppress(ValueError, TypeError):
                found[index] = pandas.to_datetime(found[index])
        return found.set_index(index)

    def _check(self, name: str) -> None:
        if name not in self.columns:
            there = ", ".join(self.columns) or "none"
            raise KeyError(f"there is no column {printable(repr(name))} (there is {there})")

    def _column(self, name: str) -> Array:
        self._check(name)
        values = [record.get(name) for record in self]
        if all(value is None or isinstance(value, int | float) for value in values):
            return np.array([np.nan if value is None else value for value in values])
        found = np.empty(len(values), object)
        found[:] = values
        return found

    def _repr_html_(self) -> str:
        """Return a table, as notebooks show it."""
        names = self.columns
        shown: list[Mapping[str, Any]] = [*self]
        if len(self) > SHOWN:
            gap = dict.fromkeys(names, "...")
            shown = [*shown[: SHOWN // 2], gap, *shown[-SHOWN // 2 :]]
        return html_table(names, ([_text(record.get(n)) for n in names] for record in shown))


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of HTML; its texts may hold anything."""

    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def history_of(path: Path) -> RecordList:
    """Return the lines of metrics of the run that a checkpoint, or its folder, is of."""
    for folder in (path, path.parent, path.parent.parent):
        run = RunDir(folder)
        if run.holds_run() and run.metrics.is_file():
            lines = run.metrics.read_text().splitlines()
            return RecordList(json.loads(line) for line in lines)
    return RecordList()
