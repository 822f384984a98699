"""Opened data of whole sequences: each window is a batch of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.batches import (
    EMPTY,
    Order,
    Ragged,
    Turn,
    carrying,
    count_batches,
    restarting,
)
from rnnkit.contracts.dataset import Batch, Dataset, Layout, Source, Split
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import JSON

SPLITS: tuple[Split, ...] = ("train", "valid", "test")


class Part(NamedTuple):
    """The sequences of a split, and their targets: one for each step, or one at the last."""

    inputs: Ragged
    targets: Ragged


@dataclass(frozen=True)
class WholeSource:
    """Whole sequences, a split at a time.

    `block` is the dataset with what it learned from the training part. A target stands at the end
    of its sequence: the last step weighs 1, or as many steps as it has.
    """

    block: Dataset
    inputs: Signal
    targets: Signal
    unit: str
    parts: Mapping[Split, Part]
    sha256: str
    order: Order
    tokenizer: Tokenizer | None = None
    vocabulary: Vocabulary | None = None
    note: str = ""
    knows: Meaning = Meaning()

    def meaning(self) -> Meaning:
        """Return the names of the labels, and whether a sequence is one answer."""
        return self.knows

    def digest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self.sha256

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that have sequences."""
        return tuple(split for split in SPLITS if split in self.parts)

    def size(self, split: Split) -> int:
        """Return the targets of a split; raises DataError where there is no such split."""
        return int(self.part(split).targets.lengths.sum())

    def part(self, split: Split) -> Part:
        """Return the sequences of a split; raises DataError where there is no such split."""
        if split not in self.parts:
            there = ", ".join(self.splits())
            raise DataError.of("DATA_NO_SPLIT", f"there is no {split} split (there is {there})")
        return self.parts[split]

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the batches of an epoch; the last one may be short."""
        return count_batches(len(self.part(split).inputs), layout)

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the batches from `cursor` to the end of its epoch."""
        part = self.part(split)
        for turn in self.order.turns(part.inputs.lengths, layout, cursor):
            yield batch_of(part, turn)


def batch_of(part: Part, turn: Turn) -> Batch:
    """Return the sequences of a turn, right-aligned, as long as the longest of them."""
    rows = turn.rows
    there = rows != EMPTY
    lengths = np.where(there, part.inputs.lengths[rows], 0)
    targets = np.where(there, part.targets.lengths[rows], 0)
    steps = int(lengths.max())
    valid = carrying(lengths, steps)
    return Batch(
        part.inputs.batch(rows, steps),
        part.targets.batch(rows, steps),
        carrying(targets, steps).astype(np.float32),
        restarting(lengths, steps),
        turn.next_cursor,
        None if valid.all() else valid,
    )


class WholeSequences(Dataset):
    """What datasets of whole sequences share."""

    @property
    def whole(self) -> bool:
        """Whether a window is a batch of whole sequences: it is."""
        return True

    def fitted(self, source: Source) -> Dataset:
        """Return the dataset with what it learned from the training part."""
        return source.block if isinstance(source, WholeSource) else self

    def laid_out(self, source: Source, layout: Layout) -> Layout:
        """Return the layout whose window is the longest sequence."""
        longest = max(
            int(part.inputs.lengths.max())
            for part in (source.parts.values() if isinstance(source, WholeSource) else ())
        )
        return Layout(layout.streams, longest, "window", tail=layout.tail)

    def in_words(self, source: Source, layout: Layout) -> str:
        """Return how many sequences there are, how long, in how many batches."""
        if not isinstance(source, WholeSource):
            return ""
        lengths = source.part("train").inputs.lengths
        shortest, longest = int(lengths.min()), int(lengths.max())
        batches = source.windows("train", layout)
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        text = (
            f"{len(lengths):,} whole sequences of {steps} step{'s' * (longest > 1)}, "
            f"{batches:,} batch{'es' * (batches != 1)} of {layout.streams} an epoch; "
            "each starts with a state of its own"
        )
        if longest == 1:
            text += "; one step each, so nothing is carried on: the recurrent layers work as an MLP"
        return f"{text}; {source.note}" if source.note else text
