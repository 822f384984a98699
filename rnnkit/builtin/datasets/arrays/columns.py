"""The values of one column, from whatever holds them, as JSON would have them."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from rnnkit.builtin.datasets.arrays.faults import Faults
from rnnkit.errors import is_written, printable, spelled
from rnnkit.types import Array


def listed_values(values: Any, name: str, faults: Faults) -> list[Any]:
    """Return the values (N,) of a column: numbers, texts, None for what is missing.

    Numbers that are not a number are missing, as pandas has it; True and False are 1 and 0. Times
    are ISO dates, those of a zone are a fault.
    """
    zone = getattr(getattr(values, "dtype", None), "tz", None) or _polars_zone(values)
    if zone is not None:
        faults.add(
            "DATA_TIME",
            f"{name}: its times are of the zone {zone} (give times without one: in pandas "
            '.dt.tz_convert("UTC").dt.tz_localize(None), of an index without .dt)',
        )
        return [None] * len(values)
    if str(getattr(values, "dtype", "")).startswith("period"):  # such as months
        values = getattr(values, "dt", values).to_timestamp()
    found = as_array(values)
    if found.ndim != 1:
        faults.add("DATA_FIELD", f"{name}: expected one value a row, received {found.shape}")
        return [None] * len(found)
    if found.dtype.kind == "M":
        return iso_texts(found)
    if found.dtype.kind == "f":
        return [None if value != value else value for value in found.tolist()]
    if found.dtype.kind in "iu":
        return [*found.tolist()]
    if found.dtype.kind == "b":
        return [int(value) for value in found.tolist()]
    if found.dtype.kind not in "OU":
        faults.add("DATA_FIELD", f"{name}: holds {found.dtype}, which is no number, text or date")
        return [None] * len(found)
    return _plain_objects(found.tolist(), name, faults)


def as_array(values: Any) -> Array:
    """Return values as an array; lists that are no rectangle as objects."""
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    if isinstance(values, np.ndarray):
        return values
    if any(isinstance(value, str) or value is None for value in values):
        found = np.empty(len(values), object)
        found[:] = list(values)
        return found
    try:
        return np.asarray(values)
    except ValueError:
        found = np.empty(len(values), object)
        found[:] = list(values)
        return found


def _polars_zone(values: Any) -> str | None:
    return getattr(getattr(values, "dtype", None), "time_zone", None)


def iso_texts(times: Array) -> list[Any]:
    """Return times as ISO dates, with as much of the time of day as there is."""
    there = times[~np.isnat(times)]
    units: tuple[Literal["D", "m", "s"], ...] = "D", "m", "s"
    exact = (unit for unit in units if (there.astype(f"datetime64[{unit}]") == there).all())
    texts = np.datetime_as_string(times, unit=next(exact, "us")).tolist()
    return [None if text == "NaT" else text.replace("T", " ") for text in texts]


def _plain_objects(values: Sequence[Any], name: str, faults: Faults) -> list[Any]:
    found = [_plain_value(value) for value in values]
    odd = [value for value, kept in zip(values, found, strict=True) if kept is NotImplemented]
    if odd:
        kind, shown = type(odd[0]).__name__, printable(spelled(odd[0]), 60)
        more = f" in {len(odd):,} rows" if len(odd) > 1 else ""
        faults.add(
            "DATA_FIELD",
            f"{name}: expected numbers, texts or dates, received {shown} of type "
            f"{kind}{more} "
            "(convert the column, or leave it out)",
        )
        return [None if kept is NotImplemented else kept for kept in found]
    return found


def _plain_value(value: Any) -> Any:
    """Return a value as JSON has it; NotImplemented for one that it has not."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and not is_written(value):
        return NotImplemented
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real | Decimal):
        return float(value)
    return NotImplemented


def kinds_of(values: Sequence[Any]) -> set[str]:
    """Return which kinds of values there are: "text", "number"."""
    return {"text" if isinstance(v, str) else "number" for v in values if v is not None}
