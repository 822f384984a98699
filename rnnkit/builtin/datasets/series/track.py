"""The rows of a file as tracks: a series for each group, in the order of time."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from rnnkit.builtin.datasets.series.clock import Clock, Step, found_step, places_on
from rnnkit.builtin.datasets.tables.cells import PLAIN, Marks
from rnnkit.builtin.datasets.tables.rows import (
    MISSING,
    BadRows,
    EmptyLines,
    Row,
    as_json,
    field_of,
)
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.builtin.datasets.tables.values import class_name, single
from rnnkit.contracts.table import FileData
from rnnkit.errors import DataError
from rnnkit.types import Array

Missing = Literal["error", "drop", "forward", "interpolate", "mask"]

ABSENT = frozenset(("", "nan", "na", "n/a", "#n/a", "<na>", "null", "none"))
"""What stands for no value, in small letters."""


class Track(NamedTuple):
    """A series: values (N, C), not a number where one is missing, and where its rows stand.

    `places` (N,) count steps from the first row; where one is left out, time closes up. `lines`
    (N,) are those of the file, 0 for a step that no row tells of; `times` (N,) are seconds since
    1970 or numbers. `texts` are the times as they are written, where they were asked for.
    """

    group: str
    values: Array
    lines: Array
    places: Array
    times: Array | None = None
    texts: Sequence[str] = ()

    def rows(self, chosen: slice | Array) -> Track:
        """Return the rows of a slice, or of a mask (N,)."""
        texts = np.array(self.texts, object)[chosen].tolist() if self.texts else ()
        return self._replace(
            values=self.values[chosen],
            lines=self.lines[chosen],
            places=self.places[chosen],
            times=None if self.times is None else self.times[chosen],
            texts=texts,
        )


def followed(track: Track, after: Track) -> Track:
    """Return a track with the rows of another one after its own."""
    pieces = [times for times in (track.times, after.times) if times is not None]
    return track._replace(
        values=np.concatenate([track.values, after.values]),
        lines=np.concatenate([track.lines, after.lines]),
        places=np.concatenate([track.places, after.places]),
        times=np.concatenate(pieces) if pieces else None,
        texts=[*track.texts, *after.texts],
    )


class Tracks(NamedTuple):
    """The tracks of a file, the step of its times, and what else is to be told of it."""

    tracks: list[Track]
    step: Step | None
    notes: tuple[str, ...] = ()


@dataclass
class _Growing:
    """The rows of one group so far; `place` is that of the next row, good or bad."""

    values: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("i"))
    places: array[int] = field(default_factory=lambda: array("i"))
    times: array[float] = field(default_factory=lambda: array("d"))
    texts: list[str] = field(default_factory=list)
    place: int = 0


@dataclass(frozen=True)
class TrackReader:
    """Reads the columns `keys`, and of each row its `time` and its `group`, where they are named.

    A value that is missing is an error, leaves its row out ("drop") or is not a number. `step` is
    that of the times where it is known; `texts` keeps the times as they are written.
    """

    keys: Sequence[str]
    time: str | None = None
    group: str | None = None
    missing: Missing = "error"
    step: Step | None = None
    texts: bool = False
    marks: Marks = PLAIN

    def read(self, data: FileData, name: str, bad: BadRows) -> Tracks:
        """Return the tracks of a file; raises DataError where time does not increase."""
        clock = Clock(self.time or "")
        growing: dict[str, _Growing] = {} if self.group else {"": _Growing()}
        dropped: list[int] = []
        named = [key for key in (self.time, self.group) if key]
        known = len(bad.problems)
        empty = EmptyLines(rows=False, gaps=self.missing != "error")
        for row in read_rows(data, name, bad, (*self.keys, *named), self.marks, empty):
            # Rows that could not even be read had a place in time, too.
            if not self.group:
                growing[""].place += len(bad.problems) - known
            take = partial(self._take, growing, clock, dropped, row)
            bad.attempt(name, row.line, take)
            known = len(bad.problems)
        tracks = [self._track(group, rows) for group, rows in growing.items() if rows.lines]
        notes = _dropped(dropped, name)
        if not self.time or not tracks:
            return Tracks(tracks, None, notes)
        for track in tracks:
            _check_order(track, name, self.time)
        return self._placed(tracks, bool(clock.dates), name, notes)

    def _take(
        self, growing: dict[str, _Growing], clock: Clock, dropped: list[int], row: Row
    ) -> None:
        group = class_name(field_of(row.fields, self.group), self.group) if self.group else ""
        rows = growing.setdefault(group, _Growing())
        rows.place += 1
        when = field_of(row.fields, self.time) if self.time else None
        if self.missing == "error" or not all(map(_absent, row.fields.values())):
            time = clock.read(when) if self.time else 0.0
            values = [self._value(row, key) for key in self.keys]
        elif self.time:  # an empty line tells of no time, which shows the gap
            dropped.append(row.line)
            return
        else:
            time, values = 0.0, [np.nan] * len(self.keys)
        if self.missing == "drop" and any(value != value for value in values):
            dropped.append(row.line)
            return
        rows.values.extend(values)
        rows.lines.append(row.line)
        rows.places.append(rows.place - 1)
        if self.time:
            rows.times.append(time)
            if self.texts:
                rows.texts.append(str(when).strip())

    def _value(self, row: Row, key: str) -> float:
        if _absent(row.fields.get(key)):
            if self.missing != "error":
                return np.nan
            if key in row.fields:
                message = f"{key}: {as_json(row.fields[key])} is a missing value {MISSING}"
                raise DataError.of("DATA_EMPTY", message)
        return single(field_of(row.fields, key), key)

    def _track(self, group: str, rows: _Growing) -> Track:
        values = np.frombuffer(rows.values).reshape(-1, len(self.keys))
        places = np.frombuffer(rows.places, np.int32)
        times = np.frombuffer(rows.times) if self.time else None
        lines = np.frombuffer(rows.lines, np.int32)
        return Track(group, values, lines, places, times, rows.texts)

    def _placed(
        self, tracks: list[Track], dates: bool, name: str, notes: tuple[str, ...]
    ) -> Tracks:
        """Return the tracks with their places in time, naming the gaps."""
        times = [track.times for track in tracks if track.times is not None]
        step = self.step or found_step(times, dates)
        places = [places_on(each, step) for each in times]
        if any(each is None for each in places):
            found = found_step(times, dates)
            message = (
                f"{name}: the step between rows is {found.in_words()}, not {step.in_words()} as in "
            )
            message += "training; each row is taken as a step"
            return Tracks(tracks, step, (*notes, message))
        placed = [
            track._replace(places=each)
            for track, each in zip(tracks, places, strict=True)
            if each is not None
        ]
        return Tracks(placed, step, (*notes, _steps_in_words(placed, step, name)))


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in ABSENT)


def _check_order(track: Track, name: str, key: str) -> None:
    """Raise DataError for the first row whose time is not after that of the row before it."""
    assert track.times is not None
    wrong = np.flatnonzero(np.diff(track.times) <= 0)
    if len(wrong):
        before, line = track.lines[wrong[0] : wrong[0] + 2].tolist()
        same = track.times[wrong[0]] == track.times[wrong[0] + 1]
        how = "is that" if same else "comes before that"
        of = f" of {track.group!r}" if track.group else ""
        message = f"{key}: the time {how} of line {before}{of} (sort the rows by time, and name "
        message += 'the column that tells series apart as "group")'
        raise DataError.of("DATA_TIME", message, f"{name}:{line}")


def _dropped(lines: Sequence[int], name: str) -> tuple[str, ...]:
    if not lines:
        return ()
    count = len(lines)
    rows = f"{count:,} row{'s' * (count > 1)} with a missing value left out"
    return (f"{rows}, the first: {name}:{lines[0]}",)


def _steps_in_words(tracks: Sequence[Track], step: Step, name: str) -> str:
    if step.unit == "rows":
        return f"{name}: the time between rows differs, and each row is taken as a step"
    gaps = [(track, i) for track in tracks for i in np.flatnonzero(np.diff(track.places) > 1)]
    text = f"a row every {step.in_words().removeprefix('1 ')}"
    if gaps:
        track, i = gaps[0]
        lost = int(track.places[i + 1] - track.places[i]) - 1
        text += f", but for {len(gaps):,} gap{'s' * (len(gaps) > 1)}, the first of {lost:,} "
        text += f"step{'s' * (lost > 1)} before {name}:{track.lines[i + 1]}"
    return text
