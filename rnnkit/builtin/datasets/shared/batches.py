"""Whole sequences in batches: their order, and how far a run has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.cursor import MAX_EPOCHS, place
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.ragged import EMPTY
from rnnkit.core.context import keyed_generator
from rnnkit.types import JSON, Array


class Turn(NamedTuple):
    """The sequences of one batch (B,), EMPTY where there is none, and where the next starts."""

    rows: Array
    next_cursor: JSON


@dataclass(frozen=True)
class Order:
    """The order of an epoch, which follows from a seed and the epoch's number.

    Of every `bucket` batches the sequences are sorted by length, so that a batch holds similar
    lengths and little is padded; the batches then come in a random order. 1 sorts nothing.
    """

    seed: int = 0
    bucket: int = 50

    def turns(self, lengths: Array, layout: Layout, cursor: JSON) -> Iterator[Turn]:
        """Yield the batches from `cursor`, {"epoch": e, "batch": i}, to the end of its epoch.

        With `layout.tail`, as evaluation reads, the sequences come as they are stored.
        """
        epoch = place(cursor, "epoch", MAX_EPOCHS)
        batches = (
            self._stored(lengths, layout) if layout.tail else self._drawn(lengths, layout, epoch)
        )
        for index in range(place(cursor, "batch", len(batches)), len(batches)):
            ended = index + 1 == len(batches)
            following = {"epoch": epoch + ended, "batch": 0 if ended else index + 1}
            yield Turn(batches[index], following)

    def _stored(self, lengths: Array, layout: Layout) -> Array:
        return _filled(np.arange(len(lengths)), layout.streams)

    def _drawn(self, lengths: Array, layout: Layout, epoch: int) -> Array:
        random = keyed_generator(self.seed, "order", step=epoch)
        rows = random.permutation(len(lengths))
        if self.bucket > 1:
            size = self.bucket * layout.streams
            chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
            rows = np.concatenate([c[np.argsort(lengths[c], kind="stable")] for c in chunks])
        batches = _filled(rows, layout.streams)
        return batches[random.permutation(len(batches))] if self.bucket > 1 else batches


def count_batches(sequences: int, layout: Layout) -> int:
    """Return the batches of an epoch; the last one may be short."""
    return -(-sequences // layout.streams)


def _filled(rows: Array, streams: int) -> Array:
    """Return rows as (batches, streams), the last batch filled up with EMPTY."""
    found = np.full(-(-len(rows) // streams) * streams, EMPTY)
    found[: len(rows)] = rows
    return found.reshape(-1, streams)
