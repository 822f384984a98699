"""Sequences of like length are run side by side, and their answers stand in the order given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from rnnkit.types import Array

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_batches(
    items: Sequence[Item],
    lengths: Sequence[int],
    streams: int,
    answer: Callable[[list[Item]], Iterable[Found]],
) -> list[Found]:
    """Return what `answer` gives for each item; it is asked for up to so many `streams` at once.

    It is given those of like length, the longest first.
    """
    found: dict[int, Found] = {}
    for places in _alike(np.array(lengths, np.int64), streams):
        batch = places.tolist()
        found.update(zip(batch, answer([items[place] for place in batch]), strict=True))
    return [found[place] for place in range(len(items))]


def _alike(lengths: Array, streams: int) -> Iterator[Array]:
    """Yield the places of each batch: none is shorter than half of the first.

    So half of what is run counts at least, however few are long.
    """
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        among = lengths[order[:streams]]
        count = np.count_nonzero(2 * among >= among[0])
        yield order[:count]
        order = order[count:]
