"""The contract of a metric: what the windows of a split add up to, exactly."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from rnnkit.types import Array

MetricName: TypeAlias = Literal["f1", "exact_match"]
"""A metric that `evaluate.metrics` may ask for."""


class Table(NamedTuple):
    """A result with more than one number: a row for each label, column or forecast."""

    head: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]

    def records(self) -> list[dict[str, str | float]]:
        """Return each row as an object."""
        return [dict(zip(self.head, row, strict=True)) for row in self.rows]


class Metric:
    """Sums over a split; one is made for each evaluation.

    A window may come in pieces, one after the other, and a stream goes on from piece to piece.
    """

    def add(
        self,
        ys: Array,
        targets: Array,
        weights: Array,
        resets: Array,
        valid: Array | None = None,
    ) -> None:
        """Take in outputs (T, B, F), targets (T, B, ...), weights, resets, valid (T, B)."""
        raise NotImplementedError(f"{type(self).__name__}.add")

    def report(self) -> dict[str, float]:
        """Return the metrics by name: always the same names, NaN where nothing was seen."""
        raise NotImplementedError(f"{type(self).__name__}.report")

    def tables(self) -> dict[str, Table]:
        """Return what does not fit one number, by title."""
        return {}

    def remarks(self) -> list[str]:
        """Return, in sentences, what the numbers say that is easily overlooked."""
        return []
