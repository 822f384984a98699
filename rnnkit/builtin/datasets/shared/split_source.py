"""Opened data, a split at a time, and the datasets that open it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from rnnkit.contracts.dataset import SPLITS, Dataset, Layout, Source, Split
from rnnkit.errors import DataError

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class SplitSource(Generic[P]):
    """Opened data: a part for each split that has any.

    `block` is the dataset with what it learned from the training part, `note` what else is to be
    told of the data.
    """

    block: Dataset
    parts: Mapping[Split, P]
    sha256: str
    note: str = ""

    def digest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self.sha256

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that have data."""
        return tuple(split for split in SPLITS if split in self.parts)

    def part(self, split: Split) -> P:
        """Return the part of a split; raises DataError where there is no such split."""
        if split not in self.parts:
            there = ", ".join(self.splits())
            advice = ': give it a share in "split", or a file with rows' if there else ""
            there = there or "none: no row of the data is left"
            message = f"there is no {split} split (there is {there}){advice}"
            raise DataError.of("DATA_NO_SPLIT", message)
        return self.parts[split]

    def in_words(self, layout: Layout) -> str:
        """Return how training reads the data."""
        raise NotImplementedError(f"{type(self).__name__}.in_words")


class SplitDataset(Dataset):
    """A dataset whose opened data tells what was learned from it, and how it is read."""

    def fitted(self, source: Source) -> Dataset:
        """Return the dataset with what it learned from the training part."""
        return source.block if isinstance(source, SplitSource) else self

    def in_words(self, source: Source, layout: Layout) -> str:
        """Return how training reads the data."""
        return source.in_words(layout) if isinstance(source, SplitSource) else ""
