"""The rows of a table with a header: CSV, or the same with other characters between its cells."""

from __future__ import annotations

import csv
import io
import re
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from rnnkit.builtin.datasets.tables.cells import Marks, TableCell
from rnnkit.builtin.datasets.tables.rows import BadRows, EmptyLines, Row, as_json, there_is
from rnnkit.errors import DataError, Problem

DELIMITERS = (",", ";", "\t", "|")
"""What may stand between cells, where nothing is said; the first that fits is taken."""

SPREADSHEET = re.compile(r"sep=([^\"\r\n])\r?\n")
"""The first line by which a spreadsheet is told what stands between cells."""

HEADER = 2**20
"""Characters in which a header is looked for."""

UNCLOSED = "unexpected end of data"
"""What the csv module says where a quote is never closed."""


def csv_rows(
    data: bytes,
    name: str,
    bad: BadRows,
    needed: Sequence[str],
    marks: Marks,
    empty: EmptyLines,
) -> Iterator[Row]:
    """Yield the good rows of UTF-8 data; raises DataError for a header or a quote that is wrong.

    Rows have the columns that are needed, where some are named, else all that have a name.
    """
    head: _Header | None = None
    _check_encoding(data, name)
    head_of_it = data[:HEADER].decode(errors="replace")
    if said := SPREADSHEET.match(head_of_it):
        marks = marks._replace(delimiter=marks.delimiter or said[1])
    marks = marks._replace(delimiter=marks.delimiter or _found_delimiter(head_of_it, needed))
    blank: list[int] = []
    for line, cells in _csv_cells(data, name, bad, marks.delimiter):
        if head is None:
            if said and line == 1:
                continue
            head = _header(cells, f"{name}:{line}", needed)
            nothing = head.fields([""] * head.width, marks)
        elif not cells:
            blank.append(line)
        else:
            if blank:
                yield from bad.emptied(blank, name, empty, nothing)
            fields = bad.attempt(name, line, partial(head.read, cells, marks, empty.gaps))
            if fields is not None:
                yield Row(line, fields)
    if data and head is None:
        message = "there is no header (name the columns in the first line)"
        raise DataError.of("DATA_CSV", message, f"{name}:1")


def _check_encoding(data: bytes, name: str) -> None:
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), HEADER):
            decoder.decode(data[start : start + HEADER])
        decoder.decode(b"", final=True)
        return
    except UnicodeDecodeError:
        pass
    try:
        data.decode()  # which tells where
    except UnicodeDecodeError as error:
        where = f"{name}:{1 + data[: error.start].count(10)}"
        message = "is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message, where) from None


def names_columns(data: bytes, needed: Sequence[str]) -> bool:
    """Tell whether the first line of UTF-8 data is a header that names all that is needed."""
    text = data[:HEADER].decode(errors="replace")
    return any(set(needed) <= set(_first_cells(text, each)) for each in DELIMITERS)


def _found_delimiter(text: str, needed: Sequence[str]) -> str:
    """Return what parts the header into all that is needed, else into the most cells."""
    counts = {}
    for each in DELIMITERS:
        cells = _first_cells(text, each)
        if needed and set(needed) <= set(cells):
            return each
        counts[each] = len(cells)
    return max(counts, key=counts.__getitem__)


def _first_cells(text: str, delimiter: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [cell.strip() for cell in next(filter(None, reader), [])]
    except csv.Error:
        return []


def _csv_cells(
    data: bytes, name: str, bad: BadRows, delimiter: str | None
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row from the header on, and the line where it starts."""
    # It is decoded line by line: the whole as a StringIO takes four bytes for each character.
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    reader = csv.reader(text, strict=True, delimiter=delimiter or ",")
    header, start = True, 1
    while True:
        try:
            cells = _next(reader, len(data))
        except csv.Error as error:
            unclosed = str(error) == UNCLOSED
            problem = Problem(f"{name}:{start}", "DATA_CSV", _no_csv(error, start, reader.line_num))
            if header or unclosed:
                raise DataError(problem) from None
            bad.problems.append(problem)
            start = reader.line_num + 1
            continue
        line, start = start, reader.line_num + 1
        if cells is None:
            return
        header = header and not cells
        if not header:
            yield line, cells


def _next(reader: Iterator[list[str]], longest: int) -> list[str] | None:
    """Return the next row, or None; a cell may be as long as the text.

    The csv module has one limit for all its readers: it is as before once the row is read.
    """
    before = csv.field_size_limit()
    if longest <= before:
        return next(reader, None)
    csv.field_size_limit(longest)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _no_csv(error: csv.Error, start: int, end: int) -> str:
    if str(error) == UNCLOSED:
        message = f"a quote is not closed up to the end in line {end:,}"
        return f"{message} (close it, or double a quote that stands in a cell)"
    lines = f" up to line {end:,}" if end > start else ""
    return f"is no CSV{lines}: {error}"


class _Header(NamedTuple):
    """The places of the columns that are read, of `width` in all; no name comes after `named`."""

    width: int
    named: int
    places: Mapping[str, int]

    def read(self, cells: list[str], marks: Marks, gaps: bool) -> dict[str, TableCell]:
        """Return the cells of a row by name; raises DataError unless it has one for each."""
        short = len(cells) < self.named and not gaps
        if short or any(islice(cells, self.width, None)):
            message = f"expected {self.width} columns as in the header, received {len(cells)}"
            inside = "a comma" if marks.delimiter == "," else as_json(marks.delimiter)
            advice = "write an empty cell too" if short else f"quote a cell that holds {inside}"
            raise DataError.of("DATA_CSV", f"{message} ({advice})")
        return self.fields(cells, marks)

    def fields(self, cells: list[str], marks: Marks) -> dict[str, TableCell]:
        """Return the cells by name, as far as they go."""
        there = len(cells)
        return {n: TableCell(cells[i], marks) for n, i in self.places.items() if i < there}


def _header(cells: list[str], where: str, needed: Sequence[str]) -> _Header:
    """Return the columns that are needed, or all that have a name."""
    names = [cell.strip() for cell in cells]
    there = set(names)
    counts = Counter(filter(None, names)) if len(there) < len(names) else {}
    if twice := [name for name, count in counts.items() if count > 1]:
        message = f"the header names {as_json(twice[0])} twice (give each column its own name)"
        raise DataError.of("DATA_CSV", message, where)
    missing = [key for key in needed if key not in there]
    if missing:
        several = len(names) == 1 and missing[0] in names[0]
        alone = '; give "delimiter" if it is several' if several else ""
        found = f"{there_is(filter(None, names))}{alone}"
        message = f"the header names no {as_json(missing[0])} ({found})"
        raise DataError.of("DATA_FIELD", message, where)
    wanted = set(needed) or there
    places = {name: i for i, name in enumerate(names) if name and name in wanted}
    named = max((i for i, name in enumerate(names, 1) if name), default=0)
    return _Header(len(names), named, places)
