"""Whole sequences from memory, each with a label, labels or numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnkit.builtin.datasets.arrays.columns import as_array, kinds_of, listed_values
from rnnkit.builtin.datasets.arrays.faults import Faults
from rnnkit.builtin.datasets.arrays.forms import HeldForm, JSONObject, Splits
from rnnkit.contracts.table import MemoryTable
from rnnkit.errors import printable, spelled

READS = ("scale", "unknown", "min_count", "unroll", "tokenizer")
"""Options of the inputs; `scale` is one of targets that are numbers, too."""

WEIGHTS = "weights"


class Called(NamedTuple):
    """The inputs, the targets and the weights (or None) of sequences, by what they are called."""

    inputs: str
    targets: str


class Seen(NamedTuple):
    """What targets are: `class` or `numbers`, one a step, all integers; and what `reads` inputs."""

    kind: str
    each: bool
    integers: bool = False
    reads: str = ""


def sequences_form(
    called: Called, splits: Splits, each: bool | None, options: JSONObject, faults: Faults
) -> HeldForm:
    """Return sequences with their targets: `splits` hold (inputs, targets, weights) each.

    Whether each step has a target is seen by their number, unless `each` says so.
    """
    seen: list[Seen] = []

    def table(values: Any, own: Faults) -> MemoryTable:
        columns, found = _columns_of(called, values, each, own)
        seen.append(found)
        return MemoryTable(columns, index_of(values[0]))

    held = splits.tables(table, faults)
    faults.check()  # the block follows from what was seen
    if len({(s.reads, s.kind, s.each) for s in seen}) > 1:
        faults.add("DATA_FIELD", f"{called.targets}: the splits have targets of different kinds")
    weight = any(WEIGHTS in getattr(data, "columns", ()) for data in held.values())
    others = {k: v for k, v in options.items() if k not in (*READS, "classes")}
    block = {"type": "sequences", **splits.origin(), **({"weight": WEIGHTS} if weight else {})}
    block |= {**others, "inputs": _reads(called.inputs, seen[0], options)}
    key = {"key": called.targets, "each": seen[0].each}
    scale = {"scale": options["scale"]} if "scale" in options else {}
    numbers = block | {"targets": {"kind": "numbers", **key, **scale}}
    if seen[0].kind == "numbers":
        return HeldForm(held, numbers)
    labels = {"labels": options["classes"]} if "classes" in options else {}
    classes = block | {"targets": {"kind": "class", **key, **labels}}
    # Integers are classes for a loss over classes, and numbers for one that estimates values.
    either = called.targets == "targets" and not labels and all(s.integers for s in seen)
    return HeldForm(held, classes, numbers if either else None)


def _columns_of(
    called: Called, values: Any, each: bool | None, own: Faults
) -> tuple[dict[str, Any], Seen]:
    """Return the columns of a split, and what they are; those of different lengths are a fault."""
    xs, ys, ws = values
    inputs, reads = _INPUTS[called.inputs](xs, called.inputs, own)
    targets, found = _targets(ys, called.targets, inputs, each, own)
    columns = {called.inputs: inputs, called.targets: targets}
    if ws is not None:
        columns[WEIGHTS] = listed_values(ws, WEIGHTS, own)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 and not own.problems:
        rows = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
        own.add("DATA_LENGTH", f"expected as many of each, received {rows}")
    if own.problems:
        columns = {}
    return columns, found._replace(reads=reads)


def _reads(key: str, seen: Seen, options: JSONObject) -> JSONObject:
    """Return the block of the inputs."""
    found: JSONObject = {"kind": seen.reads, "key": key}
    found |= {name: options[name] for name in READS if name in options}
    if seen.reads == "text":
        found.setdefault("tokenizer", {"type": "word"})
    if seen.reads != "numbers":
        found.pop("scale", None)
    return found


def _numbers(xs: Any, name: str, faults: Faults) -> tuple[Any, str]:
    """Return arrays (T,) or (T, F) of an array (N, T) or (N, T, F), or of a list of such."""
    found = _stacked(xs)
    if isinstance(found, np.ndarray) and found.dtype.kind in "fiub":
        if found.ndim not in (2, 3):
            message = f"{name}: expected sequences (N, T) or (N, T, F), received {found.shape}"
            advice = "give one series as rnnkit.Arrays(series)" if found.ndim == 1 else "reshape it"
            faults.add("DATA_FIELD", f"{message} ({advice})")
            return [], "numbers"
        return found, "numbers"
    arrays = []
    for row, each in enumerate(found):
        try:
            arrays.append(_number_array(each))
        except (TypeError, ValueError):
            message = (
                f"{name}: row {row} holds {printable(spelled(each), 60)}, which is no array of "
            )
            faults.add("DATA_FIELD", f"{message}numbers (T,) or (T, F)")
            return [], "numbers"
    widths = {each.shape[1:] for each in arrays}
    if len(widths) > 1:
        first = arrays[0].shape[1:]
        row = next(i for i, each in enumerate(arrays) if each.shape[1:] != first)
        message = f"{name}: row {row} is {arrays[row].shape}, and row 0 is {arrays[0].shape}: "
        faults.add("DATA_FIELD", f"{message}each step needs as many numbers")
    return arrays, "numbers"


def _number_array(value: Any) -> Any:
    found = as_array(value)
    if found.dtype.kind not in "fiub" or found.ndim not in (1, 2):
        raise ValueError("no numbers (T,) or (T, F)")
    return found


def _symbols(xs: Any, name: str, faults: Faults) -> tuple[Any, str]:
    """Return lists of tokens, or of ids."""
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in _stacked(xs)]
    rows = [list(row) if isinstance(row, tuple) else row for row in rows]
    kinds = set().union(*(kinds_of(row) if isinstance(row, list) else {"text"} for row in rows))
    if len(kinds) > 1:
        message = f"{name}: some tokens are texts and some are numbers (make all of them texts)"
        faults.add("DATA_FIELD", message)
    return rows, "tokens" if "text" in kinds else "ids"


def _texts(xs: Any, name: str, faults: Faults) -> tuple[Any, str]:
    return listed_values(xs, name, faults), "text"


def input_values(kind: str, xs: Any, name: str, faults: Faults) -> Any:
    """Return sequences of a kind ("numbers", "text", "tokens", ...) that have no targets."""
    read = {"numbers": _numbers, "text": _texts, "class": _texts}.get(kind, _symbols)
    return read(xs, name, faults)[0]


_INPUTS: Mapping[str, Callable[[Any, str, Faults], tuple[Any, str]]] = {
    "inputs": _numbers,
    "sequences": _symbols,
    "texts": _texts,
}
"""What reads the values, by the keyword that they are given by."""


def _stacked(values: Any) -> Any:
    """Return values as one array where they are a rectangle of numbers, else as they are."""
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        return values
    values = [values] if isinstance(values, str) else list(values)
    if any(isinstance(each, str) for each in values):
        return values
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):
        return values
    return found if found.dtype.kind in "fiub" else values


def _targets(
    ys: Any, name: str, inputs: Sequence[Any], each: bool | None, faults: Faults
) -> tuple[Sequence[Any], Seen]:
    """Return the targets of each sequence, and what they are."""
    found = _stacked(ys)
    rows = list(found)
    flat = not any(isinstance(row, list | tuple) or getattr(row, "ndim", 0) for row in rows)
    if flat:
        values = listed_values(ys, name, faults)
        if name == "tags":
            message = f"{name}: expected a list for each sequence, received {_shown(values)} "
            faults.add("DATA_FIELD", f'{message}(for one label a sequence give "labels")')
        if name == "targets" and kinds_of(values) <= {"number"} and _has_floats(values):
            return values, Seen("numbers", False)
        return _classes(values, name, faults), Seen("class", False, _all_integers(values))
    rows = [row if hasattr(row, "shape") else _as_row(row) for row in rows]
    if name == "labels":
        message = f"{name}: expected one label for each sequence, received {_shown(rows)} "
        faults.add("DATA_FIELD", f'{message}(for one a step give "tags")')
        return [], Seen("class", False)
    per_step = name == "tags" or (_one_a_step(rows, inputs) if each is None else each)
    numeric = all(getattr(row, "dtype", np.dtype(object)).kind in "fiub" for row in rows)
    floats = numeric and any(row.dtype.kind == "f" for row in rows)
    if not per_step and any(getattr(row, "ndim", 0) > 1 for row in rows):
        message = f"{name}: expected numbers (K,) for each sequence, or one row of them for each "
        faults.add("DATA_LENGTH", f"{message}step, received {rows[0].shape}")
        return [], Seen("numbers", False)
    if name == "targets" and numeric and (floats or not per_step or rows[0].ndim > 1):
        return rows, Seen("numbers", per_step)
    if not per_step:
        message = f"{name}: expected one target for each sequence or for each step, received "
        faults.add("DATA_LENGTH", f"{message}{_shown(rows)}")
    lists = [row.tolist() for row in rows]
    flat_values = [value for row in lists for value in row]
    names = iter(_classes(flat_values, name, faults))
    integers = _all_integers(flat_values)
    return [[next(names) for _ in row] for row in lists], Seen("class", True, integers)


def _as_row(values: Any) -> Any:
    """Return one row of targets as an array, of objects where they are no numbers."""
    items = list(values) if isinstance(values, list | tuple) else [values]
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        return np.array(items)
    try:
        found = as_array(items)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.dtype.kind in "fiub":
        return found
    objects = np.empty(len(items), object)
    objects[:] = items
    return objects


def _one_a_step(rows: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Tell whether there is a target for each step of every sequence."""
    lengths = [len(each.split()) if isinstance(each, str) else len(each) for each in inputs]
    return len(rows) == len(lengths) and all(
        len(row) == steps for row, steps in zip(rows, lengths, strict=True)
    )


