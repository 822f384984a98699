"""Places of rows in memory as people know them: by label, not by a line of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.errors import DataError, Problem


def labelled(text: str, held: Mapping[str, FileData]) -> str:
    """Return a text in which `the data:5` and `line 5` are the labels of these rows."""
    tables = {name: data for name, data in held.items() if isinstance(data, MemoryTable)}
    for name, table in tables.items():
        text = re.sub(
            rf"{re.escape(name)}:(\d+)",
            lambda m, n=name, t=table: f"row {t.label(int(m[1]))} of {n}",  # type: ignore[misc]
            text,
        )
    if len(tables) == 1:
        (table,) = tables.values()
        text = re.sub(r"(?<!at )\bline (\d+)\b", lambda m: f"row {table.label(int(m[1]))}", text)
    return text.replace(" at line 1,", " at")  # of a text that stands in a row


@contextmanager
def labelling(held: Mapping[str, FileData]) -> Iterator[None]:
    """Name rows by their labels in the DataError of what is read from memory."""
    try:
        yield
    except DataError as error:
        raise DataError(*(_problem(p, held) for p in error.problems)) from None


def _problem(problem: Problem, held: Mapping[str, FileData]) -> Problem:
    named = {n: d for n, d in held.items() if problem.where.startswith(n)} or held
    return replace(
        problem, where=labelled(problem.where, held), message=labelled(problem.message, named)
    )
