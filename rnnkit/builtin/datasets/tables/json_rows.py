"""The rows of a JSONL file, or of one JSON array of objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rnnkit.builtin.datasets.tables.rows import PASSED, BadRows, EmptyLines, Row, as_json
from rnnkit.builtin.datasets.tables.values import NOT_ZERO
from rnnkit.errors import DataError, Problem, printable
from rnnkit.files.json_list import is_json_list

ARRAY = re.compile(rb"\s*\[\s*[{\]]")
"""How an array of objects begins."""

EXPONENT = re.compile(rb"[eE][+-]?\d{3}")
"""What makes a number that float64 may not hold, as do these:"""

DOUBTFUL = b"NaN", b"Infinity", b"0" * 300

LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
"""A line and its end: the lines of a large file are looked at one by one, never copied at once."""


def looks_like_json(data: bytes) -> bool:
    """Tell whether data begins with an object, as JSONL does, or an array of them, or is a list."""
    return data.lstrip()[:1] == b"{" or bool(ARRAY.match(data)) or is_json_list(data)


def json_rows(data: bytes, name: str, bad: BadRows, empty: EmptyLines) -> Iterator[Row]:
    """Yield the good rows of UTF-8 data; raises DataError for an array that is no JSON."""
    if ARRAY.match(data) or is_json_list(data):
        yield from _array_rows(data, name, bad)
        return
    blank: list[int] = []
    begun = False
    for line, found in enumerate(LINE.finditer(data), 1):
        text = found[1]
        if not text.strip():
            blank.append(line)
            continue
        yield from bad.emptied(blank, name, empty if begun else PASSED, {})
        begun = True
        fields = bad.attempt(name, line, partial(_object_of, text))
        if fields is not None:
            yield Row(line, fields)


def _array_rows(data: bytes, name: str, bad: BadRows) -> Iterator[Row]:
    try:
        text = _decoded(data)
        escaped, decoder = "\\u" in text, _decoder(data)
        at = _after_space(text, text.index("[") + 1)
        line, counted = 1, 0
        while text[at : at + 1] != "]":
            line, counted = line + text.count("\n", counted, at), at
            value, at = _read(partial(decoder.raw_decode, text, at))
            fields = bad.attempt(name, line, partial(_object, value, escaped))
            if fields is not None:
                yield Row(line, fields)
            at = _after_item(text, at)
    except DataError as error:
        # What follows a mistake in an array cannot be told.
        found = error.problems[0]
        raise DataError(Problem(name, found.code, found.message)) from None
    if text[at + 1 :].strip():
        raise DataError.of("DATA_JSON", "something follows the array (take it out)", name)


def _after_item(text: str, at: int) -> int:
    at = _after_space(text, at)
    if text[at : at + 1] == ",":
        return _after_space(text, at + 1)
    if text[at : at + 1] != "]":
        line = 1 + text.count("\n", 0, at)
        message = f"line {line}: expected a comma or the end of the array (one array of objects)"
        raise DataError.of("DATA_JSON", message)
    return at


def _after_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _object_of(line: bytes) -> dict[str, Any]:
    return _object(_read(partial(_decoder(line).decode, _decoded(line))), b"\\u" in line)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message) from None


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        message = f"{line}column {error.colno}: {error.msg} (one JSON object a line)"
        raise DataError.of("DATA_JSON", message) from None
    except (ValueError, RecursionError) as error:
        message = f"is no JSON that can be read: {printable(str(error))}"
        raise DataError.of("DATA_JSON", message) from None


def _object(found: Any, escaped: bool) -> dict[str, Any]:
    """Return an object; raises DataError for another value, and for what is no text in it."""
    if not isinstance(found, dict):
        message = f"expected a JSON object, received {as_json(found)} (one object a line)"
        raise DataError.of("DATA_JSON", message)
    if escaped and not _encodable(found):
        message = "holds half a surrogate pair, \\ud800 to \\udfff (take it out)"
        raise DataError.of("DATA_ENCODING", message)
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


class _Lost(float):
    """A number that float64 does not hold, and how it is written."""

    def __new__(cls, text: str) -> _Lost:
        """Take the text of a number, which becomes 0, infinite or not a number."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


def _number(text: str) -> float:
    found = float(text)
    held = math.isfinite(found) and (found or not NOT_ZERO.match(text))
    return found if held else _Lost(text)


def _held(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return `_once`; raises DataError for a number in it that float64 does not hold."""
    for key, value in pairs:
        lost = _first_lost(value)
        if lost is not None:
            what, advice = "no number that float64 holds", "give it in another unit"
            if "n" in lost.text.lower():  # NaN, Infinity
                what, advice = "no finite number", "write null where a number is missing"
            message = f"{printable(key)}: {printable(lost.text, 40)} is {what}"
            raise DataError.of("DATA_NAN", f"{message} ({advice}, or take the row out)")
    return _once(pairs)


def _first_lost(value: object) -> _Lost | None:
    if isinstance(value, list):
        return next((each for each in map(_first_lost, value) if each is not None), None)
    return value if isinstance(value, _Lost) else None


def _decoder(data: bytes) -> json.JSONDecoder:
    """Return what reads data; it takes three times as long where a number may be lost."""
    lost = EXPONENT.search(data) or any(text in data for text in DOUBTFUL)
    return _CAREFUL if lost else _PLAIN


_PLAIN = json.JSONDecoder(object_pairs_hook=_once)
_CAREFUL = json.JSONDecoder(parse_float=_number, parse_constant=_number, object_pairs_hook=_held)
