"""Whole sequences of any length in batches: their order, where they stand, how far a run has come.

A sequence is right-aligned in its batch, after zeros, so that every last step is the batch's last
step; a reset at its first step and weights of 0 before it make loss and gradient those of the
sequence alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.cursor import MAX_EPOCHS, place
from rnnkit.contracts.dataset import Layout
from rnnkit.core.context import keyed_generator
from rnnkit.types import JSON, Array, DType

EMPTY = -1
"""The row of a stream without a sequence, which fills up a short last batch."""


@dataclass(frozen=True)
class Ragged:
    """Sequences one after the other: `values` (N, ...); sequence i is values[ends[i-1]:ends[i]]."""

    values: Array
    ends: Array

    @classmethod
    def of(cls, sequences: Sequence[Array], dtype: DType | type) -> Ragged:
        """Join arrays (T_i, ...) that agree in all axes but the first; there is at least one."""
        values = np.concatenate(sequences).astype(dtype)
        return cls(values, np.cumsum([len(sequence) for sequence in sequences]))

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.ends)

    @property
    def lengths(self) -> Array:
        """The steps of each sequence (n,)."""
        return np.diff(self.ends, prepend=0)

    def batch(self, rows: Array, steps: int) -> Array:
        """Return the sequences of `rows` (B,) as (steps, B, ...), right-aligned after zeros."""
        lengths = np.where(rows == EMPTY, 0, self.lengths[rows])
        there = carrying(lengths, steps)
        # The last step of each stands at its end.
        places = self.ends[rows] - steps + np.arange(steps)[:, None]
        found: Array = self.values[np.where(there, places, 0)]
        found[~there] = 0
        return found


def carrying(lengths: Array, steps: int) -> Array:
    """Return for each step of right-aligned sequences (B,) whether it carries data (steps, B)."""
    found: Array = np.arange(steps)[:, None] >= steps - lengths
    return found


def restarting(lengths: Array, steps: int) -> Array:
    """Return the resets (steps, B) of right-aligned sequences, each at its first step.

    All streams start anew at step 0 too, so that a batch does not depend on the one before.
    """
    resets: Array = np.arange(steps)[:, None] == steps - lengths
    resets[0] = True
    return resets


class Turn(NamedTuple):
    """The sequences of one batch (B,), EMPTY where there is none, and where the next starts."""

    rows: Array
    next_cursor: JSON


@dataclass(frozen=True)
class Order:
    """The order of an epoch, which follows from a seed and the epoch's number.

    Of every `bucket` batches the sequences are sorted by length, so that a batch holds similar
    lengths and little is padded; the batches then come in a random order. 1 sorts nothing.
    """

    seed: int = 0
    bucket: int = 50

    def turns(self, lengths: Array, layout: Layout, cursor: JSON) -> Iterator[Turn]:
        """Yield the batches from `cursor`, {"epoch": e, "batch": i}, to the end of its epoch.

        With `layout.tail`, as evaluation reads, the sequences come as they are stored.
        """
        epoch = place(cursor, "epoch", MAX_EPOCHS)
        batches = (
            self._stored(lengths, layout) if layout.tail else self._drawn(lengths, layout, epoch)
        )
        for index in range(place(cursor, "batch", len(batches)), len(batches)):
            ended = index + 1 == len(batches)
            following = {"epoch": epoch + ended, "batch": 0 if ended else index + 1}
            yield Turn(batches[index], following)

    def _stored(self, lengths: Array, layout: Layout) -> Array:
        return _filled(np.arange(len(lengths)), layout.streams)

    def _drawn(self, lengths: Array, layout: Layout, epoch: int) -> Array:
        random = keyed_generator(self.seed, "order", step=epoch)
        rows = random.permutation(len(lengths))
        if self.bucket > 1:
            size = self.bucket * layout.streams
            chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
            rows = np.concatenate([c[np.argsort(lengths[c], kind="stable")] for c in chunks])
        batches = _filled(rows, layout.streams)
        return batches[random.permutation(len(batches))] if self.bucket > 1 else batches


def count_batches(sequences: int, layout: Layout) -> int:
    """Return the batches of an epoch; the last one may be short."""
    return -(-sequences // layout.streams)


def _filled(rows: Array, streams: int) -> Array:
    """Return rows as (batches, streams), the last batch filled up with EMPTY."""
    found = np.full(-(-len(rows) // streams) * streams, EMPTY)
    found[: len(rows)] = rows
    return found.reshape(-1, streams)
