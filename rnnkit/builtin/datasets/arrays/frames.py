"""Frames as tables: pandas, polars, Arrow, dictionaries, lists of records, arrays.

None of these packages is imported: an object tells by its methods what it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnnkit.builtin.datasets.arrays.columns import as_array, iso_texts, listed_values
from rnnkit.builtin.datasets.arrays.faults import Faults
from rnnkit.contracts.table import MemoryTable
from rnnkit.errors import printable, spelled

INDEX = "time"
"""What the times of an index without a name are called."""


class Framed(NamedTuple):
    """A frame as a table; `time` is the name of the times of its index, where it has such."""

    table: MemoryTable
    time: str | None = None


def framed(frame: Any, faults: Faults) -> Framed:
    """Return a frame as a table; what is wrong with it is kept in `faults`."""
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):  # a lazy frame of polars
        frame = frame.collect()
    if hasattr(frame, "to_frame") and not hasattr(frame, "columns"):  # a Series
        named = getattr(frame, "name", None) not in (None, "")
        frame = frame.to_frame() if named else frame.to_frame("value")
    if hasattr(frame, "columns") and hasattr(frame, "index"):
        return _pandas(frame, faults)
    if hasattr(frame, "to_pydict"):  # Arrow
        frame = frame.to_pydict()
    if hasattr(frame, "columns") and hasattr(frame, "to_dicts"):  # polars
        frame = {name: frame[name] for name in frame.columns}
    elif isinstance(frame, Sequence) and frame and all(isinstance(r, Mapping) for r in frame):
        names = dict.fromkeys(name for record in frame for name in record)
        frame = {name: [record.get(name) for record in frame] for name in names}
    elif not isinstance(frame, Mapping):
        frame = _of_array(frame, faults)
    return Framed(MemoryTable(_columns(frame, faults)))


def _of_array(values: Any, faults: Faults) -> dict[str, Any]:
    """Return the columns of an array (N,) or (N, C)."""
    try:
        found = as_array(values)
    except TypeError:
        kind = type(values).__name__
        faults.add("DATA_FIELD", f"expected a frame, columns by name or an array, received {kind}")
        return {}
    if found.dtype.kind not in "fiub" or found.ndim not in (1, 2):
        shape = f"an array {found.shape} of {found.dtype}"
        faults.add("DATA_FIELD", f"expected numbers (N,) or (N, C), received {shape}")
        return {}
    if found.ndim == 1:
        return {"value": found}
    return {f"value_{i}": column for i, column in enumerate(found.T, 1)}


def _columns(frame: Mapping[Any, Any], faults: Faults) -> dict[str, list[Any]]:
    """Return the columns as lists; those of different lengths are a fault."""
    twice = [str(name) for name, count in Counter(map(str, frame)).items() if count > 1]
    for name in twice:
        faults.add("DATA_FIELD", f"{name}: two columns have this name (give each its own)")
    for name, values in frame.items():
        if not hasattr(values, "__len__") or isinstance(values, str):
            received = printable(spelled(values), 40)
            faults.add("DATA_FIELD", f"{name}: expected a column of values, received {received}")
    if faults.problems:
        return {}
    found = {str(name): listed_values(values, str(name), faults) for name, values in frame.items()}
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        rows = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
        faults.add("DATA_LENGTH", f"the columns have different numbers of rows: {rows}")
        return {}
    return found


def _pandas(frame: Any, faults: Faults) -> Framed:
    """Return a frame with an index: levels of several, and times, are columns too."""
    index, columns = frame.index, dict[Any, Any]()
    time = None
    if getattr(index, "nlevels", 1) > 1:
        names = [name or f"level_{i}" for i, name in enumerate(index.names)]
        columns = {n: index.get_level_values(i) for i, n in enumerate(names)}
    elif _tells_time(index):
        time = str(index.name or INDEX)
        columns = {time: index}
    labels = _labels(index)
    _check_unique(labels, time is not None, faults)
    count = len(frame.columns)
    if len(set(map(str, frame.columns))) < count:
        for name, seen in Counter(map(str, frame.columns)).items():
            if seen > 1:
                message = f"{name}: {seen} columns have this name (give each its own)"
                faults.add("DATA_FIELD", message)
        return Framed(MemoryTable({}))
    for name in frame.columns:
        if str(name) in columns:
            message = f"{name}: both a column and the index have this name (frame.reset_index"
            faults.add("DATA_FIELD", f"{message}(drop=True), or rename one)")
            continue
        columns[str(name)] = frame[name]
    return Framed(MemoryTable(_columns(columns, faults), labels), time)


def _tells_time(index: Any) -> bool:
    """Tell whether an index is one of dates or of periods."""
    return getattr(index.dtype, "kind", "") == "M" or str(index.dtype).startswith("period")


def _labels(index: Any) -> list[str]:
    values = index.to_numpy() if hasattr(index, "to_numpy") else index
    if getattr(getattr(values, "dtype", None), "kind", "") == "M":
        return [str(text) for text in iso_texts(values)]
    if getattr(index, "nlevels", 1) > 1:
        return [", ".join(str(v).removesuffix(" 00:00:00") for v in value) for value in values]
    return [printable(str(value), 60) for value in values]


def _check_unique(labels: Sequence[str], times: bool, faults: Faults) -> None:
    """Keep a fault for labels of several rows; times may repeat, each group has its own."""
    if times or len(set(labels)) == len(labels):
        return
    twice = [label for label, count in Counter(labels).items() if count > 1]
    more = f", as {len(twice) - 1:,} more do" if len(twice) > 1 else ""
    faults.add(
        "DATA_INDEX",
        f"the index names several rows {twice[0]}{more} (frame.reset_index(drop=True) numbers "
        "the rows anew)",
    )
