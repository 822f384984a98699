"""Many steps ahead: a model's forecasts, read by it again as if they had come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnkit.checkpoint.run_directory import looked_for
from rnnkit.contracts.data_file import read_data
from rnnkit.contracts.forecast_inputs import ForecastRequest, Outlook, Past
from rnnkit.contracts.table import FileData, hashed
from rnnkit.core.context import Context, keyed_generator
from rnnkit.errors import CheckpointError, DataError, printable
from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.generate import windows
from rnnkit.inference.inputs import checked_count
from rnnkit.network.states import States, copied
from rnnkit.types import Array

FEWEST = 10
"""Errors of the model that an interval is drawn from, at least."""


class Forecasts(NamedTuple):
    """A record for each row and series, and what is to be told of them."""

    records: list[dict[str, object]]
    note: str = ""


class Intervals(NamedTuple):
    """Intervals that `level` of the simulated paths keep to, drawn by `seed`; 0 paths for none."""

    level: float = 0.8
    paths: int = 200
    seed: int = 1


SIMULATED = Intervals()


def expect_forecast(asked: ForecastRequest, intervals: Intervals) -> None:
    """Raise TypeError and ValueError for numbers that no forecast has."""
    checked_count("steps", asked.steps)
    if asked.past is not None:
        checked_count("past", asked.past)
    checked_count("paths", intervals.paths, 0)
    checked_count("seed", intervals.seed, 0)
    level: object = intervals.level
    if not isinstance(level, float | int | np.floating) or not 0 < level < 1:
        message = f"level: expected a number between 0 and 1, received {printable(level)}"
        raise ValueError(message)


def outlook_of_file(
    model: BoundNetwork, file: Path | None, root: Path, asked: ForecastRequest
) -> Outlook:
    """Return what a forecast goes on from, of a file or else of the end of the model's own data.

    Raises DataError for a file that cannot be used, and CheckpointError for a model of no series.
    """
    if file is None:
        try:
            file, seen = model.spec.data.newest(root)
        except NotImplementedError:
            raise no_forecast(model, "the data is no file to go on from (give one)") from None
        with looked_for(root):
            return outlook_of(model, read_data(file), str(file), asked._replace(seen=seen))
    return outlook_of(model, read_data(file), str(file), asked)


def outlook_of(model: BoundNetwork, data: FileData, name: str, asked: ForecastRequest) -> Outlook:
    """Return the same of the bytes of a file; `name` is its name in errors."""
    dataset = model.spec.data
    try:
        if hashlib.sha256(hashed(data)).hexdigest() == model.trained_on:
            asked = asked._replace(seen=dataset.underlying.newest(Path("."))[1])
        return dataset.outlook(data, name, asked)
    except NotImplementedError:
        message = f"data of the type {dataset.type!r} is no series; use rnnkit {dataset.asked_by}"
        raise no_forecast(model, message) from None


def no_forecast(model: BoundNetwork, message: str) -> CheckpointError:
    """Return the error of a model that cannot forecast so."""
    return CheckpointError.of("CKPT_NO_FORECAST", message, model.path)


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is an error
def forecast_rows(
    model: BoundNetwork, outlook: Outlook, steps: int, intervals: Intervals = SIMULATED
) -> Forecasts:
    """Return a record for each of `steps` rows after the past of each series.

    A record has the stamp of its row, the `step`, and for each column its forecast, in the units of
    the data, with `_low` and `_high` of the interval. A row is forecast by the nearest horizon
    whose row is known, else by the farthest from a row that was itself forecast. A simulated path
    adds to each forecast the error that the model made at some row of the past, of all columns and
    horizons at once. These errors are drawn as they are: where the model errs to one side, the
    interval holds what comes, as it is to, and may not hold the forecast; the note tells so.

    Raises DataError for a past that is too short, or where a forecast is not finite, and
    CheckpointError for a model that reads later inputs.
    """
    if model.network.reads_later:
        message = "a layer reads later inputs, and a forecast has none (train one that does not)"
        raise no_forecast(model, message)
    if not model.network.loss.estimates:
        message = f"the loss {model.network.loss.type} estimates no values that a model could read"
        raise no_forecast(model, message)
    records: list[dict[str, object]] = []
    notes, trained_on = [outlook.note], False
    for past in outlook.series:
        one = _Recursion(model, outlook, past, intervals)
        records += one.records(steps)
        trained_on |= one.errors.trained_on
    if intervals.paths and trained_on:
        notes.append("intervals are drawn from rows that were trained on, and may be too narrow")
    if intervals.paths:
        notes.append(_outside(records, outlook.wanted))
    return Forecasts(records, "; ".join(filter(None, notes)))


class _Errors(NamedTuple):
    """Errors (M, J, K) of forecasts, and whether any is of a row that the model was trained on."""

    values: Array
    trained_on: bool


@dataclass(frozen=True)
class _Recursion:
    """One series, its forecasts and simulated paths side by side; the first path has no errors."""

    model: BoundNetwork
    outlook: Outlook
    past: Past
    intervals: Intervals

    def records(self, steps: int) -> list[dict[str, object]]:
        """Return a record for each step."""
        found = []
        for step, paths in enumerate(self._paths(steps), 1):
            if not np.isfinite(paths).all():
                message = f"step {step} is no finite number (forecast fewer steps)"
                raise DataError.of("DATA_NAN", message, self.outlook.file)
            stamp = {**self.past.stamp(step), "step": step}
            found.append(stamp | self._columns(paths[0], paths[1:]))
        return found

    def _columns(self, forecast: Array, paths: Array) -> dict[str, object]:
        """Return the forecast (K,) by column, and the interval of the paths (B, K)."""
        tail = (1 - self.intervals.level) / 2
        low, high = np.quantile(paths, [tail, 1 - tail], axis=0) if len(paths) else (None, None)
        found: dict[str, object] = {}
        for k, name in enumerate(self.outlook.wanted):
            found[name] = float(forecast[k])
            if low is not None and high is not None:
                found[f"{name}_low"], found[f"{name}_high"] = float(low[k]), float(high[k])
        return found

    def _paths(self, steps: int) -> Iterator[Array]:
        """Yield the forecasts (B, K) of each step, of the first path and of the simulated ones."""
        (known, states), errors = self._known, self.errors.values
        if self.intervals.paths and len(errors) < FEWEST:
            message = f"{len(errors)} forecasts of known rows can be compared with what came, an "
            message += f"interval takes {FEWEST} (give more rows, or no paths)"
            raise DataError.of("DATA_TOO_SHORT", message, self.outlook.file)
        random = keyed_generator(self.intervals.seed, "forecast")
        count, farthest = 1 + self.intervals.paths, max(self.outlook.horizons)
        states = {name: tuple(np.repeat(a, count, axis=0) for a in s) for name, s in states.items()}
        ahead: dict[int, Array] = {}
        for step in range(1, steps + 1):
            origin, head = self._origin(step, len(known))
            if origin not in ahead:  # a known row: one forecast for all paths
                ahead[origin] = _erring(known[origin - 1][None], errors, random, count)
            values = ahead[origin][:, head]
            yield values
            if step <= steps - farthest:
                heads, states = self._step(step, values, states)
                ahead[step] = _erring(heads, errors, random, count)
                ahead.pop(step - farthest, None)

    def _origin(self, step: int, rows: int) -> tuple[int, int]:
        """Return the row that forecasts a step, 0 for the last known one, and its horizon's place.

        Raises DataError where the past has no such row.
        """
        horizons = self.outlook.horizons
        near = min((h for h in horizons if h >= step), default=max(horizons))
        if step - near <= -rows:
            message = f"{rows} known rows, but a horizon of {near} steps needs {near - step + 1} "
            raise DataError.of("DATA_TOO_SHORT", f"{message}(give more rows)", self.outlook.file)
        return step - near, horizons.index(near)

    @cached_property
    def errors(self) -> _Errors:
        """The errors that simulated paths are drawn from."""
        return _errors(self.outlook, self.past, self._known[0])

    @cached_property
    def _known(self) -> tuple[Array, States]:
        """The forecasts (N, J, K) at each known row, and the states after them."""
        network, ctx = self.model.network, Context()
        states, found = network.initial_states(1, ctx.dtype), []
        xs = self._scaled(self.past.inputs)[:, None]
        for _, ys, after in windows(network, self.model.store.values, xs, states, ctx):
            states = after
            found.append(self._values(ys[:, 0]))
        return np.concatenate(found), states

    def _step(self, step: int, values: Array, states: States) -> tuple[Array, States]:
        """Return the forecasts (B, J, K) at a row that was itself forecast, and the states."""
        outlook, ahead, ctx = self.outlook, self.past.ahead, Context()
        told = ahead[step - 1] if step <= len(ahead) else np.full(len(outlook.reads), np.nan)
        xs = np.repeat(told[None], len(values), axis=0)
        for column in np.flatnonzero(np.isnan(told)).tolist():
            xs[:, column] = values[:, outlook.wanted.index(outlook.reads[column])]
        network, params = self.model.network, self.model.store.values
        ys, after = network.forward(params, self._scaled(xs)[None], states, None, ctx)
        return self._values(ys[0]), copied(after)

    def _scaled(self, xs: Array) -> Array:
        to_scale = self.past.scaled or self.model.spec.data.to_scale
        return to_scale(xs).astype(np.float32)

    def _values(self, ys: Array) -> Array:
        """Return outputs (N, J K) as forecasts (N, J, K) in the units of the data."""
        to_units = self.past.unscaled or self.model.spec.data.to_units
        found: Array = to_units(ys).astype(np.float64)
        return found.reshape(len(ys), len(self.outlook.horizons), len(self.outlook.wanted))


def _outside(records: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> str:
    """Tell how many forecasts lie outside their intervals, and which is the first; "" if none."""
    found = [
        (name, record["step"])
        for record in records
        for name in wanted
        if not record[f"{name}_low"] <= record[name] <= record[f"{name}_high"]
    ]
    if not found:
        return ""
    (name, step), count = found[0], len(records) * len(wanted)
    return (
        f"{len(found):,} of {count:,} forecasts lie outside their intervals, the first that of "
        f"{name} at step {step}: intervals hold what came on known rows, also where it lies to one "
        "side of the forecasts (train longer, or on data that has the same trend)"
    )


def _errors(outlook: Outlook, past: Past, known: Array) -> _Errors:
    """Return the errors of the forecasts (N, J, K) at the rows whose targets all came.

    Those that were not trained on tell most; where they are few, the others have to do.
    """
    rows = np.arange(max(len(known) - max(outlook.horizons), 0))
    later = rows[:, None] + np.array(outlook.horizons)
    errors: Array = past.wanted[later] - known[rows]
    whole: Array = np.all(np.isfinite(errors), axis=(1, 2))
    fresh = np.logical_and(whole, rows >= past.unseen)
    chosen = fresh if fresh.sum() >= FEWEST else whole
    return _Errors(errors[chosen], bool(np.any(rows[chosen] < past.unseen)))


def _erring(heads: Array, errors: Array, random: np.random.Generator, count: int) -> Array:
    """Return forecasts (1 or B, J, K) for all paths (B, J, K), each but the first with an error."""
    if count == 1:
        return heads
    drawn = errors[random.integers(len(errors), size=count)]
    drawn[0] = 0
    found: Array = heads + drawn
    return found
