"""Files without targets: what their rows ask of a model."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.builtin.datasets.tables.rows import BadRows, Row, field_of, shown
from rnnkit.builtin.datasets.tables.tables import looks_like_json, read_rows
from rnnkit.builtin.datasets.tables.values import single
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.errors import DataError
from rnnkit.types import Array

Step: TypeAlias = tuple[int, list[float]]
"""The line of a row, and its values."""


def rows_asked(
    data: bytes,
    name: str,
    skip_bad: bool,
    encode: Callable[[Row], Question],
    needed: Sequence[str],
    meaning: Meaning,
    whole: bool = False,
) -> Questions:
    """Return a question for each row; raises DataError, with file and line, for bad ones.

    The `needed` fields are asked of the header of a CSV, though no row may follow it.
    """
    bad = BadRows(skip_bad)
    rows = read_rows(data, name, bad, needed)
    found = [bad.attempt(name, row.line, partial(encode, row)) for row in rows]
    bad.check()
    good = [question for question in found if question]
    return Questions(good, meaning, whole, False, len(bad.problems), bad.in_words())


def texts_asked(
    data: bytes, name: str, skip_bad: bool, key: str, encode: Callable[[str], Array]
) -> Questions:
    """Return a question for each text: the field `key` of a JSONL or CSV file, else a line.

    A line goes up to its first tab, so that a file of pairs is one of sources.
    """

    def asked(row: Row) -> Question:
        text = field_of(row.fields, key)
        if not isinstance(text, str):
            message = f"{key}: expected a text, received {shown(text)}"
            raise DataError.of("DATA_FIELD", message)
        return Question(row.line, encode(text).astype(np.int32))

    if name.lower().endswith((".csv", ".jsonl")) or looks_like_json(data):
        return rows_asked(data, name, skip_bad, asked, (key,), Meaning())
    bad, found, data = BadRows(skip_bad), [], data.removeprefix(BOM_UTF8)
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else [], 1):
        cell = line.removesuffix(b"\r").split(b"\t")[0].decode(errors="surrogateescape")
        found.append(bad.attempt(name, number, partial(asked, Row(number, {key: cell}))))
    bad.check()
    good = [question for question in found if question]
    return Questions(good, skipped=len(bad.problems), note=bad.in_words())


def timeline_asked(
    data: bytes,
    name: str,
    skip_bad: bool,
    columns: Sequence[str],
    scaler: Scaler,
    meaning: Meaning,
) -> Questions:
    """Return one question whose steps are the rows, each of which has an answer."""
    bad = BadRows(skip_bad)

    def values(row: Row) -> Step:
        return row.line, [single(field_of(row.fields, key), key) for key in columns]

    rows_read = read_rows(data, name, bad, columns)
    found = [bad.attempt(name, row.line, partial(values, row)) for row in rows_read]
    good = _on_scale([each for each in found if each], columns, scaler, name, bad)
    bad.check()
    lines = [line for line, _ in good]
    rows: Array = np.array([row for _, row in good])
    asked = [Question(lines[0], scaler.scaled(rows), True, None, lines)] if good else []
    return Questions(asked, meaning, False, True, len(bad.problems), bad.in_words())


def _on_scale(
    rows: Sequence[Step], columns: Sequence[str], scaler: Scaler, name: str, bad: BadRows
) -> Sequence[Step]:
    """Return the rows that float32 holds on the scale of the training part."""
    if not rows:
        return rows
    beyond = scaler.beyond(np.array([row for _, row in rows]))
    wrong = dict.fromkeys(np.argwhere(beyond)[:, 0].tolist())
    for i in wrong:
        line, row = rows[i]
        bad.attempt(name, line, partial(scaler.check, np.array([row]), columns))
    return [row for i, row in enumerate(rows) if i not in wrong]
