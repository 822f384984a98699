"""Which units follow a property of the text, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnkit.analysis.neurons.properties import Property
from rnnkit.analysis.neurons.record import Activations
from rnnkit.types import Array

SHIFTS = 16
"""How often the property is moved along the text to see what chance alone gives."""


@dataclass(frozen=True)
class Follower:
    """A unit, and how well it follows: `r` is the correlation (Pearson).

    For a property of yes or no, `auc` is how often the unit is further on the side of `r` at a yes
    than at a no, and `accuracy` how often `threshold` separates the two rightly.
    """

    part: Activations
    unit: int
    r: float
    auc: float | None = None
    threshold: float | None = None
    accuracy: float | None = None

    @property
    def label(self) -> str:
        """The name of the unit, such as `1.lstm/c/17`."""
        return f"{self.part.label}/{self.unit}"


@dataclass(frozen=True)
class Search:
    """The best followers of a property, best first.

    `chance` is the largest |r| of any unit with the property moved along the text: a correlation
    that is not above it means nothing. `mean` is that of the property: the share of yes.
    """

    property: Property
    mean: float
    chance: float
    units: tuple[Follower, ...]


def search(parts: Sequence[Activations], properties: Sequence[Property], top: int) -> list[Search]:
    """Return for each property, which must vary, the `top` units with the largest |r|."""
    rows = [_standard(_moved(each.values)) for each in properties]
    found: list[list[Array]] = [[] for _ in properties]
    for part in parts:
        units = _standard(part.values.T).T
        for row, correlations in zip(rows, found, strict=True):
            correlations.append(row @ units)
    return [
        _search(parts, each, correlations, top)
        for each, correlations in zip(properties, found, strict=True)
    ]


def auc(values: Array, truth: Array) -> float:
    """Return how often a value (T,) at a yes is above one at a no, ties counted half.

    It is the area under the curve of receiver operating characteristics (Mann and Whitney's U).
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    yes = int(truth.sum())
    pairs = yes * (len(truth) - yes)
    return float((ranks[truth].sum() - yes * (yes + 1) / 2) / pairs)


def best_threshold(values: Array, truth: Array) -> tuple[float, float]:
    """Return (threshold, accuracy): a yes is foretold where the value (T,) is above it.

    Of equally good ones the lowest; minus infinity where it is best to say yes always.
    """
    order = np.argsort(values, kind="stable")
    ordered, yes = values[order], truth[order].astype(np.int64)
    right = (
        np.concatenate([[0], np.cumsum(1 - yes)])
        + yes.sum()
        - np.concatenate([[0], np.cumsum(yes)])
    )
    possible = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    place = int(np.where(possible, right, -1).argmax())
    edges = np.concatenate([[-np.inf], (ordered[1:] + ordered[:-1]) / 2, ordered[-1:]])
    return float(edges[place]), float(right[place]) / len(values)


def _search(
    parts: Sequence[Activations], prop: Property, correlations: Sequence[Array], top: int
) -> Search:
    """Choose the best of correlations (1 + SHIFTS, n) of each part; row 0 is the property."""
    places = [(index, unit) for index, part in enumerate(parts) for unit in range(part.size)]
    every = np.concatenate(correlations, axis=1)
    best = np.argsort(-np.abs(every[0]), kind="stable")[:top]
    units = [(*places[k], float(every[0, k])) for k in best.tolist()]
    return Search(
        prop,
        float(prop.values.mean()),
        float(np.abs(every[1:]).max(initial=0.0)),
        tuple(_follower(parts[index], unit, r, prop) for index, unit, r in units),
    )


def _follower(part: Activations, unit: int, r: float, prop: Property) -> Follower:
    if not prop.yes_or_no:
        return Follower(part, unit, r)
    sign = -1.0 if r < 0 else 1.0
    values, truth = sign * part.values[:, unit].astype(np.float64), prop.values > 0
    threshold, accuracy = best_threshold(values, truth)
    return Follower(part, unit, r, auc(values, truth), sign * threshold, accuracy)


def _moved(values: Array) -> Array:
    """Return the property (1 + SHIFTS, T), first as it is, then turned round the text's end."""
    size = len(values)
    shifts = np.unique(np.linspace(size // 4, size - size // 4, SHIFTS, dtype=np.int64))
    return np.stack([values, *(np.roll(values, s) for s in shifts if 0 < s < size)])


def _standard(rows: Array) -> Array:
    """Return rows (k, T) of mean 0 and length 1, in float64; zeros for one that is constant."""
    centred = rows.astype(np.float64) - rows.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    moves = length > 1e-6 * np.sqrt(rows.shape[1])
    return np.where(moves, centred / np.where(moves, length, 1.0), 0.0)
