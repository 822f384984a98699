"""The errors of estimated values, in the units of the data, and beside naive forecasts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnnkit.contracts.metric import Metric, Table
from rnnkit.contracts.target_info import Meaning
from rnnkit.types import Array


class Errors(Metric):
    """Squared and absolute errors of every column, averaged over targets and columns.

    mse = mean e^2;  rmse = sqrt(mse);  mae = mean |e|

    Values and targets are taken back to the units of the data where a scaler is known. Where naive
    forecasts are, `mase` (Hyndman and Koehler 2006) is the mean over the columns of mae / scale,
    scale being the mean absolute error of a naive forecast on the training part; the same of each
    naive forecast stands beside it as `mase_persistence` and so on. A column that never moves in
    training has no scale, and no part in the mean: its own `mase` is not a number.
    """

    def __init__(self, width: int, meaning: Meaning, split: str) -> None:
        self._meaning, self._split = meaning, split
        self._squares, self._sizes = np.zeros((2, width))
        self._weight, self._targets = 0.0, 0

    def add(
        self,
        ys: Array,
        targets: Array,
        weights: Array,
        resets: Array,
        valid: Array | None = None,
    ) -> None:
        """Add up the errors of the targets that count."""
        live = weights != 0
        given, wanted = ys[live].astype(np.float64), targets[live].astype(np.float64)
        if self._meaning.unscaled:
            given, wanted = self._meaning.unscaled(given), self._meaning.unscaled(wanted)
        errors, ws = given - wanted, weights[live].astype(np.float64)
        self._squares += ws @ np.square(errors)
        self._sizes += ws @ np.abs(errors)
        self._weight += float(ws.sum())
        self._targets += len(ws)

    def report(self) -> dict[str, float]:
        """Return the means over all columns."""
        weight = self._weight or math.nan
        mse = float(self._squares.mean()) / weight
        found = {"mse": mse, "rmse": math.sqrt(mse), "mae": float(self._sizes.mean()) / weight}
        if self._meaning.naive:
            for name, (_, scaled) in self._forecasts().items():
                found["mase" if name == "model" else f"mase_{name}"] = _known_mean(scaled)
        return found

    def _forecasts(self) -> dict[str, tuple[Array, Array]]:
        """Return (mae, mase) (F,) of the model and of each naive forecast."""
        assert self._meaning.naive
        naive = self._meaning.naive(self._split, max(self._targets, 1))
        maes = {"model": self._sizes / (self._weight or math.nan), **naive.errors}
        if not self._weight:
            maes = dict.fromkeys(maes, np.full_like(self._sizes, math.nan))
        # A column that never moves in training has scale 0: its error has no measure.
        scale = np.where(naive.scale > 0, naive.scale, math.nan)
        return {name: (mae, mae / scale) for name, mae in maes.items()}

    def tables(self) -> dict[str, Table]:
        """Return a row for each column, where there are several, and one for each forecast."""
        found = {}
        width, weight = len(self._sizes), self._weight or math.nan
        if width > 1:
            names: Sequence[str] = self._meaning.names or [str(i) for i in range(width)]
            mses = self._squares / weight
            columns = {"mse": mses, "rmse": np.sqrt(mses), "mae": self._sizes / weight}
            if self._meaning.naive:
                columns["mase"] = self._forecasts()["model"][1]
            rows = zip(names, *(column.tolist() for column in columns.values()), strict=True)
            found["columns"] = Table(("column", *columns), tuple(rows))
        if self._meaning.naive:
            forecasts = tuple(
                (name, float(mae.mean()), _known_mean(scaled))
                for name, (mae, scaled) in self._forecasts().items()
            )
            found["forecasts"] = Table(("forecast", "mae", "mase"), forecasts)
        return found

    def remarks(self) -> list[str]:
        """Tell which columns `mase` leaves out, and what it says beside naive forecasts."""
        return [*self._unmeasured(), *self._compared()]

    def _unmeasured(self) -> list[str]:
        if not self._meaning.naive or not self._weight:
            return []
        unknown = np.isnan(self._forecasts()["model"][1])
        names: Sequence[str] = self._meaning.names or [str(i) for i in range(len(unknown))]
        still = [names[column] for column in np.flatnonzero(unknown).tolist()]
        if not still:
            return []
        reason = "where a naive forecast of the training part has no error"
        return [f"mase leaves out {', '.join(still)}, {reason}"]

    def _compared(self) -> list[str]:
        """Tell which naive forecasts are no worse than the model, or else of a mase above 1."""
        if not self._meaning.naive or not self._weight:
            return []
        scaled = {name: _known_mean(found) for name, (_, found) in self._forecasts().items()}
        model = scaled.pop("model")
        better = [f"{name} has {mase:.4g}" for name, mase in scaled.items() if mase <= model]
        if better:
            return [f"no better than a naive forecast: mase {model:.4g}, {', '.join(better)}"]
        if model > 1:
            return [f"mase {model:.4g}: on the training part a naive forecast is nearer than that"]
        return []


def _known_mean(values: Array) -> float:
    """Return the mean of the values that are numbers; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan
