"""Files to be forecast: what their rows ask of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from rnnkit.builtin.datasets.series.filling import filled, in_words
from rnnkit.builtin.datasets.series.scales import Scalers
from rnnkit.builtin.datasets.series.stamps import Stamps
from rnnkit.builtin.datasets.series.track import Track, TrackReader
from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.table import FileData
from rnnkit.contracts.target_info import Meaning
from rnnkit.types import Array


def tracks_asked(
    reader: TrackReader,
    data: FileData,
    name: str,
    skip_bad: bool,
    scales: Callable[[str], Scalers],
    meaning: Meaning,
    horizons: tuple[int, ...],
) -> Questions:
    """Return one question for each series, whose steps are the rows, each of which has an answer.

    A missing value has a stand-in that was known by then: the value before it.
    """
    bad = BadRows(skip_bad)
    read = reader.read(data, name, bad)
    tracks = [
        _on_scale(track, reader.keys, scales(track.group).inputs, name, bad)
        for track in read.tracks
    ]
    bad.check()
    how = "forward" if reader.missing == "interpolate" else reader.missing
    found = [filled(track, how) for track in tracks]
    asked = [
        Question(
            line=int(track.lines[track.lines > 0][0]),
            inputs=scales(track.group).inputs.scaled(track.values),
            each=True,
            lines=track.lines.tolist(),
            stamp=Stamps(track, read.step, reader.time, reader.group).ahead,
            group=track.group if reader.group else None,
            unscaled=scales(track.group).unscaled,
        )
        for track, *_ in found
        if len(track.values)
    ]
    notes = [*read.notes, *in_words(found, how), bad.in_words()]
    note = "; ".join(filter(None, notes))
    return Questions(
        asked,
        meaning,
        streams=not reader.group,
        skipped=len(bad.problems),
        note=note,
        horizons=horizons,
    )


def _on_scale(
    track: Track, columns: Sequence[str], scaler: Scaler, name: str, bad: BadRows
) -> Track:
    """Return the rows that float32 holds on the scale of the training part."""
    beyond: Array = np.any(scaler.beyond(track.values), axis=1)
    for i in np.flatnonzero(beyond).tolist():
        row = track.values[i : i + 1]
        bad.attempt(name, int(track.lines[i]), partial(scaler.check, row, columns))
    return track.rows(~beyond) if beyond.any() else track
