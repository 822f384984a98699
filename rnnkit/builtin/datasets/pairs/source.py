"""Opened pairs: each window is a batch of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnkit.builtin.datasets.shared.batches import EMPTY, Ragged, Turn, carrying, restarting
from rnnkit.builtin.datasets.shared.sequence_source import Part, WholeSource
from rnnkit.contracts.dataset import Batch, EncoderInputs, Layout, Split
from rnnkit.contracts.target_info import Meaning
from rnnkit.types import JSON, Array


@dataclass(frozen=True)
class PairSource(WholeSource):
    """Pairs, a split at a time: `inputs` are the sources, `targets` what the decoder handles."""

    def size(self, split: Split) -> int:
        """Return the tokens that are to be given; raises DataError where there is no such split."""
        targets = self.part(split).targets
        return int(targets.lengths.sum()) - len(targets)

    def longest(self) -> int:
        """Return the steps of the longest source or target."""
        parts = self.parts.values()
        return max(
            max(int(p.inputs.lengths.max()), int(p.targets.lengths.max()) - 1) for p in parts
        )

    def meaning(self) -> Meaning:
        """Tell that a target is right or wrong as a whole."""
        return Meaning(whole=True)

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the batches from `cursor` to the end of its epoch."""
        part = self.part(split)
        for turn in self.order.turns(part.inputs.lengths, layout, cursor):
            yield pairs_of(part, turn)

    def in_words(self, layout: Layout) -> str:
        """Return how many pairs there are, how long, in how many batches."""
        part = self.part("train")
        text = (
            f"{len(part.inputs):,} pairs, sources of {_span(part.inputs.lengths)} and targets of "
            f"{_span(part.targets.lengths - 1)} steps, {self.windows('train', layout):,} batches "
            f"of {layout.streams} an epoch; each starts with a state of its own"
        )
        return f"{text}; {self.note}" if self.note else text


def pairs_of(part: Part, turn: Turn) -> Batch:
    """Return the pairs of a turn: sources end together, targets begin together."""
    rows = turn.rows
    there = rows != EMPTY
    steps = int(part.targets.lengths[rows].max()) - 1
    inputs, targets, weights = begun(part.targets, rows, there, steps)
    resets = np.zeros(weights.shape, bool)
    resets[0] = True
    return Batch(
        inputs,
        targets,
        weights,
        resets,
        turn.next_cursor,
        encoder=sources_of(part.inputs, rows, there),
    )


def sources_of(sources: Ragged, rows: Array, there: Array) -> EncoderInputs:
    """Return the sources of some rows (B,), right-aligned; those not `there` carry no data."""
    lengths = np.where(there, sources.lengths[rows], 0)
    steps = int(lengths.max())
    return EncoderInputs(
        sources.batch(rows, steps), restarting(lengths, steps), carrying(lengths, steps)
    )


def begun(targets: Ragged, rows: Array, there: Array, steps: int) -> tuple[Array, Array, Array]:
    """Return inputs, targets and weights (steps, B) of a decoder, from its first step on."""
    lengths = np.where(there, targets.lengths[rows] - 1, 0)
    time = np.arange(steps)[:, None]
    counts = time < lengths
    places = np.where(counts, targets.ends[rows] - targets.lengths[rows] + time, 0)
    inputs, wanted = targets.values[places], targets.values[places + 1]
    inputs[~counts], wanted[~counts] = 0, 0
    return inputs, wanted, counts.astype(np.float32)


def _span(lengths: Array) -> str:
    shortest, longest = int(lengths.min()), int(lengths.max())
    return f"{longest}" if shortest == longest else f"{shortest} to {longest}"
