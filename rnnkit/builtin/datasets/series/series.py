"""Columns of a CSV in the order of time, to be forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.series.timeline import Timeline, TimelineSource
from rnnkit.builtin.datasets.shared.file_dataset import FileDataset
from rnnkit.builtin.datasets.shared.scaler import Scaler, Scaling
from rnnkit.builtin.datasets.tables.fields import Keys
from rnnkit.builtin.datasets.tables.inference_inputs import timeline_asked
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.builtin.datasets.tables.values import step_of
from rnnkit.contracts.dataset import Split
from rnnkit.contracts.inference_inputs import Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import Array

Horizon = Annotated[int, Field(ge=1, le=10**6)]


class Series(FileDataset):
    """Numeric `columns` of a CSV (or fields of JSONL), one row a step, to forecast `targets`.

    The target of a step is the row `horizon` steps later; `targets` are `columns` unless they are
    given. One file (`path`) is cut by `split` in the order of time, or each split has a file.
    `scale` brings each column to mean 0 and deviation 1, or to the range from 0 to 1, as it is in
    the training part; the resolved spec holds the numbers as `inputs_scaler` and `targets_scaler`.
    `season` is the period of the seasonal naive forecast that results are compared with. `skip_bad`
    leaves out rows that cannot be used.
    """

    type: Literal["series"] = "series"

    columns: Keys
    targets: Keys | None = None
    horizon: Horizon = 1
    scale: Scaling = "standard"
    season: Annotated[int, Field(ge=1, le=10**6)] | None = None
    skip_bad: bool = False
    inputs_scaler: Scaler | None = None
    targets_scaler: Scaler | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Series:
        for scaler, columns in (
            (self.inputs_scaler, self.columns),
            (self.targets_scaler, self.wanted),
        ):
            if scaler and not len(scaler.offset) == len(scaler.factor) == len(columns):
                raise ValueError(f"a scaler needs {len(columns)} offsets and factors")
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns to be forecast."""
        return self.targets or self.columns

    @property
    def ahead(self) -> str:
        """What a layer that reads later rows would see: the value to forecast."""
        return "value"

    def signals(self) -> tuple[Signal, Signal]:
        """Give one value for each column."""
        return Signal(len(self.columns)), Signal(len(self.wanted))

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> TimelineSource:
        """Read all rows; raises DataError, with file and line, for what is no number."""
        bad = BadRows(self.skip_bad)
        rows, digest = self.read(root, partial(self._rows, bad))
        bad.check()
        if not any(rows.values()):
            message = f"there is no row in it ({bad.in_words() or 'give it some'})"
            raise DataError.of("DATA_TOO_SHORT", message, self.path or self.train)
        parts = {split: self._timeline(steps) for split, steps in rows.items()}
        scales = self._scales(parts)
        fitted = self.model_copy(update={"inputs_scaler": scales[0], "targets_scaler": scales[1]})
        return TimelineSource(
            block=fitted,
            parts=parts,
            sha256=digest,
            note=bad.in_words(),
            scales=scales,
            names=self.wanted,
            horizon=self.horizon,
            season=self.season,
        )

    def questions(
        self, data: bytes, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the rows as one stream; each is asked for the row `horizon` later."""
        scales = self.inputs_scaler, self.targets_scaler
        if not scales[0] or not scales[1]:
            message = "the series has no scalers (take the resolved spec of a run)"
            raise DataError.of("DATA_SCALER", message, name)
        meaning = Meaning(names=self.wanted, unscaled=scales[1].unscaled)
        return timeline_asked(data, name, skip_bad, self.columns, scales[0], meaning)

    def _rows(self, bad: BadRows, name: str, data: bytes) -> list[list[float]]:
        """Return the rows of a file (N, F + K): the columns to read, then those to forecast."""
        keys = (*self.columns, *self.wanted)
        rows = read_rows(data, name, bad, keys)
        return bad.good(name, rows, lambda row: step_of(row.fields, keys))

    def _timeline(self, steps: Sequence[list[float]]) -> Timeline:
        width = len(self.columns)
        rows = np.array(steps).reshape(-1, width + len(self.wanted))
        return Timeline(rows[:, :width], rows[:, width:])

    def _scales(self, parts: Mapping[Split, Timeline]) -> tuple[Scaler, Scaler]:
        """Return the scalers of the training part; DataError for what does not fit on them."""
        first = parts.get("train") or next(iter(parts.values()))
        scales = (
            self.inputs_scaler or Scaler.fitted(first.read, self.scale),
            self.targets_scaler or Scaler.fitted(first.wanted, self.scale),
        )
        for split, part in parts.items():
            _check_scale(scales[0], part.read, self.columns, split)
            _check_scale(scales[1], part.wanted, self.wanted, split)
        return scales


def _check_scale(scaler: Scaler, rows: Array, columns: Sequence[str], split: Split) -> None:
    """Raise DataError for a value of a split that no float32 holds on the scale."""
    try:
        scaler.check(rows, columns)
    except DataError as error:
        where = f"the {split} split"
        raise DataError(*(replace(p, where=where) for p in error.problems)) from None
