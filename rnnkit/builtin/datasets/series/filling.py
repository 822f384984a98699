"""What stands in for the values that a series lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.series.track import Missing, Track
from rnnkit.errors import DataError
from rnnkit.types import Array

MOST = 5
"""Steps of time for each row there is, at most: more are a mistake in the times."""

WORDS: Mapping[Missing, str] = {
    "forward": "filled by the value before",
    "interpolate": "filled on the line to the next known value, which no forecast would know",
    "mask": "masked: weight 0 as targets, the value before as inputs",
}


class Filled(NamedTuple):
    """A track without a missing value; `known` (N, C) tells which values are those of the file.

    `put_in` counts the values that stand in for missing ones, `lead` the rows before the first
    whole one, which are left out: nothing is known before them.
    """

    track: Track
    known: Array
    put_in: int = 0
    lead: int = 0


def filled(track: Track, how: Missing) -> Filled:
    """Return a track in which each missing value, and each step that time lacks, has a stand-in.

    It is the value before it, or with "interpolate" one on the line to the next one.
    """
    known = ~np.isnan(track.values)
    whole = np.flatnonzero(known.all(axis=1))
    lead = int(whole[0]) if len(whole) else len(known)
    if lead:
        track, known = track.rows(slice(lead, None)), known[lead:]
    if how not in ("forward", "interpolate", "mask") or not len(known):
        return Filled(track, known, 0, lead)
    track = each_step(track)
    known = ~np.isnan(track.values)
    fill = _interpolated if how == "interpolate" else _forward
    values = np.stack([fill(column) for column in track.values.T], axis=1)
    return Filled(track._replace(values=values), known, int((~known).sum()), lead)


def each_step(track: Track) -> Track:
    """Return a track with a row, all of it missing, for each step that no row tells of."""
    rows, places = len(track.places), track.places - track.places[0]
    steps = int(places[-1]) + 1
    if steps == rows:
        return track
    if steps > MOST * rows:
        message = f"its {rows:,} rows are spread over {steps:,} steps of time, too many to put in "
        message += '(repair the times, or give "missing": "drop")'
        raise DataError.of("DATA_TIME", message, f"line {track.lines[0]} and after")

    def spread(of: Array, empty: float) -> Array:
        found = np.full((steps, *of.shape[1:]), empty, of.dtype)
        found[places] = of
        return found

    texts = [""] * steps if track.texts else []
    for place, text in zip(places.tolist(), track.texts, strict=False):
        texts[place] = text
    return track._replace(
        values=spread(track.values, np.nan),
        lines=spread(track.lines, 0),
        places=np.arange(steps) + track.places[0],
        times=None if track.times is None else spread(track.times, np.nan),
        texts=texts,
    )


def _forward(column: Array) -> Array:
    """Return a column (N,) whose first value is known, each missing value the one before it."""
    known = np.where(np.isnan(column), 0, np.arange(len(column)))
    found: Array = column[np.maximum.accumulate(known)]
    return found


def _interpolated(column: Array) -> Array:
    """Return a column (N,), each missing value on the line between the two about it."""
    rows = np.arange(len(column))
    known = ~np.isnan(column)
    found: Array = np.interp(rows, rows[known], column[known])
    return found


def in_words(every: Sequence[Filled], how: Missing) -> list[str]:
    """Return what stands in for what was missing, with counts; nothing where nothing was."""
    put_in, lead = sum(each.put_in for each in every), sum(each.lead for each in every)
    found = []
    if put_in:
        values = f"{put_in:,} missing value{'s' * (put_in > 1)}"
        found.append(f"{values} {WORDS[how]}")
    if lead:
        rows = f"{lead:,} row{'s' * (lead > 1)} before the first whole one"
        found.append(f"{rows} of a series left out")
    return found
