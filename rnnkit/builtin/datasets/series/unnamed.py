"""What columns that a series does not name tell of its rows: of several series, or in no order."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import islice, pairwise

from rnnkit.builtin.datasets.series.clock import Clock
from rnnkit.builtin.datasets.tables.rows import Row
from rnnkit.contracts.table import FileData
from rnnkit.errors import DataError, printable

LOOKED = 200_000
"""Cells that are looked at, of whole rows."""
WIDE = 2**16
"""Bytes of a first line from which on none are: cells of Python take many times their size."""


def has_wide_rows(data: FileData) -> bool:
    """Tell whether the first line of a file is too long for all its cells to be looked at."""
    if not isinstance(data, bytes) or len(data) < WIDE:
        return False
    start = data[:WIDE]
    return b"\n" not in start and b"\r" not in start


def told_by_unnamed(rows: Iterable[Row], named: Collection[str]) -> str:
    """Return a sentence where dates that nothing names do not increase; "" where all is well.

    Where they increase for each label of another column, that column is named as the group; without
    dates, labels that come again and again are enough to ask.
    """
    rest = iter(rows)
    first = next(rest, Row(0, {})).fields
    columns = {key: [str(value)] for key, value in first.items() if key not in named}
    if not columns:
        return ""
    for row in islice(rest, LOOKED // len(first)):
        for key, texts in columns.items():
            texts.append(str(row.fields.get(key, "")))
    dates = {key: found for key, texts in columns.items() if (found := _dates(key, texts))}
    labels = {key: texts for key, texts in columns.items() if _are_labels(key, texts)}
    for key, times in dates.items():
        if all(a < b for a, b in pairwise(times)):
            return ""
        for group, texts in labels.items():
            if _increase_within(times, texts):
                said = f"{_named(key)} does not increase from row to row, but within each "
                said += f"{_named(group)} it does: the rows of {len(set(texts))} series are read "
                return said + f'as one (give "time": {_named(key)}, "group": {_named(group)})'
        return (
            f"{_named(key)} does not increase from row to row, and rows are read in their order "
            f'(sort the file, and give "time": {_named(key)})'
        )
    for group, texts in labels.items():
        if sum(a != b for a, b in pairwise(texts)) < len(set(texts)):
            continue  # one piece of each, such as the parts of a day
        return (
            f"{_named(group)} has {len(set(texts))} labels again and again, and nothing names it: "
            f'all rows are read as one series (if each label is one, give "group": {_named(group)})'
        )
    return ""


def _named(key: str) -> str:
    return json.dumps(printable(key), ensure_ascii=False)


def _dates(key: str, texts: list[str]) -> list[float]:
    """Return the times of a column of dates; nothing for another column."""
    clock = Clock(key)
    try:
        times = [clock.read(text) for text in texts]
    except DataError:
        return []
    return times if clock.dates else []


def _are_labels(key: str, texts: list[str]) -> bool:
    """Tell whether a column has a few names, each of them often."""
    kinds = set(texts)
    if not 2 <= len(kinds) <= len(texts) // 3 or "" in kinds or any(map(_is_number, kinds)):
        return False
    return not _dates(key, texts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _increase_within(times: list[float], labels: list[str]) -> bool:
    last: dict[str, float] = {}
    for time, label in zip(times, labels, strict=True):
        if time <= last.get(label, float("-inf")):
            return False
        last[label] = time
    return True
