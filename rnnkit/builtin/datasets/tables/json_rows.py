"""The rows of a JSONL file, or of one JSON array of objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

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


T = TypeVar("T")


def looks_like_json(data: bytes) -> bool:
    """Tell whether data begins with an object, as JSONL does, or an array of them, or is a list."""
    return data.lstrip()[:1] == b"{" or bool(ARRAY.match(data)) or is_json_list(data)


def json_rows(data: bytes, name: str, bad: BadRows, empty: EmptyLines) -> Iterator[Row]:
    """Yield the good rows of UTF-8 data; raises DataError for an array that is no JSON."""
    if ARRAY.match(data) or is_json_list(data):
        yield from _array_rows(data, name, bad)
        return
    reader = _Reader()
    blank: list[int] = []
    begun = False
    for line, found in enumerate(LINE.finditer(data), 1):
        text = found[1]
        if not text.strip():
            blank.append(line)
            continue
        yield from bad.emptied(blank, name, empty if begun else PASSED, {})
        begun = True
        fields = bad.attempt(name, line, partial(reader.object_of, text))
        if fields is not None:
            yield Row(line, fields)


def _array_rows(data: bytes, name: str, bad: BadRows) -> Iterator[Row]:
    try:
        text = _decoded(data)
        escaped, careful, reader = "\\u" in text, _is_doubtful(data), _Reader()
        at = _after_space(text, text.index("[") + 1)
        line, counted = 1, 0
        while text[at : at + 1] != "]":
            line, counted = line + text.count("\n", counted, at), at
            value, at = reader.read(partial(_read_at, text, at), careful)
            fields = bad.attempt(name, line, partial(reader.checked, value, escaped))
            if fields is not None:
                yield Row(line, fields)
            at = _after_item(text, at)
    except DataError as error:
        # What follows a mistake in an array cannot be told.
        found = error.problems[0]
        raise DataError(Problem(name, found.code, found.message)) from None
    if text[at + 1 :].strip():
        raise DataError.of("DATA_JSON", "something follows the array (take it out)", name)


def _read_at(text: str, at: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    return decoder.raw_decode(text, at)


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


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message) from None


class _Reader:
    """Reads objects; what is wrong with one whose end is known is told once it is read."""

    def __init__(self) -> None:
        """Begin with nothing wrong."""
        self.wrong: list[DataError] = []
        self.plain = json.JSONDecoder(object_pairs_hook=self._once)
        self.careful = json.JSONDecoder(
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_number,
            object_pairs_hook=self._held,
        )

    def object_of(self, line: bytes) -> dict[str, Any]:
        """Return the object of a line; raises DataError for anything else."""
        text = _decoded(line)
        found = self.read(lambda decoder: decoder.decode(text), _is_doubtful(line))
        return self.checked(found, b"\\u" in line)

    def read(self, way: Callable[[json.JSONDecoder], T], careful: bool) -> T:
        """Return what a decoder gives; raises DataError for what is no JSON.

        To be careful takes three times as long.
        """
        self.wrong.clear()
        try:
            return way(self.careful if careful else self.plain)
        except json.JSONDecodeError as error:
            line = f"line {error.lineno}, " if error.lineno > 1 else ""
            message = f"{line}column {error.colno}: {error.msg} (one JSON object a line)"
            raise DataError.of("DATA_JSON", message) from None
        except (ValueError, RecursionError) as error:
            if isinstance(error, ValueError) and not careful:  # an integer of too many digits
                return self.read(way, careful=True)
            message = f"is no JSON that can be read: {printable(str(error))}"
            raise DataError.of("DATA_JSON", message) from None

    def checked(self, found: Any, escaped: bool) -> dict[str, Any]:
        """Return what was read last; raises DataError for what is wrong with it."""
        if self.wrong:
            raise self.wrong[0]
        if not isinstance(found, dict):
            message = f"expected a JSON object, received {as_json(found)} (one object a line)"
            raise DataError.of("DATA_JSON", message)
        if escaped and not _encodable(found):
            message = "holds half a surrogate pair, \\ud800 to \\udfff (take it out)"
            raise DataError.of("DATA_ENCODING", message)
        return found

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return an object; a key that stands in it twice is wrong."""
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            message = f"the key {as_json(twice)} stands twice in one object (keep one)"
            self.wrong.append(DataError.of("DATA_JSON", message))
        return found

    def _held(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return `_once`; a number in it that float64 does not hold is wrong."""
        for key, value in pairs:
            lost = _first_lost(value)
            if lost is not None:
                what, advice = "no number that float64 holds", "give it in another unit"
                if "n" in lost.text.lower():  # NaN, Infinity
                    what, advice = "no finite number", "write null where a number is missing"
                message = f"{printable(key)}: {printable(lost.text, 40)} is {what}"
                message += f" ({advice}, or take the row out)"
                self.wrong.append(DataError.of("DATA_NAN", message))
        return self._once(pairs)


def _is_doubtful(data: bytes) -> bool:
    """Tell whether a number may be lost."""
    return bool(EXPONENT.search(data)) or any(text in data for text in DOUBTFUL)


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


def _integer(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # of more digits than Python reads
        return _Lost(text)


def _first_lost(value: object) -> _Lost | None:
    if isinstance(value, list):
        return next((each for each in map(_first_lost, value) if each is not None), None)
    return value if isinstance(value, _Lost) else None
