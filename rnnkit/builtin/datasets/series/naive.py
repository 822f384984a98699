"""Forecasts of a series that need no model."""

from __future__ import annotations

import numpy as np

from rnnkit.builtin.datasets.series.timeline import Timeline
from rnnkit.builtin.datasets.shared.scaler import moves
from rnnkit.contracts.target_info import Naive
from rnnkit.types import Array


def naive(
    train: Timeline, part: Timeline, horizons: tuple[int, ...], season: int | None, count: int
) -> Naive:
    """Measure the forecasts that repeat the last value, or that of a season ago.

    They are asked for the first `count` targets of a part that are known. As Hyndman and Koehler
    2006, the scale is that of the forecast one step, or one season, ahead on the training part.
    Seasons are counted in steps of time, so that rows about a gap that closed up are not compared;
    nor are those of two groups. Of several horizons each has its own errors.
    """
    targets = part.targets(horizons)
    asked = part.known[targets].all(axis=1)
    rows = part.pairs(max(horizons))[asked][:count]
    each = [_errors(part, rows, steps, season) for steps in horizons]
    errors = {name: np.concatenate([found[name] for found in each]) for name in each[0]}
    return Naive(np.tile(_scale(train, season or 1), len(horizons)), errors)


def _errors(part: Timeline, rows: Array, steps: int, season: int | None) -> dict[str, Array]:
    """Return the mean absolute errors (K,) so many steps after rows, by name of the forecast."""
    found = {"persistence": rows}
    if season:
        found["seasonal"] = _season_before(part, rows, steps, season)
    wanted = part.wanted[rows + steps]
    return {name: _mean(np.abs(wanted - part.wanted[known])) for name, known in found.items()}


def _season_before(part: Timeline, rows: Array, horizon: int, season: int) -> Array:
    """Return the newest row up to each of `rows` at the same point of the season as its target.

    Where there is none, as at the beginning of a split, the row itself stands in.
    """
    ahead = part.places[rows + horizon] - part.places[rows]
    back = -(-ahead // season) * season
    found, there = _at(part, rows, part.places[rows] + ahead - back)
    return np.where(there, found, rows)


def _scale(train: Timeline, lag: int) -> Array:
    rows = np.arange(len(train.wanted))
    before, there = _at(train, rows, train.places - lag)
    there &= train.known
    steps = train.wanted[rows[there]] - train.wanted[before[there]]
    found: Array = _mean(np.abs(steps)) * moves(train.wanted)
    return found


def _at(part: Timeline, rows: Array, places: Array) -> tuple[Array, Array]:
    """Return the row at each place in the series of each of `rows`, and whether it is known."""
    # All places as one increasing row of numbers, those of a later series above all before.
    span = int(np.ptp(part.places)) + 1
    series = part.series()
    every = part.places - part.places.min() + series * span
    inside = (places >= part.places.min()) & (places <= part.places.max())
    found = np.searchsorted(every, places - part.places.min() + series[rows] * span)
    found = np.minimum(found, len(every) - 1)
    return found, inside & (part.places[found] == places) & part.known[found]


def _mean(values: Array) -> Array:
    """Return the means of columns (N, K); 0 of none."""
    found: Array = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    return found
