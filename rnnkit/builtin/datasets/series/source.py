"""Opened series: columns of numbers as contiguous streams, the target some steps ahead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rnnkit.builtin.datasets.series.clock import Step
from rnnkit.builtin.datasets.series.naive import naive
from rnnkit.builtin.datasets.series.scales import Scalers, units_of
from rnnkit.builtin.datasets.series.timeline import Timeline, streams_of
from rnnkit.builtin.datasets.shared.cursor import place
from rnnkit.builtin.datasets.shared.split_source import SplitSource
from rnnkit.contracts.dataset import Batch, Layout, Split, Units
from rnnkit.contracts.target_info import Meaning, Naive
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import JSON, Array

MORE_ROWS = 'give more rows, or another "split"'


@dataclass(frozen=True, kw_only=True)
class TimelineSource(SplitSource[Timeline]):
    """Series, a split at a time: step t reads row t and is to give row t + h for each horizon h.

    `scales` are those of what is read and of what is wanted, shared or by group. The columns that
    are wanted have `names`; those of the first horizon stand before those of the next. `season` is
    the period of a naive forecast, `step` the time between rows, where a column tells it.
    """

    scales: Scalers | Mapping[str, Scalers]
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    season: int | None
    step: Step | None = None
    unit: str = "step"
    tokenizer: None = None
    vocabulary: None = None

    @property
    def inputs(self) -> Signal:
        """The columns that are read."""
        return self.block.signals()[0]

    @property
    def targets(self) -> Signal:
        """The columns to be forecast."""
        return Signal(len(self.names) * len(self.horizons))

    @property
    def farthest(self) -> int:
        """The rows that a target lies ahead at most."""
        return max(self.horizons)

    def size(self, split: Split) -> int:
        """Return the rows of a split, without those after the first target of each group.

        Raises DataError where there is no such split.
        """
        pairs = len(self.part(split).pairs(self.farthest))
        return pairs + 1 if pairs else 0

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the windows in an epoch; raises DataError where the split is too short."""
        if layout.reset == "document":
            message = 'a series has no separators (give another "reset")'
            raise DataError.of("DATA_SEPARATOR", message)
        steps = self._per_stream(split, layout)
        found = -(-steps // layout.window) if layout.tail else steps // layout.window
        if found == 0:
            part = self.part(split)
            need = layout.streams * (1 if layout.tail else layout.window)
            need += self.farthest * len(part.starts)
            smaller = layout.streams > 1 or (layout.window > 1 and not layout.tail)
            advice = "give fewer streams, or a shorter window" if smaller else MORE_ROWS
            raise DataError.of(
                "DATA_TOO_SHORT",
                f"{len(part.read)} rows, but {layout.streams} streams of windows of "
                f"{layout.window} with a horizon of {self.farthest} need at least {need} "
                f"({advice})",
                f"the {split} split",
            )
        return found

    def _per_stream(self, split: Split, layout: Layout) -> int:
        return max(self.size(split) - 1, 0) // layout.streams

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the windows from `cursor`, {"window": i}, to the end of its epoch."""
        count, part = self.windows(split, layout), self.part(split)
        rows = part.pairs(self.farthest)
        inputs, wanted, units = self._on_scale(part, rows)
        every = (
            inputs,
            wanted,
            np.all(part.known[part.targets(self.horizons)], axis=1).astype(np.float32),
            part.resets(self.farthest),
            *(units or ()),
        )
        xs, ts, weights, starts, *scales = (streams_of(each, layout.streams) for each in every)
        for index in range(place(cursor, "window", count), count):
            piece = slice(index * layout.window, min((index + 1) * layout.window, len(xs)))
            resets = starts[piece].copy()
            if layout.reset == "window" or (index == 0 and layout.reset != "never"):
                resets[0] = True
            yield Batch(
                np.ascontiguousarray(xs[piece]),
                np.ascontiguousarray(ts[piece]),
                np.ascontiguousarray(weights[piece]),
                resets,
                {"window": index + 1} if index + 1 < count else None,
                units=Units(*(each[piece] for each in scales)) if scales else None,
            )

    def _on_scale(self, part: Timeline, rows: Array) -> tuple[Array, Array, Units | None]:
        """Return inputs (M, F) and targets (M, J K) of rows, and their units where they differ."""
        read, wanted = part.read[rows], part.wanted[part.targets(self.horizons)]
        if isinstance(self.scales, Scalers):
            found = self.scales.targets.scaled(wanted).reshape(len(rows), -1)
            return self.scales.inputs.scaled(read), found, None
        series, scales = part.series()[rows], [self.scales[group] for group in part.groups]
        inputs = units_of([each.inputs for each in scales], series)
        targets = units_of([each.targets for each in scales], series, len(self.horizons))
        return inputs.scaled(read), targets.scaled(wanted.reshape(len(rows), -1)), targets

    def meaning(self) -> Meaning:
        """Return the names of the targets, their units, and the naive forecasts of them."""
        known = "train" in self.parts
        names = self.names
        if len(self.horizons) > 1:
            names = tuple(f"{name}+{steps}" for steps in self.horizons for name in self.names)
        unscaled = self.scales.unscaled if isinstance(self.scales, Scalers) else None
        return Meaning(names, False, unscaled, self._naive if known else None)

    def _naive(self, split: str, count: int) -> Naive:
        part = self.parts[split]  # type: ignore[index]
        return naive(self.part("train"), part, self.horizons, self.season, count)

    def in_words(self, layout: Layout) -> str:
        """Return the layout, and how far off the naive forecasts are on the training part."""
        steps, count = self._per_stream("train", layout), self.windows("train", layout)
        found = self._naive("train", steps * layout.streams)
        errors = ", ".join(f"{n} {float(e.mean()):.4g}" for n, e in found.errors.items())
        groups = len(self.part("train").groups)
        steps_ahead = ", ".join(map(str, self.horizons))
        of = f"{groups:,} groups in " if groups > 1 else ""
        return (
            f"{of}{layout.streams} streams x {steps:,} steps, {count:,} windows of "
            f"{layout.window} an epoch, {steps_ahead} step{'s' * (self.farthest > 1)} ahead; mean "
            f"absolute error of the naive forecast: {errors}"
            + (f"; {self.note}" if self.note else "")
        )
