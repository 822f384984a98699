"""The share of whole sequences in which every step is right."""

from __future__ import annotations

import math

import numpy as np

from rnnkit.builtin.metrics._decisions import DecisionMetric
from rnnkit.contracts.loss import Loss
from rnnkit.types import Array


class ExactMatch(DecisionMetric):
    """Of the sequences that have a target that counts, those whose targets are all chosen.

    A sequence lasts from one reset of its stream to the next. For a decoder that is fed the true
    targets this is the share that greedy decoding gets right: as long as all is right, it is fed
    the same.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss)
        self._right = self._seen = 0
        self._open = self._wrong = np.zeros(0, bool)

    def count(self, chosen: Array, wanted: Array, weights: Array, resets: Array) -> None:
        """Follow every stream, closing a sequence where the next begins."""
        counts, misses = weights != 0, chosen != wanted
        if chosen.ndim == 3:
            misses = misses.any(axis=-1)
        else:
            counts &= wanted >= 0
        if len(self._open) != weights.shape[1]:
            self._close(slice(None))
            self._open = np.zeros(weights.shape[1], bool)
            self._wrong = self._open.copy()
        starts = [0, *np.flatnonzero(resets[1:].any(axis=1)) + 1]
        for start, end in zip(starts, [*starts[1:], len(weights)], strict=True):
            self._close(resets[start])
            self._open |= counts[start:end].any(axis=0)
            self._wrong |= (counts & misses)[start:end].any(axis=0)

    def _close(self, streams: Array | slice) -> None:
        ended = self._open[streams]
        self._seen += int(ended.sum())
        self._right += int((ended & ~self._wrong[streams]).sum())
        self._open[streams] = self._wrong[streams] = False

    def report(self) -> dict[str, float]:
        """Return the share, with the sequences that are still open; NaN where there is none."""
        seen = self._seen + int(self._open.sum())
        right = self._right + int((self._open & ~self._wrong).sum())
        return {"exact_match": right / (seen or math.nan)}
