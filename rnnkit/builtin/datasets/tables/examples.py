"""The good rows of a table, and the examples that they become once all of them are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from rnnkit.builtin.datasets.shared.sequence_source import Examples
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.contracts.dataset import Split
from rnnkit.contracts.ragged import RaggedBuilder
from rnnkit.core.signal import Signal
from rnnkit.types import Array

T = TypeVar("T")


class Parsed(NamedTuple):
    """One good row before it is encoded: its file and line, inputs, targets and their weight.

    Targets that are missing as a whole are None.
    """

    name: str
    line: int
    inputs: Any
    targets: Any
    weight: float = 1.0


def fitted_on(parts: Mapping[Split, Sequence[Parsed]]) -> Sequence[Parsed]:
    """Return the rows to learn from: those of training, else all there are."""
    return parts.get("train") or list(chain.from_iterable(parts.values()))


class Taught(NamedTuple, Generic[T]):
    """What the rows of training taught, and how a row becomes arrays by it, of these signals."""

    what: T
    encode: Callable[[Parsed], tuple[Array, Array]]
    signals: tuple[Signal, Signal]


def examples(
    parts: Mapping[Split, Sequence[Parsed]],
    learn: Callable[[Sequence[Parsed]], Taught[T]],
    bad: BadRows,
) -> tuple[T, Mapping[Split, Sequence[Parsed]], dict[Split, Examples]]:
    """Return what the rows of training taught, the good rows of each split, and their arrays.

    Whether a row is good shows once it is encoded, and one that is skipped teaches nothing: where
    there is one in training, all is learned anew without it. A split without a good row has no
    arrays. Raises DataError for rows that `encode` raises one for, unless `bad` skips them.
    """
    while True:
        learned_from = fitted_on(parts)
        taught = learn(learned_from)
        encoded = {split: _encoded(rows, taught, bad) for split, rows in parts.items()}
        bad.check()
        kept = {split: rows for split, (rows, _) in encoded.items()}
        found = {split: arrays for split, (_, arrays) in encoded.items() if arrays is not None}
        if len(fitted_on(kept)) in (0, len(learned_from)):
            return taught.what, kept, found
        parts = kept


def _encoded(
    rows: Sequence[Parsed], taught: Taught[T], bad: BadRows
) -> tuple[list[Parsed], Examples | None]:
    """Return the rows that are good, and their arrays; None where there is none."""
    inputs, targets = (RaggedBuilder(dtype_of(signal)) for signal in taught.signals)
    kept = list[Parsed]()
    for row in rows:
        pair = bad.attempt(row.name, row.line, partial(taught.encode, row))
        if pair:
            inputs.add(pair[0])
            targets.add(pair[1])
            kept.append(row)
    if not kept:
        return kept, None
    weights = np.array([row.weight for row in kept], np.float32)
    weighed = weights if (weights != 1).any() else None
    return kept, Examples(inputs.built(), targets.built(), weighed)


def dtype_of(signal: Signal) -> type:
    """Return the type of the arrays of a signal."""
    return np.int32 if signal.ids else np.float32
