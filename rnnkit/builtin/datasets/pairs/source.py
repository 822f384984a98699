"""Opened pairs: each window is a batch of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnkit.builtin.datasets.shared.batches import Turn
from rnnkit.builtin.datasets.shared.sequence_source import Examples, WholeSource, span
from rnnkit.contracts.dataset import Batch, Layout, Split
from rnnkit.contracts.ragged import EMPTY, Ragged, aligned
from rnnkit.types import Array


@dataclass(frozen=True, kw_only=True)
class PairSource(WholeSource):
    """Pairs, a split at a time: `inputs` are the sources, `targets` what the decoder handles."""

    def size(self, split: Split) -> int:
        """Return the tokens that are to be given; raises DataError where there is no such split."""
        targets = self.part(split).targets
        return int(targets.lengths.sum()) - len(targets)

    def longest(self) -> int:
        """Return the steps of the longest source or target."""
        targets = (int(part.targets.lengths.max()) - 1 for part in self.parts.values())
        return max(super().longest(), *targets)

    @staticmethod
    def batch_of(part: Examples, turn: Turn) -> Batch:
        """Return the pairs of a turn: sources end together, targets begin together."""
        inputs, targets, weights = begun(part.targets, turn.rows)
        resets = np.zeros(weights.shape, bool)
        resets[0] = True
        encoder = aligned(part.inputs, turn.rows)
        return Batch(inputs, targets, weights, resets, turn.next_cursor, encoder=encoder)

    def in_words(self, layout: Layout) -> str:
        """Return how many pairs there are, how long, in how many batches."""
        part = self.part("train")
        count, batches = len(part.inputs), self.windows("train", layout)
        text = (
            f"{count:,} pair{'s' * (count > 1)}, sources of {span(part.inputs.lengths)} and "
            f"targets of {span(part.targets.lengths - 1)} steps, {batches:,} "
            f"batch{'es' * (batches > 1)} of {layout.streams} an epoch; "
            "each starts with a state of its own"
        )
        return f"{text}; {self.note}" if self.note else text


def begun(targets: Ragged, rows: Array) -> tuple[Array, Array, Array]:
    """Return inputs, targets and weights (T, B) of a decoder, from its first step on."""
    steps = int(targets.lengths[rows].max()) - 1
    lengths = np.where(rows == EMPTY, 0, targets.lengths[rows] - 1)
    time = np.arange(steps)[:, None]
    counts = time < lengths
    places = np.where(counts, targets.ends[rows] - targets.lengths[rows] + time, 0)
    inputs, wanted = targets.values[places], targets.values[places + 1]
    inputs[~counts], wanted[~counts] = 0, 0
    return inputs, wanted, counts.astype(np.float32)
