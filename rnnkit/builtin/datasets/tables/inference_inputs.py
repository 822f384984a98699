"""Files without targets: what their rows ask of a model."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Sequence

from rnnkit.builtin.datasets.tables.rows import BadRows, Row, text_field
from rnnkit.builtin.datasets.tables.tables import looks_like_json, read_rows
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.types import Array


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
    found = bad.good(name, rows, encode)
    bad.check()
    return Questions(found, meaning, whole, False, len(bad.problems), bad.in_words())


def texts_asked(
    data: bytes, name: str, skip_bad: bool, key: str, encode: Callable[[str], Array]
) -> Questions:
    """Return a question for each text: the field `key` of a JSONL or CSV file, else a line.

    A line goes up to its first tab, so that a file of pairs is one of sources.
    """

    def asked(row: Row) -> Question:
        return Question(row.line, encode(text_field(row.fields, key)))

    if name.lower().endswith((".csv", ".jsonl")) or looks_like_json(data):
        return rows_asked(data, name, skip_bad, asked, (key,), Meaning())
    bad, data = BadRows(skip_bad), data.removeprefix(BOM_UTF8)
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    found = bad.good(name, (_first_cell(i, line, key) for i, line in enumerate(lines, 1)), asked)
    bad.check()
    return Questions(found, skipped=len(bad.problems), note=bad.in_words())


def _first_cell(number: int, line: bytes, key: str) -> Row:
    cell = line.removesuffix(b"\r").split(b"\t")[0].decode(errors="surrogateescape")
    return Row(number, {key: cell})
