"""Columns of a CSV in the order of time, to be forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.arrays.asked_rows import series_rows
from rnnkit.builtin.datasets.series.clock import Step
from rnnkit.builtin.datasets.series.filling import Filled, filled, in_words
from rnnkit.builtin.datasets.series.inference_inputs import tracks_asked
from rnnkit.builtin.datasets.series.outlook import OutlookReader
from rnnkit.builtin.datasets.series.scales import Scalers, check_groups
from rnnkit.builtin.datasets.series.source import TimelineSource
from rnnkit.builtin.datasets.series.timeline import Timeline, concatenated
from rnnkit.builtin.datasets.series.track import Missing, Track, TrackReader
from rnnkit.builtin.datasets.series.unnamed import has_wide_rows, told_by_unnamed
from rnnkit.builtin.datasets.shared.data_place import DataPlace
from rnnkit.builtin.datasets.shared.file_dataset import split_values
from rnnkit.builtin.datasets.shared.scaler import Scaler, Scaling
from rnnkit.builtin.datasets.tables.fields import Key, Keys
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.builtin.datasets.tables.table_dataset import TableDataset
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.contracts.data_size import ReadingCost
from rnnkit.contracts.dataset import Source, Split
from rnnkit.contracts.forecast_inputs import ForecastRequest, Outlook
from rnnkit.contracts.inference_inputs import Questions
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import JSON, Array

COLUMN = 'name it as "time" or "group", or leave it out of "columns"'
"""What becomes of a column that holds no numbers."""

Horizon = Annotated[int, Field(ge=1, le=10**6)]
Horizons = Annotated[tuple[Horizon, ...], Field(min_length=1, max_length=1000)]


class Series(TableDataset):
    """Numeric `columns` of a CSV (or fields of JSONL), one row a step, to forecast `targets`.

    The target of a step is the row `horizon` steps later, or each of the rows so many steps later,
    as in [1, 2, 7]; `targets` are `columns` unless they are given. One file (`path`) is cut by
    `split` in the order of time, or each split has a file.
    `scale` brings each column to mean 0 and deviation 1, or to the range from 0 to 1, as it is in
    the training part; the resolved spec holds the numbers as `inputs_scaler` and `targets_scaler`.
    `season` is the period, in steps, of the seasonal naive forecast that results are compared with.

    `time` names the column of ISO dates or numbers, which have to increase; the `step` between rows
    is found, and gaps are named. Each value of the column `group` is a series of its own, cut by
    `split` on its own, whose windows start from a zero state; all share one scale, unless
    `scale_by_group` brings each group to a scale of its own, which the resolved spec holds in
    `group_scalers`. A group without a row in the training part then cannot be used.

    A value that is missing (an empty cell, an empty line within the table, null, NA) is an error,
    unless `missing` says what becomes of it: "drop" leaves the row out, and time closes up;
    "forward" repeats the value before; "interpolate" draws a line to the next known value, which no
    forecast would know; "mask" repeats the value before as an input and gives a missing target
    weight 0 in loss and metrics. The last three also put in the rows that `time` lacks. `skip_bad`
    leaves out rows that cannot be used, as "drop" does. `delimiter` stands between cells (left out:
    a comma, semicolon, tab or |, as is found), `decimal` and `thousands` in numbers.
    """

    type: Literal["series"] = "series"
    cost: ClassVar[ReadingCost] = ReadingCost(held=13, row=20)

    columns: Keys
    targets: Keys | None = None
    time: Key | None = None
    group: Key | None = None
    horizon: Horizon | Horizons = 1
    missing: Missing = "error"
    scale: Scaling = "standard"
    scale_by_group: bool = False
    season: Annotated[int, Field(ge=1, le=10**6)] | None = None
    step: Step | None = None
    inputs_scaler: Scaler | None = None
    targets_scaler: Scaler | None = None
    group_scalers: dict[str, Scalers] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Series:
        own = (self.group_scalers or {}).values()
        for scaler, columns in (
            (self.inputs_scaler, self.columns),
            (self.targets_scaler, self.wanted),
            *((each.inputs, self.columns) for each in own),
            *((each.targets, self.wanted) for each in own),
        ):
            if scaler and not scaler.of_width(len(columns)):
                raise ValueError(f"a scaler needs {len(columns)} offsets and factors")
        if list(self.horizons) != sorted(set(self.horizons)):
            raise ValueError(f'"horizon" must increase, received {list(self.horizons)}')
        if (self.scale_by_group or own) and not self.group:
            raise ValueError('"scale_by_group" needs the column that tells the groups: "group"')
        if self.step and not self.time:
            raise ValueError('"step" is that of the column "time": name it')
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns to be forecast."""
        return self.targets or self.columns

    @property
    def horizons(self) -> tuple[int, ...]:
        """How many rows ahead a row is asked for."""
        return self.horizon if isinstance(self.horizon, tuple) else (self.horizon,)

    @property
    def ahead(self) -> str:
        """What a layer that reads later rows would see: the value to forecast."""
        return "value"

    def signals(self) -> tuple[Signal, Signal]:
        """Give one value for each column, of the targets at each horizon."""
        return Signal(len(self.columns)), Signal(len(self.wanted) * len(self.horizons))

    def opened(self, place: DataPlace, vocabulary: Vocabulary | None = None) -> TimelineSource:
        """Read all rows; raises DataError, with file and line, for what is no number."""
        reading = _Reading(BadRows(self.skip_bad, COLUMN), self.step)
        tracks, digest = self.read(place, partial(self._tracks, reading))
        reading.bad.check()
        parts = self._parts(tracks, reading)
        if not parts:
            why = "; ".join(filter(None, [*reading.notes, reading.bad.in_words()]))
            message = f"there is no row in it ({why or 'give it some'})"
            raise DataError.of("DATA_TOO_SHORT", message, self.where)
        scales = self._scales(parts)
        told = [*reading.notes, self._closed_up(reading.bad), self.shared(place)]
        return TimelineSource(
            block=self._learned(scales, reading.step),
            parts=parts,
            sha256=digest,
            note="; ".join(filter(None, told)),
            scales=scales,
            names=self.wanted,
            horizons=self.horizons,
            season=self.season,
            step=reading.step,
        )

    def to_scale(self, values: Array) -> Array:
        """Return the columns (..., F) as the model reads them."""
        self._check_shared()
        return self.inputs_scaler.scaled(values) if self.inputs_scaler else values

    def to_units(self, outputs: Array) -> Array:
        """Return forecasts (..., K) in the units of the data."""
        self._check_shared()
        if self.inputs_scaler is None or self.targets_scaler is None:
            return outputs
        scalers = Scalers(inputs=self.inputs_scaler, targets=self.targets_scaler)
        return scalers.unscaled(outputs)

    def scales(self) -> dict[str, dict[str, list[float]]]:
        """Return those of the columns, and of the outputs: the targets at each horizon.

        Nothing where each group has its own: `group_scalers` has them.
        """
        if self.inputs_scaler is None or self.targets_scaler is None:
            return {}
        targets = self.targets_scaler.as_lists()
        outputs = {key: values * len(self.horizons) for key, values in targets.items()}
        return {"inputs": self.inputs_scaler.as_lists(), "outputs": outputs}

    def series_columns(self) -> dict[str, JSON]:
        """Return columns, targets and horizons; nothing where a file holds several series."""
        if self.group:
            return {}
        return {
            "columns": list(self.columns),
            "targets": list(self.wanted),
            "horizons": list(self.horizons),
        }

    def _check_shared(self) -> None:
        """Raise DataError where values have no group that would tell their scale."""
        if self.scale_by_group:
            message = "each group has a scale of its own, and values alone tell no group "
            message += "(ask by predict or forecast, whose files tell it)"
            raise DataError.of("DATA_SCALER", message, self.where)

    def questions(
        self, data: FileData, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return each series of the rows; each row is asked for those `horizon` later."""
        scales, meaning = partial(self._fitted_scales, name), Meaning(names=self.wanted)
        reader = replace(self._reader(self.step), keys=self.columns, texts=True)
        return tracks_asked(reader, data, name, skip_bad, scales, meaning, self.horizons)

    def outlook(self, data: FileData, name: str, request: ForecastRequest) -> Outlook:
        """Return the known rows of each series, and what the file tells of those to come."""
        rows, scales = self._reader(self.step), partial(self._fitted_scales, name)
        reader = OutlookReader(rows, self.columns, self.wanted, self.horizons, scales)
        return reader.read(data, name, request)

    def rows_of(self, values: object) -> MemoryTable:
        """Return a frame, or columns in the order in which they are read."""
        return series_rows(values, self.columns, self.time)

    @property
    def asked_by(self) -> str:
        """The command that asks a model of such data."""
        return "forecast"

    def next_command(self, source: Source, root: Path) -> tuple[str, ...]:
        """Forecast what comes after the data, as far as it needs no column that is not forecast."""
        known = set(self.columns) <= set(self.wanted)
        return self.asked_by, "--steps", str(30 if known else max(self.horizons))

    def _fitted_scales(self, name: str, group: str) -> Scalers:
        """Return the scalers of a group of a file; raises DataError where there are none."""
        if self.group_scalers is not None:
            check_groups([group], self.group_scalers, name)
            return self.group_scalers[group]
        if not self.inputs_scaler or not self.targets_scaler:
            message = "the series has no scalers (take the resolved spec of a run)"
            raise DataError.of("DATA_SCALER", message, name)
        return Scalers(inputs=self.inputs_scaler, targets=self.targets_scaler)

    def cut(self, rows: Sequence[Track], seed: int | None) -> dict[Split, Sequence[Track]]:
        """Cut each series by the shares of the splits, in the order of time."""
        found: dict[Split, list[Track]] = {}
        for track in rows:
            for split, part in split_values(np.arange(len(track.values)), self.split).items():
                chosen = slice(int(part[0]), int(part[-1]) + 1)
                found.setdefault(split, []).append(track.rows(chosen))
        return {**found}

    @property
    def _keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.columns, *self.wanted)))

    def _reader(self, step: Step | None) -> TrackReader:
        return TrackReader(self._keys, self.time, self.group, self.missing, step, marks=self.marks)

    def _tracks(self, reading: _Reading, name: str, data: FileData) -> list[Track]:
        """Return the series of a file."""
        found = self._reader(reading.step).read(data, name, reading.bad)
        reading.step = reading.step or found.step
        reading.notes += found.notes
        if self.time is None and self.group is None and not has_wide_rows(data):
            rows = read_rows(data, name, BadRows(True), marks=self.marks)
            said = told_by_unnamed(rows, self._keys)
            reading.notes += [said] if said and said not in reading.notes else []
        return found.tracks

    def _parts(
        self, tracks: Mapping[Split, Sequence[Track]], reading: _Reading
    ) -> dict[Split, Timeline]:
        parts: dict[Split, Timeline] = {}
        every: list[Filled] = []
        for split, series in tracks.items():
            found = [filled(track, self.missing) for track in series]
            whole = [self._timeline(each) for each in found if len(each.known)]
            every += found
            if whole:
                parts[split] = concatenated(whole)
        reading.notes += in_words(every, self.missing)
        return parts

    def _timeline(self, found: Filled) -> Timeline:
        places = [self._keys.index(key) for key in (*self.columns, *self.wanted)]
        read, wanted = places[: len(self.columns)], places[len(self.columns) :]
        track, known = found.track, found.known.take(wanted, axis=1)
        if self.missing != "mask":
            known = np.ones_like(known)
        every = read == list(range(track.values.shape[1]))
        values = track.values if every else track.values.take(read, axis=1)
        return Timeline(
            values,
            values if wanted == read else track.values.take(wanted, axis=1),
            np.all(known, axis=1),
            track.places,
            groups=(track.group,),
            times=track.times,
        )

    def _closed_up(self, bad: BadRows) -> str:
        """Return what is told of rows that were skipped."""
        if not bad.problems or self.missing in ("forward", "interpolate", "mask"):
            return bad.in_words()
        return f"{bad.in_words()}; time closes up where they stood"

    def _scales(self, parts: Mapping[Split, Timeline]) -> Scalers | Mapping[str, Scalers]:
        """Return the scalers of the training part; DataError for what does not fit on them."""
        first = parts.get("train") or next(iter(parts.values()))
        if self.scale_by_group:
            return self._own_scales(first, parts)
        fitted = Scalers.fitted(first, self.scale)
        scalers = Scalers(
            inputs=self.inputs_scaler or fitted.inputs,
            targets=self.targets_scaler or fitted.targets,
        )
        for split, part in parts.items():
            self._check_scale(scalers, part, split)
        return scalers

    def _own_scales(
        self, first: Timeline, parts: Mapping[Split, Timeline]
    ) -> Mapping[str, Scalers]:
        """Return the scalers of each group of the training part."""
        found = self.group_scalers or {
            group: Scalers.fitted(rows, self.scale) for group, rows in first.by_group().items()
        }
        for split, part in parts.items():
            check_groups(part.groups, found, f"the {split} split")
            for group, rows in part.by_group().items():
                self._check_scale(found[group], rows, split)
        return found

    def _check_scale(self, scalers: Scalers, part: Timeline, split: Split) -> None:
        """Raise DataError for a value of a split that no float32 holds on the scale."""
        try:
            scalers.inputs.check(part.read, self.columns)
            scalers.targets.check(part.wanted, self.wanted)
        except DataError as error:
            where = f"the {split} split"
            raise DataError(*(replace(p, where=where) for p in error.problems)) from None

    def _learned(self, scales: Scalers | Mapping[str, Scalers], step: Step | None) -> Series:
        """Return the series with what it learned from its data."""
        learned: dict[str, object] = {"step": step}
        if isinstance(scales, Scalers):
            learned |= {"inputs_scaler": scales.inputs, "targets_scaler": scales.targets}
        else:
            learned["group_scalers"] = dict(scales)
        return self.model_copy(update=learned)


@dataclass
class _Reading:
    """What is found while the files of a series are read, one after the other."""

    bad: BadRows
    step: Step | None
    notes: list[str] = field(default_factory=list)
