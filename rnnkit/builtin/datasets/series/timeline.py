"""Opened series: columns of numbers as contiguous streams, the target some steps ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.cursor import place
from rnnkit.builtin.datasets.shared.scaler import Scaler, moves
from rnnkit.builtin.datasets.shared.split_source import SplitSource
from rnnkit.contracts.dataset import Batch, Layout, Split
from rnnkit.contracts.target_info import Meaning, Naive
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import JSON, Array


class Timeline(NamedTuple):
    """The rows of a split in the units of the data: what is read (N, F), what is wanted (N, K)."""

    read: Array
    wanted: Array


@dataclass(frozen=True, kw_only=True)
class TimelineSource(SplitSource[Timeline]):
    """Series, a split at a time: step t reads row t and is to give row t + `horizon`.

    `scales` are those of what is read and of what is wanted, whose columns have `names`. `season`
    is the period of a naive forecast.
    """

    scales: tuple[Scaler, Scaler]
    names: tuple[str, ...]
    horizon: int
    season: int | None
    unit: str = "step"
    tokenizer: None = None
    vocabulary: None = None

    @property
    def inputs(self) -> Signal:
        """The columns that are read."""
        return Signal(len(self.scales[0].offset))

    @property
    def targets(self) -> Signal:
        """The columns to be forecast."""
        return Signal(len(self.names))

    def size(self, split: Split) -> int:
        """Return the rows of a split, without those after the first target.

        Raises DataError where there is no such split.
        """
        return max(len(self.part(split).read) - self.horizon + 1, 0)

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the windows in an epoch; raises DataError where the split is too short."""
        if layout.reset == "document":
            message = 'a series has no separators (give another "reset")'
            raise DataError.of("DATA_SEPARATOR", message)
        steps = self._per_stream(split, layout)
        found = -(-steps // layout.window) if layout.tail else steps // layout.window
        if found == 0:
            need = layout.streams * (1 if layout.tail else layout.window) + self.horizon
            raise DataError.of(
                "DATA_TOO_SHORT",
                f"{len(self.part(split).read)} rows, but {layout.streams} streams of windows of "
                f"{layout.window} with a horizon of {self.horizon} need at least {need} "
                "(give fewer streams, or a shorter window)",
                f"the {split} split",
            )
        return found

    def _per_stream(self, split: Split, layout: Layout) -> int:
        return max(self.size(split) - 1, 0) // layout.streams

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the windows from `cursor`, {"window": i}, to the end of its epoch."""
        count, steps = self.windows(split, layout), self._per_stream(split, layout)
        pairs = zip(self.scales, self.part(split), strict=True)
        inputs, targets = (scale.scaled(rows) for scale, rows in pairs)
        xs = _streams(inputs, steps, layout.streams)
        ts = _streams(targets[self.horizon :], steps, layout.streams)
        for index in range(place(cursor, "window", count), count):
            piece = slice(index * layout.window, min((index + 1) * layout.window, steps))
            shape = (piece.stop - piece.start, layout.streams)
            resets = np.zeros(shape, bool)
            if layout.reset == "window" or (index == 0 and layout.reset != "never"):
                resets[0] = True
            following = {"window": index + 1} if index + 1 < count else None
            weights = np.ones(shape, np.float32)
            read, wanted = np.ascontiguousarray(xs[piece]), np.ascontiguousarray(ts[piece])
            yield Batch(read, wanted, weights, resets, following)

    def meaning(self) -> Meaning:
        """Return the names of the targets, their units, and the naive forecasts of them."""
        known = "train" in self.parts
        return Meaning(self.names, False, self.scales[1].unscaled, self._naive if known else None)

    def _naive(self, split: str, count: int) -> Naive:
        """Measure the forecasts that repeat the last value, or that of a season ago.

        As Hyndman and Koehler 2006, the scale is that of the forecast one step, or one season,
        ahead on the training part.
        """
        lag = self.season or 1
        train = self.part("train").wanted
        scale = np.abs(train[lag:] - train[:-lag]).mean(axis=0) * moves(train)
        lags = {"persistence": 0} | ({"seasonal": self._back(lag)} if self.season else {})
        return Naive(scale, {name: self._error(split, back, count) for name, back in lags.items()})

    def _back(self, season: int) -> int:
        """Return how far before the newest known row the same point of the season lies."""
        return -self.horizon % season

    def _error(self, split: str, back: int, count: int) -> Array:
        rows = self.parts[split].wanted  # type: ignore[index]
        places = np.arange(count)
        # The first rows of a split have no season before them: the newest known row stands in.
        known = rows[np.where(places >= back, places - back, places)]
        found: Array = np.abs(rows[self.horizon : self.horizon + count] - known).mean(axis=0)
        return found

    def in_words(self, layout: Layout) -> str:
        """Return the layout, and how far off the naive forecasts are on the training part."""
        steps, count = self._per_stream("train", layout), self.windows("train", layout)
        naive = self._naive("train", steps * layout.streams)
        errors = ", ".join(f"{n} {float(e.mean()):.4g}" for n, e in naive.errors.items())
        return (
            f"{layout.streams} streams x {steps:,} steps, {count:,} windows of {layout.window} an "
            f"epoch, {self.horizon} step{'s' * (self.horizon > 1)} ahead; mean absolute error of "
            f"the naive forecast: {errors}" + (f"; {self.note}" if self.note else "")
        )


def _streams(rows: Array, steps: int, streams: int) -> Array:
    """Return rows (N, F) as streams side by side (steps, streams, F); a view."""
    used = rows[: steps * streams].reshape(streams, steps, rows.shape[1])
    return used.swapaxes(0, 1)
