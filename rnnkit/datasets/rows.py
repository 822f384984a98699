"""The rows of a JSONL or CSV file, each with its line, and what is done about bad ones."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from rnnkit.errors import DataError, Problem, printable

SHOWN = 10
"""Bad rows that an error names one by one."""

T = TypeVar("T")


class Row(NamedTuple):
    """The fields of one row by name, and the line of the file where it starts."""

    line: int
    fields: Mapping[str, Any]


@dataclass
class BadRows:
    """Collects what is wrong with rows: skipped and counted, or an error that names them."""

    skip: bool = False
    problems: list[Problem] = field(default_factory=list)

    def attempt(self, name: str, line: int, action: Callable[[], T]) -> T | None:
        """Return what an action gives; None where it raises a DataError, which is kept."""
        try:
            return action()
        except DataError as error:
            found = error.problems[0]
            self.problems.append(Problem(f"{name}:{line}", found.code, found.message))
            return None

    def check(self) -> None:
        """Raise DataError for the rows that were kept, unless they are skipped."""
        if self.skip or not self.problems:
            return
        more = len(self.problems) - SHOWN
        shown = self.problems[:SHOWN]
        if more > 0:
            message = f'{more} more rows are bad (repair them, or give "skip_bad": true)'
            shown = [*shown, Problem(shown[-1].where, "DATA_BAD_ROWS", message)]
        raise DataError(*shown)

    def in_words(self) -> str:
        """Return how many were skipped, and the first of them; "" for none."""
        if not self.problems:
            return ""
        count = len(self.problems)
        return f"{count:,} bad row{'s' * (count > 1)} skipped, the first: {self.problems[0]}"


def read_rows(data: bytes, name: str, bad: BadRows) -> Iterator[Row]:
    """Yield the good rows of a file; a name in .csv is CSV with a header, all else is JSONL.

    Raises DataError for a CSV header that names a column twice.
    """
    rows = _csv_rows if name.lower().endswith(".csv") else _json_rows
    yield from rows(data, name, bad)


def _json_rows(data: bytes, name: str, bad: BadRows) -> Iterator[Row]:
    for line, text in enumerate(data.splitlines(), 1):
        if text.strip():
            fields = bad.attempt(name, line, partial(_object, text))
            if fields is not None:
                yield Row(line, fields)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message) from None
    except json.JSONDecodeError as error:
        message = f"column {error.colno}: {error.msg} (one JSON object a line)"
        raise DataError.of("DATA_JSON", message) from None
    except (ValueError, RecursionError) as error:
        message = f"is no JSON that can be read: {printable(str(error))}"
        raise DataError.of("DATA_JSON", message) from None
    if b"\\u" in text and not _encodable(found):
        message = "holds half a surrogate pair, \\ud800 to \\udfff (take it out)"
        raise DataError.of("DATA_ENCODING", message)
    if not isinstance(found, dict):
        message = f"expected a JSON object, received {shown(found)} (one object a line)"
        raise DataError.of("DATA_JSON", message)
    return found


def _encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_number(text: str) -> float:
    message = f"{text} is no finite number (take the row out, or fill in a number)"
    raise DataError.of("DATA_NAN", message)


def _csv_rows(data: bytes, name: str, bad: BadRows) -> Iterator[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{name}:{1 + data[: error.start].count(10)}"
        message = "is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message, where) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    start = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            message = f"is no CSV: {error}"
            if header is None:
                raise DataError.of("DATA_CSV", message, f"{name}:{start}") from None
            bad.problems.append(Problem(f"{name}:{start}", "DATA_CSV", message))
            cells = []
        line, start = start, reader.line_num + 1
        if cells is None:
            return
        if header is None:
            header = _header(cells, name)
        elif cells:
            fields = bad.attempt(name, line, partial(_fields, header, cells))
            if fields is not None:
                yield Row(line, fields)


def _header(cells: list[str], name: str) -> list[str]:
    twice = [cell for cell in cells if cells.count(cell) > 1]
    if twice:
        message = f"the header names {shown(twice[0])} twice (give each column its own name)"
        raise DataError.of("DATA_CSV", message, f"{name}:1")
    return cells


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        message = f"expected {len(header)} columns as in the header, received {len(cells)}"
        raise DataError.of("DATA_CSV", f"{message} (quote a cell that holds a comma)")
    return dict(zip(header, cells, strict=True))


def field_of(row: Mapping[str, Any], key: str) -> Any:
    """Return a field; raises DataError, naming those there are, where it is missing."""
    if key not in row:
        there = ", ".join(shown(name) for name in list(row)[:12])
        message = f"there is no {shown(key)} (there is {there or 'nothing'})"
        raise DataError.of("DATA_FIELD", message)
    return row[key]


def shown(value: object) -> str:
    """Return a value as JSON, cut to a line that is safe to print."""
    return printable(json.dumps(value, ensure_ascii=False, default=repr), 60)
