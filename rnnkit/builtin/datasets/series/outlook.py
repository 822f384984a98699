"""A file of series cut in two: the rows that are known, and what is known of those to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rnnkit.builtin.datasets.series.clock import Step
from rnnkit.builtin.datasets.series.filling import Filled, each_step, filled
from rnnkit.builtin.datasets.series.scales import Scalers
from rnnkit.builtin.datasets.series.stamps import Stamps
from rnnkit.builtin.datasets.series.track import Track, TrackReader, followed
from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.contracts.forecast_inputs import ForecastRequest, Outlook, Past
from rnnkit.contracts.table import FileData
from rnnkit.errors import DataError
from rnnkit.types import Array


@dataclass(frozen=True)
class OutlookReader:
    """Reads the series of a file to go on with.

    `rows` reads the columns of `reads` and those of `wanted`, and says what becomes of missing
    values; `scales` returns those of a group.
    """

    rows: TrackReader
    reads: tuple[str, ...]
    wanted: tuple[str, ...]
    horizons: tuple[int, ...]
    scales: Callable[[str], Scalers]

    def read(self, data: FileData, name: str, asked: ForecastRequest) -> Outlook:
        """Return what is known; raises DataError, with file and line, for what cannot be used."""
        bad = BadRows(asked.skip_bad)
        # The rows to come have no targets, whatever becomes of such rows elsewhere.
        reader = replace(self.rows, missing="mask", texts=True)
        found = reader.read(data, name, bad)
        bad.check()
        shorter = self._shorter(found.tracks, name, asked.past)
        series = [self._past(track, found.step, name, asked) for track in found.tracks]
        if not series:
            raise DataError.of("DATA_TOO_SHORT", "there is no row in it (give it some)", name)
        note = "; ".join(filter(None, [*found.notes, bad.in_words(), shorter]))
        return Outlook(name, series, self.horizons, self.reads, self.wanted, note)

    def _past(self, track: Track, step: Step | None, name: str, asked: ForecastRequest) -> Past:
        keys = self.rows.keys
        read, wanted = ([keys.index(key) for key in of] for of in (self.reads, self.wanted))
        known = self._known(track)
        end = min(known, asked.past or known)
        past = self._filled(track.rows(slice(0, end)), name)
        rows = len(past.known)
        if not rows:
            message = "there is no known row to go on from (give rows with a value to forecast)"
            raise DataError.of("DATA_TOO_SHORT", message, name)
        # The last known row is where the steps to come are counted from.
        ahead = each_step(track.rows(slice(end - 1, None))).rows(slice(1, None))
        ahead.values[:, wanted] = np.nan
        self._check_told(ahead.values[:, read], name, asked.steps)
        inputs, scales = past.track.values[:, read], self.scales(track.group)
        self._check_scale(inputs, past.track, name, scales.inputs)
        stamps = Stamps(followed(past.track, ahead), step, self.rows.time, self.rows.group)
        return Past(
            inputs=inputs,
            wanted=np.where(past.known, past.track.values, np.nan)[:, wanted],
            unseen=round(rows * asked.seen),
            ahead=ahead.values[:, read],
            stamp=lambda step: stamps.of(rows - 1 + step),
            scaled=scales.inputs.scaled,
            unscaled=scales.unscaled,
        )

    def _known(self, track: Track) -> int:
        """Return how many rows there are up to the last one with a value to forecast."""
        wanted = [self.rows.keys.index(key) for key in self.wanted]
        came = np.flatnonzero(~np.isnan(track.values[:, wanted]).all(axis=1))
        return int(came[-1]) + 1 if len(came) else 0

    def _shorter(self, tracks: Sequence[Track], name: str, past: int | None) -> str:
        """Return what is told of series with fewer rows than are to be known; "" for none.

        Raises DataError where no series has as many.
        """
        known = [self._known(track) for track in tracks]
        short = [rows for rows in known if past is not None and rows < past]
        if not short or not any(known):
            return ""
        if len(short) == len(known):
            message = f"the first {past:,} rows are to be known, and there are {max(known):,} with "
            message += f"a value to forecast (give a past of at most {max(known):,}, or none)"
            raise DataError.of("DATA_TOO_SHORT", message, name)
        few = f"{len(short):,} of {len(known):,} series have fewer than {past:,} known rows"
        return f"{few}, and are forecast from their own end"

    def _filled(self, track: Track, name: str) -> Filled:
        """Return the known rows as the dataset has missing values dealt with."""
        lacking = np.isnan(track.values)
        if self.rows.missing == "error" and lacking.any():
            row, column = np.argwhere(lacking)[0]
            message = f"{self.rows.keys[column]}: the value is missing (fill it in; rows to come, "
            message += "without a value to forecast, stand at the end)"
            raise DataError.of("DATA_FIELD", message, f"{name}:{track.lines[row]}")
        if self.rows.missing == "drop":
            track = track.rows(np.logical_not(lacking.any(axis=1)))
        how = self.rows.missing
        return filled(track, "forward" if how == "interpolate" else how)

    def _check_scale(self, inputs: Array, track: Track, name: str, scaler: Scaler) -> None:
        """Raise DataError for each row that no float32 holds on the scale."""
        bad = BadRows()
        for i in np.flatnonzero(scaler.beyond(inputs).any(axis=1)).tolist():
            check = partial(scaler.check, inputs[i : i + 1], self.reads)
            bad.attempt(name, int(track.lines[i]), check)
        bad.check()

    def _check_told(self, ahead: Array, name: str, steps: int) -> None:
        """Raise DataError for a column that is read and neither forecast nor in the file."""
        needed = max(steps - max(self.horizons), 0)
        told = np.full((needed, len(self.reads)), np.nan)
        told[: len(ahead)] = ahead[:needed]
        others = [i for i, key in enumerate(self.reads) if key not in self.wanted]
        lacking = np.argwhere(np.isnan(told[:, others]))
        if len(lacking):
            row, column = lacking[0].tolist()
            key, most = self.reads[others[column]], row + max(self.horizons)
            message = (
                f"{key}: is read and not forecast, and its value is not known in row {row + 1} "
            )
            message += (
                f"after the last (give a file that goes on with rows in which {key} is known "
            )
            message += f"and {', '.join(self.wanted)} is empty, or --steps {most})"
            raise DataError.of("DATA_AHEAD", message, name)
