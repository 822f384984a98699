"""The scale of a series: of what is read and of what is wanted, shared by all groups or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np

from rnnkit.builtin.datasets.series.timeline import Timeline
from rnnkit.builtin.datasets.shared.scaler import Scaler, Scaling
from rnnkit.contracts.dataset import Units
from rnnkit.core.block import Record
from rnnkit.errors import DataError, printable
from rnnkit.types import Array


class Scalers(Record):
    """The scalers of the columns that are read, and of those that are wanted."""

    inputs: Scaler
    targets: Scaler

    @classmethod
    def fitted(cls, part: Timeline, kind: Scaling) -> Self:
        """Return the scalers of the rows whose targets are known, or else of all rows."""
        some = part.known.any() and not part.known.all()
        rows = part.known if some else slice(None)  # which copies nothing
        inputs = Scaler.fitted(part.read[rows], kind)
        same = part.wanted is part.read
        return cls(
            inputs=inputs, targets=inputs if same else Scaler.fitted(part.wanted[rows], kind)
        )

    def unscaled(self, values: Array) -> Array:
        """Return values (..., J K), of J horizons one after another, in the units of the data."""
        width = len(self.targets.offset)  # told in full: of no rows NumPy would find none
        rows = values.reshape(*values.shape[:-1], values.shape[-1] // width, width)
        return self.targets.unscaled(rows).reshape(values.shape)


def units_of(scalers: Sequence[Scaler], series: Array, repeated: int = 1) -> Units:
    """Return the scale of rows (N,), each of which names its series, with columns repeated."""
    offset, factor = (
        np.tile(np.array([getattr(scaler, name) for scaler in scalers])[series], repeated)
        for name in ("offset", "factor")
    )
    return Units(offset, factor)


def check_groups(groups: Iterable[str], scales: Mapping[str, Scalers], where: str) -> None:
    """Raise DataError for a group that has no scale."""
    for group in groups:
        if group not in scales:
            message = f"the group {printable(repr(group))} has no row in the training part, which "
            message += 'tells its scale (leave it out, or train with it or on one scale for all: "'
            raise DataError.of("DATA_GROUP", f'{message}scale_by_group": false)', where)
