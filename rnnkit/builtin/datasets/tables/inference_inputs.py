"""Files without targets: what their rows ask of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from rnnkit.builtin.datasets.tables.rows import BadRows, Row
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.table import FileData
from rnnkit.contracts.target_info import Meaning
from rnnkit.files.marked_text import text_lines

Reader: TypeAlias = Callable[[FileData, str, BadRows], Iterable[Row]]
"""Gives the rows of a file from its content and name."""


def rows_asked(
    data: FileData,
    name: str,
    skip_bad: bool,
    encode: Callable[[Row], Question],
    read: Reader,
    meaning: Meaning,
    whole: bool = False,
) -> Questions:
    """Return a question for each row that `read` gives; DataError, with its line, for bad ones."""
    bad = BadRows(skip_bad)
    found = bad.good(name, read(data, name, bad), encode)
    bad.check()
    return Questions(found, meaning, whole, False, len(bad.problems), bad.in_words())


def plain_lines(
    data: FileData, name: str, bad: BadRows, key: str, until: str | None = None
) -> Iterator[Row]:
    """Yield each line of a text as a row with the field `key`; of a line what is before `until`."""
    assert isinstance(data, bytes)
    for number, line in enumerate(text_lines(data, name), 1):
        text = line.decode(errors="surrogateescape")
        yield Row(number, {key: text.split(until)[0] if until else text})
