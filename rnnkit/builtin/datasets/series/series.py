"""Columns of a CSV in the order of time, to be forecast."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.series.timeline import TimelineSource
from rnnkit.builtin.datasets.shared.origin import check_files
from rnnkit.builtin.datasets.shared.scaler import Scaler, Scaling
from rnnkit.builtin.datasets.shared.sequence_source import SPLITS
from rnnkit.builtin.datasets.tables.inference_inputs import timeline_asked
from rnnkit.builtin.datasets.tables.input_fields import Key
from rnnkit.builtin.datasets.tables.rows import BadRows, Row, field_of
from rnnkit.builtin.datasets.tables.sequences import LIMIT, FileName, Share
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.builtin.datasets.tables.values import single
from rnnkit.contracts.dataset import Dataset, Layout, Source, Split
from rnnkit.contracts.inference_inputs import Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular
from rnnkit.types import Array

Horizon = Annotated[int, Field(ge=1, le=10**6)]


class Series(Dataset):
    """Numeric `columns` of a CSV (or fields of JSONL), one row a step, to forecast `targets`.

    The target of a step is the row `horizon` steps later; `targets` are `columns` unless they are
    given. One file (`path`) is cut by `split` in the order of time, or each split has a file.
    `scale` brings each column to mean 0 and deviation 1, or to the range from 0 to 1, as it is in
    the training part; the resolved spec holds the numbers as `inputs_scaler` and `targets_scaler`.
    `season` is the period of the seasonal naive forecast that results are compared with. `skip_bad`
    leaves out rows that cannot be used.
    """

    type: Literal["series"] = "series"

    path: FileName | None = None
    train: FileName | None = None
    valid: FileName | None = None
    test: FileName | None = None
    split: tuple[Share, Share, Share] = (0.8, 0.1, 0.1)
    columns: Annotated[tuple[Key, ...], Field(min_length=1, max_length=4096)]
    targets: Annotated[tuple[Key, ...], Field(min_length=1, max_length=4096)] | None = None
    horizon: Horizon = 1
    scale: Scaling = "standard"
    season: Annotated[int, Field(ge=1, le=10**6)] | None = None
    skip_bad: bool = False
    inputs_scaler: Scaler | None = None
    targets_scaler: Scaler | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Series:
        check_files(self)
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

    def signals(self) -> tuple[Signal, Signal]:
        """Give one value for each column."""
        return Signal(len(self.columns)), Signal(len(self.wanted))

    def of_file(self, path: Path) -> Series:
        """Return the series of one file, all of it to be tested on."""
        update = {"path": str(path), "train": None, "valid": None, "test": None}
        return self.model_copy(update={**update, "split": (0.0, 0.0, 1.0)})

    def fitted(self, source: Source) -> Dataset:
        """Return the series with the scalers of the training part."""
        return source.block if isinstance(source, TimelineSource) else self

    def in_words(self, source: Source, layout: Layout) -> str:
        """Return streams and windows, and the error of the naive forecasts."""
        return source.in_words(layout) if isinstance(source, TimelineSource) else ""

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> TimelineSource:
        """Read all rows; raises DataError, with file and line, for what is no number."""
        bad, digest = BadRows(self.skip_bad), hashlib.sha256()
        names = {split: name for split in SPLITS if (name := getattr(self, split))}
        if self.path:
            parts = in_order(self._rows(root, self.path, bad, digest), self.split)
        else:
            parts = {s: self._rows(root, name, bad, digest) for s, name in names.items()}
        bad.check()
        if not any(map(len, parts.values())):
            message = f"there is no row in it ({bad.in_words() or 'give it some'})"
            raise DataError.of("DATA_TOO_SHORT", message, self.path or self.train)
        width = len(self.columns)
        read = {split: rows[:, :width] for split, rows in parts.items()}
        wanted = {split: rows[:, width:] for split, rows in parts.items()}
        first = "train" if "train" in parts else next(iter(parts))
        scales = (
            self.inputs_scaler or Scaler.fitted(read[first], self.scale),
            self.targets_scaler or Scaler.fitted(wanted[first], self.scale),
        )
        for split in parts:
            _check_scale(scales[0], read[split], self.columns, split)
            _check_scale(scales[1], wanted[split], self.wanted, split)
        fitted = self.model_copy(update={"inputs_scaler": scales[0], "targets_scaler": scales[1]})
        return TimelineSource(
            fitted,
            read,
            wanted,
            scales,
            self.wanted,
            self.horizon,
            self.season,
            digest.hexdigest(),
            bad.in_words(),
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

    def _rows(self, root: Path, name: str, bad: BadRows, digest: Any) -> Array:
        """Return the rows of a file (N, F + K): the columns to read, then those to forecast."""
        data = bytes(read_regular(root / name, LIMIT, DataError, "DATA"))
        digest.update(data)
        rows = read_rows(data, name, bad, (*self.columns, *self.wanted))
        found = (bad.attempt(name, row.line, partial(self._values, row)) for row in rows)
        good = [values for values in found if values is not None]
        return np.array(good) if good else np.empty((0, len(self.columns) + len(self.wanted)))

    def _values(self, row: Row) -> list[float]:
        return [single(field_of(row.fields, key), key) for key in (*self.columns, *self.wanted)]


def in_order(rows: Array, shares: tuple[float, float, float]) -> dict[Split, Array]:
    """Cut rows (N, F) into splits in the order of time; empty ones are left out."""
    ends = [round(len(rows) * share) for share in np.cumsum(shares)[:2].tolist()]
    parts = zip(SPLITS, np.split(rows, ends), strict=True)
    return {split: part for split, part in parts if len(part)}


def _check_scale(scaler: Scaler, rows: Array, columns: Sequence[str], split: Split) -> None:
    """Raise DataError for a value of a split that no float32 holds on the scale."""
    try:
        scaler.check(rows, columns)
    except DataError as error:
        where = f"the {split} split"
        raise DataError(*(replace(p, where=where) for p in error.problems)) from None
