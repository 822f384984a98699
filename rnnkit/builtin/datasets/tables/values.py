"""Values of a row as arrays: numbers, names, classes. Errors name the field and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import Field

from rnnkit.builtin.datasets.tables.rows import as_json, field_of
from rnnkit.core.block import MAX_WIDTH
from rnnkit.errors import DataError
from rnnkit.types import Array

Labels = Annotated[tuple[str, ...], Field(min_length=1, max_length=65536)]
"""The names of classes in the order of their ids."""

S = TypeVar("S", bound=Any)


def sequence(value: S, key: str | None) -> S:
    """Return a value with a length; raises DataError for one without a step."""
    if len(value) == 0:
        message = f"{key}: the sequence has length 0 (take the row out, or give it a step)"
        raise DataError.of("DATA_EMPTY", message)
    return value


def number_rows(value: object, key: str) -> Array:
    """Return a number, a list of numbers or a list of equally long rows as rows (T, F).

    A text, as a CSV cell is one, holds numbers with spaces between them.
    """
    items: object = value.split() if isinstance(value, str) else value
    listed: list[object] = sequence(items if isinstance(items, list) else [items], key)
    rows = [row if isinstance(row, list) else [row] for row in listed]
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        message = f"{key}: expected rows of one length, received {as_json(value)}"
        raise DataError.of("DATA_FIELD", message)
    return np.array([[_number(item, key) for item in row] for row in rows])


def _number(value: object, key: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        message = f"{key}: expected a number, received {as_json(value)}"
        raise DataError.of("DATA_FIELD", message) from None
    # Beyond the largest float32 it would become infinite later.
    if not abs(found) <= float(np.finfo(np.float32).max):
        message = f"{key}: {found} is no finite number (take the row out, or fill in a number)"
        raise DataError.of("DATA_NAN", message)
    return found


def wide(rows: Array, width: int, key: str | None) -> Array:
    """Return rows (T, F), or raise DataError where they are not `width` numbers each."""
    if rows.shape[1] != width:
        expected = f"{width} number{'s' * (width > 1)} a step, as in training"
        message = f"{key}: expected {expected}, received {rows.shape[1]}"
        raise DataError.of("DATA_FIELD", f"{message} (repair it)")
    return rows


def single(value: object, key: str) -> float:
    """Return one number, which may stand alone in a list; raises DataError for more."""
    if not isinstance(value, list):
        return _number(value, key)
    if len(value) != 1:
        message = f"{key}: expected one number, received {as_json(value)} (a row is one step)"
        raise DataError.of("DATA_FIELD", message)
    return _number(value[0], key)


def step_of(row: Mapping[str, Any], keys: Sequence[str]) -> list[float]:
    """Return one number of each of some fields; raises DataError for what is none."""
    return [single(field_of(row, key), key) for key in keys]


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
    if isinstance(value, str | int):
        return value if isinstance(value, str) else str(value).lower()
    message = f"{key}: expected the name of a class, received {as_json(value)}"
    raise DataError.of("DATA_FIELD", message)


def names(value: object, key: str) -> list[str]:
    """Return a list of names, one a step; in CSV they stand in one cell."""
    found = value.split() if isinstance(value, str) else value
    if not isinstance(found, list):
        message = f"{key}: expected a list of names, received {as_json(value)}"
        raise DataError.of("DATA_FIELD", message)
    return [_name(item, key) for item in sequence(found, key)]


def classes(values: Iterable[str], given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes that were given, or else those of the values, sorted."""
    return tuple(given) if given else tuple(sorted(set(values)))


def class_ids(labels: Sequence[str]) -> Callable[[Sequence[str], str | None], Array]:
    """Return what turns names into ids (N,); it raises DataError for a name never seen."""
    ids = {label: i for i, label in enumerate(labels)}

    def encode(values: Sequence[str], key: str | None) -> Array:
        for value in values:
            if value not in ids:
                known = ", ".join(as_json(label) for label in labels[:8])
                known += ", ..." if len(labels) > 8 else ""
                message = f"{key}: the label {as_json(value)} was never seen in training"
                raise DataError.of("DATA_UNKNOWN_LABEL", f"{message} (there are {known})")
        return np.array([ids[value] for value in values])

    return encode
