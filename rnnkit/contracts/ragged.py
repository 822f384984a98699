"""Sequences of any length, and how they stand in a batch.

A sequence is right-aligned in its batch, after zeros, so that every last step is the batch's last
step; a reset at its first step and weights of 0 before it make loss and gradient those of the
sequence alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.types import Array, DType

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
        there = valid_steps(lengths, steps)
        # The last step of each stands at its end.
        places = self.ends[rows] - steps + np.arange(steps)[:, None]
        found: Array = self.values[np.where(there, places, 0)]
        found[~there] = 0
        return found


class RaggedBuilder:
    """Joins sequences (T_i, ...) one by one: each that waited would be an object of its own."""

    def __init__(self, dtype: DType | type) -> None:
        self._dtype = dtype
        self._values = bytearray()
        self._lengths = array("q")
        self._step: tuple[int, ...] = ()

    def add(self, sequence: Array) -> None:
        """Add one to the end; its axes but the first are those of the others."""
        self._values += sequence.astype(self._dtype).tobytes()
        self._lengths.append(len(sequence))
        self._step = sequence.shape[1:]

    def built(self) -> Ragged:
        """Return all of them; there is at least one."""
        values = np.frombuffer(self._values, self._dtype).reshape(-1, *self._step)
        return Ragged(values, np.cumsum(self._lengths))


def side_by_side(sequences: Sequence[Array]) -> EncoderInputs:
    """Return sequences (T_i, ...), of one type, as they stand in one batch."""
    return aligned(Ragged.of(sequences, sequences[0].dtype), np.arange(len(sequences)))


def aligned(sequences: Ragged, rows: Array) -> EncoderInputs:
    """Return the sequences of `rows` (B,), as long as the longest; EMPTY ones carry no data."""
    lengths = np.where(rows == EMPTY, 0, sequences.lengths[rows])
    steps = int(lengths.max())
    return EncoderInputs(
        sequences.batch(rows, steps), restarting(lengths, steps), valid_steps(lengths, steps)
    )


def valid_steps(lengths: Array, steps: int) -> Array:
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
