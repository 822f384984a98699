"""The rows of a JSONL or CSV file, read one after the other."""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rnnkit.builtin.datasets.tables.rows import BadRows, Row, as_json, there_is
from rnnkit.errors import DataError, Problem, printable

UNCLOSED = "unexpected end of data"
"""What the csv module says where a quote is never closed."""


def read_rows(data: bytes, name: str, bad: BadRows, needed: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the good rows of a file; a name in .csv is CSV with a header, all else is JSONL.

    Raises DataError, whether or not bad rows are skipped, for a CSV header that names a column
    twice or lacks one that is `needed`, and for a quote that swallows the rest of a CSV.
    """
    if name.lower().endswith(".csv"):
        yield from _csv_rows(data, name, bad, needed)
        return
    data = data.removeprefix(BOM_UTF8)
    if name.lower().endswith(".tsv") and not looks_like_json(data):
        message = "is no JSONL, and of tables only CSV is read here"
        raise DataError.of("DATA_JSON", f"{message} (save it as .csv, with a header)", name)
    yield from _json_rows(data, name, bad)


def looks_like_json(data: bytes) -> bool:
    """Tell whether data begins with an object, as JSONL does."""
    return data.removeprefix(BOM_UTF8).lstrip()[:1] == b"{"


def _json_rows(data: bytes, name: str, bad: BadRows) -> Iterator[Row]:
    for line, text in enumerate(data.splitlines(), 1):
        if text.strip():
            fields = bad.attempt(name, line, partial(_object, text))
            if fields is not None:
                yield Row(line, fields)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), parse_constant=_no_number, object_pairs_hook=_once)
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
        message = f"expected a JSON object, received {as_json(found)} (one object a line)"
        raise DataError.of("DATA_JSON", message)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raises DataError for a key that stands in it twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        message = f"the key {as_json(twice)} stands twice in one object (keep one)"
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


def _csv_rows(data: bytes, name: str, bad: BadRows, needed: Sequence[str]) -> Iterator[Row]:
    header: list[str] | None = None
    for line, cells in _csv_cells(_decoded(data, name), name, bad):
        if header is None:
            header = _header(cells, f"{name}:{line}", needed)
            continue
        fields = bad.attempt(name, line, partial(_fields, header, cells))
        if fields is not None:
            yield Row(line, fields)
    if data and header is None:
        message = "there is no header (name the columns in the first line)"
        raise DataError.of("DATA_CSV", message, f"{name}:1")


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{name}:{1 + data[: error.start].count(10)}"
        message = "is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message, where) from None


def _csv_cells(text: str, name: str, bad: BadRows) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row that is not empty, and the line where it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header, start = True, 1
    while True:
        try:
            cells = _next(reader, len(text))
        except csv.Error as error:
            unclosed = str(error) == UNCLOSED
            problem = Problem(f"{name}:{start}", "DATA_CSV", _no_csv(error, start, reader.line_num))
            if header or unclosed:
                raise DataError(problem) from None
            bad.problems.append(problem)
            cells = []
        line, start = start, reader.line_num + 1
        if cells is None:
            return
        if cells:
            header = False
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


def _header(cells: list[str], where: str, needed: Sequence[str]) -> list[str]:
    twice = [cell for cell in cells if cells.count(cell) > 1]
    if twice:
        message = f"the header names {as_json(twice[0])} twice (give each column its own name)"
        raise DataError.of("DATA_CSV", message, where)
    missing = [key for key in needed if key not in cells]
    if missing:
        message = f"the header names no {as_json(missing[0])} ({there_is(cells)})"
        raise DataError.of("DATA_FIELD", message, where)
    return cells


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        message = f"expected {len(header)} columns as in the header, received {len(cells)}"
        raise DataError.of("DATA_CSV", f"{message} (quote a cell that holds a comma)")
    return dict(zip(header, cells, strict=True))
