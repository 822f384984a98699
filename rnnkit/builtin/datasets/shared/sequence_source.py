"""Opened data of whole sequences: each window is a batch of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.batches import Order, Turn, count_batches
from rnnkit.builtin.datasets.shared.split_source import SplitSource
from rnnkit.builtin.datasets.tables.row_dataset import RowDataset
from rnnkit.contracts.dataset import Batch, Layout, Source, Split
from rnnkit.contracts.ragged import EMPTY, Ragged, aligned, valid_steps
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.types import JSON, Array


class Examples(NamedTuple):
    """The sequences of a split, and their targets: one for each step, or one at the last.

    A target that is `ignored` weighs nothing, the others as much as `weights` (n,) give their
    sequence.
    """

    inputs: Ragged
    targets: Ragged
    weights: Array | None = None


def ignored(targets: Array) -> Array:
    """Tell which ids (...) are below 0, or which rows of values (..., F) hold a NaN."""
    if targets.dtype.kind == "i":
        return np.less(targets, 0)
    return np.asarray(np.isnan(targets).any(axis=-1))


@dataclass(frozen=True, kw_only=True)
class WholeSource(SplitSource[Examples]):
    """Whole sequences, a split at a time.

    A target stands at the end of its sequence: the last step weighs 1, or as many steps as it has.
    """

    inputs: Signal
    targets: Signal
    unit: str
    order: Order
    tokenizer: Tokenizer | None = None
    vocabulary: Vocabulary | None = None
    knows: Meaning = Meaning()

    def meaning(self) -> Meaning:
        """Return the names of the labels, and whether a sequence is one answer."""
        return self.knows

    def size(self, split: Split) -> int:
        """Return the targets of a split that count; DataError where there is no such split."""
        return int((~ignored(self.part(split).targets.values)).sum())

    def longest(self) -> int:
        """Return the steps of the longest sequence."""
        return max(int(part.inputs.lengths.max()) for part in self.parts.values())

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the batches of an epoch; the last one may be short."""
        return count_batches(len(self.part(split).inputs), layout)

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the batches from `cursor` to the end of its epoch."""
        part = self.part(split)
        for turn in self.order.turns(part.inputs.lengths, layout, cursor):
            yield self.batch_of(part, turn)

    @staticmethod
    def batch_of(part: Examples, turn: Turn) -> Batch:
        """Return the sequences of a turn, right-aligned, as long as the longest of them."""
        inputs, resets, valid = aligned(part.inputs, turn.rows)
        steps = len(valid)
        lengths = np.where(turn.rows == EMPTY, 0, part.targets.lengths[turn.rows])
        targets, weights = part.targets.batch(turn.rows, steps), valid_steps(lengths, steps)
        weights = (weights & ~ignored(targets)).astype(np.float32)
        if part.weights is not None:
            weights *= part.weights[turn.rows]
        return Batch(
            inputs,
            np.nan_to_num(targets) if targets.dtype.kind == "f" else targets,
            weights,
            resets,
            turn.next_cursor,
            None if valid.all() else valid,
        )

    def in_words(self, layout: Layout) -> str:
        """Return how many sequences there are, how long, in how many batches."""
        lengths = self.part("train").inputs.lengths
        batches, longest = self.windows("train", layout), int(lengths.max())
        text = (
            f"{len(lengths):,} whole sequence{'s' * (len(lengths) > 1)} of {span(lengths)} "
            f"step{'s' * (longest > 1)}, {batches:,} batch{'es' * (batches != 1)} of "
            f"{layout.streams} an epoch; "
            "each starts with a state of its own"
        )
        if longest == 1:
            text += "; one step each, so nothing is carried on: the recurrent layers work as an MLP"
        return f"{text}; {self.note}" if self.note else text


def span(lengths: Array) -> str:
    """Return the lengths (n,) that there are in words."""
    shortest, longest = int(lengths.min()), int(lengths.max())
    return f"{longest}" if shortest == longest else f"{shortest} to {longest}"


class WholeSequences(RowDataset):
    """What datasets of whole sequences share."""

    @property
    def whole(self) -> bool:
        """Whether a window is a batch of whole sequences: it is."""
        return True

    def laid_out(self, source: Source, layout: Layout) -> Layout:
        """Return the layout whose window is the longest sequence."""
        if not isinstance(source, WholeSource):
            return layout
        return Layout(layout.streams, source.longest(), "window", tail=layout.tail)
