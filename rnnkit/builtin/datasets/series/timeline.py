"""Opened series: columns of numbers as contiguous streams, the target some steps ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from rnnkit.types import Array


class Timeline(NamedTuple):
    """The rows of a split in the units of the data: what is read (N, F), what is wanted (N, K).

    Rows of one group stand together, in the order of time, from `starts[i]` on for `groups[i]`.
    `known` (N,) tells whose targets count, `places` (N,) count the steps of time, `times` (N,) are
    seconds since 1970 or numbers, NaN where no row tells of a step.
    """

    read: Array
    wanted: Array
    known: Array
    places: Array
    starts: tuple[int, ...] = (0,)
    groups: tuple[str, ...] = ("",)
    times: Array | None = None

    @classmethod
    def of(cls, read: Array, wanted: Array) -> Self:
        """Return one series, a row at each step."""
        return cls(read, wanted, np.ones(len(read), bool), np.arange(len(read)))

    def series(self) -> Array:
        """Return the number (N,) of the series that each row belongs to."""
        return np.searchsorted(self.starts, np.arange(len(self.read)), side="right") - 1

    def by_group(self) -> dict[str, Timeline]:
        """Return the rows of each group; those of several series of one name are joined."""
        found: dict[str, list[Timeline]] = {}
        ends = [*self.starts[1:], len(self.read)]
        for group, start, end in zip(self.groups, self.starts, ends, strict=True):
            piece = slice(start, end)
            read, wanted = self.read[piece], self.wanted[piece]
            part = Timeline(read, wanted, self.known[piece], self.places[piece], groups=(group,))
            found.setdefault(group, []).append(part)
        return {group: concatenated(pieces) for group, pieces in found.items()}

    def pairs(self, horizon: int) -> Array:
        """Return the rows (M,) that are read: those with a row of their group `horizon` later."""
        ends = [*self.starts[1:], len(self.read)]
        pieces = zip(self.starts, ends, strict=True)
        return np.concatenate([np.arange(a, max(a, b - horizon)) for a, b in pieces])

    def targets(self, horizons: Sequence[int]) -> Array:
        """Return the rows (M, J) that are wanted of each pair, one for each horizon."""
        found: Array = self.pairs(max(horizons))[:, None] + np.array(horizons)
        return found

    def resets(self, horizon: int) -> Array:
        """Return for each pair (M,) whether another group begins with it."""
        found = np.isin(self.pairs(horizon), self.starts)
        return found & (len(self.starts) > 1)


def streams_of(rows: Array, streams: int) -> Array:
    """Return rows (N, ...) as streams side by side (steps, streams, ...); a view."""
    steps = len(rows) // streams
    used = rows[: steps * streams].reshape(streams, steps, *rows.shape[1:])
    return used.swapaxes(0, 1)


def concatenated(parts: Sequence[Timeline]) -> Timeline:
    """Return the series of several timelines as one."""
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(len(part.read) for part in parts)]).tolist()
    starts = [o + s for o, part in zip(offsets, parts, strict=False) for s in part.starts]
    times = [part.times for part in parts if part.times is not None]
    return Timeline(
        np.concatenate([part.read for part in parts]),
        np.concatenate([part.wanted for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.places for part in parts]),
        tuple(starts),
        tuple(group for part in parts for group in part.groups),
        np.concatenate(times) if times else None,
    )
