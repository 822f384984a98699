"""The rows of a file: JSONL, a JSON array, or a table with a header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnnkit.builtin.datasets.tables.cells import PLAIN, Marks
from rnnkit.builtin.datasets.tables.csv_rows import csv_rows, names_columns
from rnnkit.builtin.datasets.tables.json_rows import json_rows, looks_like_json
from rnnkit.builtin.datasets.tables.rows import PASSED, BadRows, EmptyLines, Row, as_json, there_is
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.errors import DataError
from rnnkit.files.compressed import plain_name
from rnnkit.files.marked_text import as_utf8

JSON_NAMES = (".jsonl", ".json", ".ndjson")
ENDINGS = (".csv", ".tsv", ".txt", *JSON_NAMES)
"""How the names of files with rows end."""


def read_rows(
    data: FileData,
    name: str,
    bad: BadRows,
    needed: Sequence[str] = (),
    marks: Marks = PLAIN,
    empty: EmptyLines = PASSED,
) -> Iterator[Row]:
    """Yield the good rows of a file: a table by its name or content, else JSON.

    Raises DataError, whether or not bad rows are skipped, for a header that names a column twice or
    lacks one that is `needed`, and for a quote or an array that swallows the rest of the file.
    """
    if isinstance(data, MemoryTable):
        yield from _table_rows(data, name, needed)
        return
    data = as_utf8(data, name)
    ending = plain_name(name).lower()
    json = not data or looks_like_json(data) or ending.endswith(JSON_NAMES)
    if json and not ending.endswith(".csv"):
        yield from json_rows(data, name, bad, empty)
    else:
        yield from csv_rows(data, name, bad, needed, marks, empty)


def has_rows(data: FileData, name: str, needed: Sequence[str]) -> bool:
    """Tell whether a file is JSON or a table, by its name or its first line, or else of lines."""
    if isinstance(data, MemoryTable):
        return True
    data = as_utf8(data, name)
    if plain_name(name).lower().endswith((".csv", *JSON_NAMES)) or looks_like_json(data):
        return True
    return names_columns(data, needed)


def _table_rows(table: MemoryTable, name: str, needed: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a table in memory, counted from 1."""
    missing = [key for key in needed if key not in table.columns]
    if missing:
        message = f"there is no column {as_json(missing[0])} ({there_is(table.columns)})"
        raise DataError.of("DATA_FIELD", message, name)
    for line, fields in enumerate(table.rows(), 1):
        yield Row(line, fields)