def _classes(values: Sequence[Any], name: str, faults: Faults) -> list[Any]:
    """Return names of classes, integers as such; labels of two kinds are a fault."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    plain = [None if value is None or value != value else value for value in plain]
    if len(kinds_of(plain)) > 1:
        text = next(i for i, v in enumerate(plain) if isinstance(v, str))
        number = next(i for i, v in enumerate(plain) if v is not None and not isinstance(v, str))
        faults.add(
            "DATA_FIELD",
            f"{name}: some are texts, as {plain[text]!r} is, and some numbers, as {plain[number]!r}"
            " is (make them all of one type)",
        )
        return [None] * len(plain)
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in plain]
    odd = [v for v in whole if isinstance(v, float)]
    if odd:
        message = f"{name}: a class is named by a text or an integer, received {odd[0]!r}"
        faults.add("DATA_FIELD", f"{message} (numbers to be estimated are given as targets)")
        return [None] * len(plain)
    return whole


def _has_floats(values: Sequence[Any]) -> bool:
    return any(isinstance(value, float) for value in values)


def _all_integers(values: Sequence[Any]) -> bool:
    return all(value is None or isinstance(value, int | np.integer) for value in values)


def _shown(values: Sequence[Any]) -> str:
    return printable(spelled(values[0]), 60) if len(values) else "none"


def index_of(values: Any) -> list[str] | None:
    """Return the labels of rows that a Series or a frame has."""
    index = getattr(values, "index", None)
    if index is None or callable(index):
        return None
    return [printable(str(label), 60) for label in index]
