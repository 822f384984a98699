"""Values of a row as arrays: numbers, names, classes. Errors name the field and what was found."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import Field

from rnnkit.builtin.datasets.tables.cells import TableCell, is_missing, marks_meant
from rnnkit.builtin.datasets.tables.rows import as_json, field_of
from rnnkit.core.block import MAX_WIDTH
from rnnkit.errors import DataError, is_written, printable
from rnnkit.types import Array

Labels = Annotated[tuple[str, ...], Field(min_length=1, max_length=65536)]
"""The names of classes in the order of their ids."""

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)

NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf|infinity)", re.A | re.I)
"""A number as it may stand in a cell; `float` takes digits of every script, and underscores."""

NOT_ZERO = re.compile(r"[^1-9e]*[1-9]", re.I)
"""A number that is not 0, though below float64 it becomes so."""

S = TypeVar("S", bound=Any)


def sequence(value: S, key: str | None) -> S:
    """Return a value with a length; raises DataError for one without a step."""
    if len(value) == 0:
        message = f"{key}: the sequence has length 0 (take the row out, or give it a step)"
        raise DataError.of("DATA_EMPTY", message)
    return value


def number_rows(value: object, key: str, gaps: bool = False) -> Array:
    """Return a number, a list of numbers or a list of equally long rows as rows (T, F).

    A cell of a table holds numbers with spaces between them. With `gaps` null is NaN: a number
    that is missing, or a whole row. An array of numbers is taken as it is.
    """
    if isinstance(value, np.ndarray):
        return _array_rows(value, key, gaps)
    if isinstance(value, TableCell):
        found = np.fromiter((_number_or_gap(item, key, gaps) for item in value.items()), float)
        return _rows_of_width(sequence(found, key), 1)
    steps: list[object] = sequence(value if isinstance(value, list) else [value], key)
    plain = _plain(steps)
    if plain is not None:
        return plain
    rows = [row if isinstance(row, list) else [row] for row in steps]
    if gaps:
        width = max(map(len, rows))
        rows = [[None] * width if row == [None] else row for row in rows]
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        message = f"{key}: expected rows of one length, received {as_json(value)}"
        raise DataError.of("DATA_FIELD", message)
    return np.array([[_number_or_gap(item, key, gaps) for item in row] for row in rows])


def _array_rows(values: Array, key: str, gaps: bool) -> Array:
    """Return an array (T,) or (T, F) as rows; raises DataError for what no float32 holds."""
    if values.ndim not in (1, 2) or values.dtype.kind not in "fiub" or values.shape[1:] == (0,):
        message = f"{key}: expected numbers (T,) or (T, F), received an array {values.shape} of "
        raise DataError.of("DATA_FIELD", f"{message}{values.dtype}")
    rows = sequence(values, key).astype(np.float64).reshape(len(values), -1)
    sizes = np.abs(rows)
    fits = (sizes <= LARGEST) & ((sizes >= SMALLEST) | (sizes == 0))
    if gaps:
        fits |= np.isnan(rows)
    if not fits.all():
        wrong = float(rows[~fits][0])
        _check_float32(wrong, wrong, key)
    return rows


def _plain(steps: list[Any]) -> Array | None:
    """Return numbers, or rows of as many, as rows (T, F), all at once; None where one is none."""
    kinds, width = set(map(type, steps)), 1
    each: Iterable[Any] = steps
    if kinds == {list}:
        width = len(steps[0])
        if not width or any(len(row) != width for row in steps):
            return None
        kinds, each = set(map(type, chain.from_iterable(steps))), chain.from_iterable(steps)
    if not kinds <= {int, float}:
        return None
    try:
        found = np.fromiter(each, float, len(steps) * width)
    except OverflowError:
        return None
    sizes = np.abs(found)
    fits = (sizes <= LARGEST) & ((sizes >= SMALLEST) | (sizes == 0))
    return _rows_of_width(found, width) if fits.all() else None


def _rows_of_width(values: Array, width: int) -> Array:
    """Return values (N,) as rows (T, F) in place: a view of them would be one more object a row."""
    values.resize((len(values) // width, width), refcheck=False)
    return values


def _number_or_gap(value: object, key: str, gaps: bool) -> float:
    return math.nan if gaps and is_missing(value) else _number(value, key)


def _number(value: object, key: str) -> float:
    """Return a number of JSON, or of a cell; raises DataError for what no float32 holds."""
    text = value.number(key) if isinstance(value, TableCell) else value
    if isinstance(text, str):
        known = isinstance(value, TableCell) and bool(NUMBER.fullmatch(text))
    else:
        known = isinstance(text, int | float) and not isinstance(text, bool)
    if not known:
        message = f"{key}: expected a number, received {as_json(value)}{_hint(value)}"
        raise DataError.of("DATA_FIELD", message)
    try:
        found = float(text)  # type: ignore[arg-type]
    except OverflowError:  # an integer beyond float64
        found = math.inf
    _check_float32(found, text, key)
    return found


def _hint(value: object) -> str:
    if isinstance(value, TableCell):
        return marks_meant(value)
    plain = isinstance(value, str) and NUMBER.fullmatch(value)
    return " (remove the quotes)" if plain else ""


def _check_float32(found: float, given: object, key: str) -> None:
    """Raise DataError for a number that would become infinite or 0 in float32."""
    lost = not found and isinstance(given, str) and bool(NOT_ZERO.match(given))
    if SMALLEST <= abs(found) <= LARGEST or (not found and not lost):
        return
    shown = printable(given, 40)
    spelled = isinstance(given, float) or "n" in shown.lower()  # nan, inf
    if math.isfinite(found) or not spelled:
        limit = "beyond 3.4e+38, the largest" if abs(found) > 1 else "below 1.4e-45, the smallest"
        message = f"{key}: {shown} is {limit} float32 (give it in another unit, or take it out)"
    else:
        message = f"{key}: {found} is no finite number (take the row out, or fill in a number)"
    raise DataError.of("DATA_NAN", message)


def wide(rows: Array, width: int, key: str | None) -> Array:
    """Return rows (T, F), or raise DataError where they are not `width` numbers each."""
    if rows.shape[1] != width:
        expected = f"{width} number{'s' * (width > 1)} a step, as in training"
        message = f"{key}: expected {expected}, received {rows.shape[1]}"
        raise DataError.of("DATA_FIELD", f"{message} (repair it)")
    return rows


def single(value: object, key: str, gaps: bool = False) -> float:
    """Return one number, which may stand alone in a list; raises DataError for more."""
    if not isinstance(value, list):
        return _number_or_gap(value, key, gaps)
    if len(value) != 1:
        message = f"{key}: expected one number, received {as_json(value)} (a row is one step)"
        raise DataError.of("DATA_FIELD", message)
    return _number(value[0], key)


def step_of(row: Mapping[str, Any], keys: Sequence[str], gaps: bool = False) -> list[float]:
    """Return one number of each of some fields; raises DataError for what is none.

    With `gaps` a missing one is NaN.
    """
    return [single(field_of(row, key), key, gaps) for key in keys]


def weight_of(row: Mapping[str, Any], key: str) -> float:
    """Return the weight of a row; raises DataError for a number below 0."""
    found = _number(field_of(row, key), key)
    if found < 0:
        message = f"{key}: expected a weight from 0 on, received {found:.12g} (repair it)"
        raise DataError.of("DATA_FIELD", message)
    return found


def check_ids(ids: Array, size: int, key: str | None) -> None:
    """Raise DataError for what is no integer from 0 up to `size`."""
    wrong = ids[(ids < 0) | (ids >= size) | (ids != np.floor(ids))]
    if len(wrong):
        more = 'repair it, or give a larger "size"' if size < MAX_WIDTH else "repair it"
        message = f"{key}: expected ids from 0 to {size - 1}, received {wrong[0]:.12g} ({more})"
        raise DataError.of("DATA_ID", message)


def class_name(value: object, key: str) -> str:
    """Return the name of a class: a text that is not empty, an integer or a boolean."""
    if value == "":
        message = f"{key}: the class is missing (take the row out, or name its class)"
        raise DataError.of("DATA_EMPTY", message)
    return _name(value, key)


def _name(value: object, key: str) -> str:
    if isinstance(value, str | int) and is_written(value):
        # A label, or a token, is there once however many rows have it.
        return sys.intern(str(value) if isinstance(value, str) else str(value).lower())
    message = f"{key}: expected the name of a class, received {as_json(value)}"
    raise DataError.of("DATA_FIELD", message)


def listed(value: object, key: str) -> list[object]:
    """Return the items of a list, one a step; in a text they stand between spaces."""
    found = value.split() if isinstance(value, str) else value
    if not isinstance(found, list):
        message = f"{key}: expected a list of names, received {as_json(value)}"
        raise DataError.of("DATA_FIELD", message)
    return sequence(found, key)


def names(value: object, key: str) -> list[str]:
    """Return a list of names, one a step."""
    return [_name(item, key) for item in listed(value, key)]


def classes(values: Iterable[str], given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes that were given, or else those of the values, sorted."""
    return tuple(given) if given else tuple(sorted(set(values)))


def class_ids(
    labels: Sequence[str], ignored: Sequence[str | None] = ()
) -> Callable[[Sequence[str | None], str | None], Array]:
    """Return what turns names into ids (N,), `ignored` ones into -1.

    It raises DataError for a name never seen.
    """
    ids: dict[str | None, int] = {label: i for i, label in enumerate(labels)}
    ids |= dict.fromkeys(ignored, -1)

    def encode(values: Sequence[str | None], key: str | None) -> Array:
        for value in values:
            if value not in ids:
                known = ", ".join(as_json(label) for label in labels[:8])
                known += ", ..." if len(labels) > 8 else ""
                message = f"{key}: the label {as_json(value)} was never seen in training"
                raise DataError.of("DATA_UNKNOWN_LABEL", f"{message} (there are {known})")
        return np.array([ids[value] for value in values])

    return encode
