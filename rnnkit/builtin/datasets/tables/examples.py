"""The good rows of a table, and the examples that they become once all of them are known."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.sequence_source import Examples
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.contracts.dataset import Split
from rnnkit.contracts.ragged import RaggedBuilder
from rnnkit.core.signal import Signal
from rnnkit.types import Array


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


def examples(
    parts: Mapping[Split, Sequence[Parsed]],
    encode: Callable[[Parsed], tuple[Array, Array]],
    signals: tuple[Signal, Signal],
    bad: BadRows,
) -> dict[Split, Examples]:
    """Return the rows of each split as arrays; a split without a good one is left out.

    Raises DataError for rows that `encode` raises one for, unless `bad` skips them.
    """
    found: dict[Split, Examples] = {}
    for split, rows in parts.items():
        inputs, targets = (RaggedBuilder(dtype_of(signal)) for signal in signals)
        weights = array("f")
        for row in rows:
            pair = bad.attempt(row.name, row.line, partial(encode, row))
            if pair:
                inputs.add(pair[0])
                targets.add(pair[1])
                weights.append(row.weight)
        if weights:
            weigh = np.array(weights)
            found[split] = Examples(
                inputs.built(), targets.built(), weigh if (weigh != 1).any() else None
            )
    bad.check()
    return found


def dtype_of(signal: Signal) -> type:
    """Return the type of the arrays of a signal."""
    return np.int32 if signal.ids else np.float32
