"""Precision, recall and F1, label by label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnnkit.builtin.metrics._decisions import DecisionMetric
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.metric import Table
from rnnkit.types import Array

HEAD = ("label", "precision", "recall", "f1", "targets")


class Labels(DecisionMetric):
    """How well each label is found (van Rijsbergen 1979), and the means over labels.

    precision = hits / chosen;  recall = hits / wanted;  f1 = 2 hits / (chosen + wanted)

    A label that was never chosen has precision 0. `precision`, `recall` and `f1` are the plain
    means over the labels that were wanted or chosen at all ("macro"), in which a rare label counts
    as much as a frequent one.
    """

    def __init__(self, loss: Loss, width: int, names: Sequence[str] | None) -> None:
        super().__init__(loss)
        self._names = names or [str(label) for label in range(width)]
        self._hits, self._chosen, self._wanted = np.zeros((3, width))

    def count(self, chosen: Array, wanted: Array, weights: Array, resets: Array) -> None:
        """Count by weight what was chosen, wanted, and both."""
        if chosen.ndim == 3:
            self._add_answers(chosen, wanted, weights)
        else:
            self._add_ids(chosen.reshape(-1), wanted.reshape(-1), weights.reshape(-1))

    def _add_ids(self, chosen: Array, wanted: Array, weights: Array) -> None:
        live = (weights != 0) & (wanted >= 0)
        chosen, wanted, weights = chosen[live], wanted[live], weights[live]
        for sums, ids, ws in (
            (self._chosen, chosen, weights),
            (self._wanted, wanted, weights),
            (self._hits, wanted, weights * (chosen == wanted)),
        ):
            sums += np.bincount(ids, ws, len(sums))

    def _add_answers(self, chosen: Array, wanted: Array, weights: Array) -> None:
        for sums, yes in (
            (self._chosen, chosen),
            (self._wanted, wanted),
            (self._hits, chosen & wanted),
        ):
            sums += np.einsum("tbf,tb->f", yes, weights, dtype=np.float64)

    def _each(self) -> tuple[Array, Array, Array]:
        """Return (precision, recall, f1) of every label."""
        chosen, wanted, hits = self._chosen, self._wanted, self._hits
        both = chosen + wanted
        nothing = 0.0 if both.any() else math.nan
        parts = ((hits, chosen), (hits, wanted), (2 * hits, both))
        precision, recall, f1 = (_share(part, whole, nothing) for part, whole in parts)
        return precision, recall, f1

    def report(self) -> dict[str, float]:
        """Return the means over the labels that occur; NaN where none does."""
        there = (self._chosen + self._wanted) > 0
        count = int(there.sum()) or math.nan
        precision, recall, f1 = (float(each[there].sum()) / count for each in self._each())
        return {"precision": precision, "recall": recall, "f1": f1}

    def tables(self) -> dict[str, Table]:
        """Return a row for each label; `targets` is how many there were of it."""
        columns = [*self._each(), self._wanted]
        rows = zip(self._names, *(column.tolist() for column in columns), strict=True)
        return {"labels": Table(HEAD, tuple(rows))}


def _share(part: Array, whole: Array, nothing: float) -> Array:
    return np.divide(part, whole, out=np.full_like(whole, nothing), where=whole > 0)
