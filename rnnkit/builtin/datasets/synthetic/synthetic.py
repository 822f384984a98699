"""Data that a seeded generator makes up: the classic tasks of memory, and two series."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.series.inference_inputs import tracks_asked
from rnnkit.builtin.datasets.series.scales import Scalers
from rnnkit.builtin.datasets.series.series import Horizon
from rnnkit.builtin.datasets.series.source import TimelineSource
from rnnkit.builtin.datasets.series.timeline import Timeline
from rnnkit.builtin.datasets.series.track import TrackReader
from rnnkit.builtin.datasets.shared.batches import Order
from rnnkit.builtin.datasets.shared.file_dataset import Seed
from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.builtin.datasets.shared.sequence_source import Examples, WholeSequences, WholeSource
from rnnkit.builtin.datasets.synthetic.tasks import ADDITION, TASKS, TaskOptions
from rnnkit.builtin.datasets.synthetic.waves import WAVES
from rnnkit.builtin.datasets.tables.examples import dtype_of
from rnnkit.builtin.datasets.tables.inference_inputs import rows_asked
from rnnkit.builtin.datasets.tables.input_fields import Reads
from rnnkit.builtin.datasets.tables.rows import Row, field_of
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.contracts.dataset import SPLITS, Source, Split
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.table import FileData
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.block import Size
from rnnkit.core.context import keyed_generator
from rnnkit.core.signal import Signal
from rnnkit.types import Array

Count = Annotated[int, Field(ge=1, le=10**7)]


class Synthetic(WholeSequences):
    """A task of `train`, `valid` and `test` sequences; in parentheses the baseline of guessing.

    `copy`: ten of `symbols` symbols repeated after `length` steps (10 ln symbols / (length + 20)).
    `adding`: the sum of two marked numbers among `length` (mean squared error 0.1667). `echo`:
    each of `length` symbols again, `delay` steps later (ln symbols). `addition`: the sum, as a
    class, of a text such as 57+5 with numbers of up to `digits` digits (the entropy of the sums).
    `iris`: the kind of a flower from four measures, one step (ln 3).

    `sine`, of period `length`, and `mackey_glass`, of delay `length`, are series of `train`,
    `valid` and `test` steps, forecast `horizon` steps ahead on a scale of mean 0 and deviation 1
    (mean squared error 1, and the naive forecasts that `explain` shows); the resolved spec holds
    the scale as `scaler`. They are read in streams of windows as a text is.
    """

    type: Literal["synthetic"] = "synthetic"

    task: Literal["copy", "adding", "echo", "addition", "iris", "sine", "mackey_glass"]
    train: Count = 10_000
    valid: Count = 1_000
    test: Count = 1_000
    length: Annotated[int, Field(ge=2, le=65536)] = 20
    symbols: Annotated[int, Field(ge=2, le=65536)] = 8
    delay: Annotated[int, Field(ge=0, le=65535)] = 3
    digits: Annotated[int, Field(ge=1, le=4)] = 2
    horizon: Horizon = 1
    bucket: Size = 50
    seed: Seed = 0
    scaler: Scaler | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Synthetic:
        if self.task == "echo" and self.delay >= self.length:
            raise ValueError(
                f'"delay" must be below "length", received {self.delay} and {self.length}'
            )
        if self.scaler and (self.whole or not self.scaler.of_width(1)):
            raise ValueError('"scaler" is that of a series, of one offset and one factor')
        return self

    @property
    def whole(self) -> bool:
        """Whether the task is one of whole sequences."""
        return self.task not in WAVES

    @property
    def ahead(self) -> str:
        """What a layer that reads later steps would see: of a wave, the value to forecast."""
        return "" if self.whole else "value"

    def _options(self) -> TaskOptions:
        return TaskOptions(self.length, self.symbols, self.delay, self.digits)

    def made(self) -> int:
        """Return the bytes that the generator takes at most, for all splits."""
        count = self.train + self.valid + self.test
        if self.whole:
            return count * TASKS[self.task].bytes(self._options())
        return WAVES[self.task].bytes(count, self.length)

    def signals(self) -> tuple[Signal, Signal]:
        """Give the widths of the task."""
        if not self.whole:
            return Signal(1), Signal(1)
        return TASKS[self.task].signals(self._options())

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> Source:
        """Make up the data; the seed decides it."""
        return self._sequences() if self.whole else self._series()

    def questions(
        self, data: FileData, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the `inputs` of each row; of a series its rows as one stream, as in a CSV."""
        if not self.whole:
            scales, reader = self._scales(), TrackReader((self.task,))
            asked_of = partial(tracks_asked, reader, data, name, skip_bad, lambda group: scales)
            return asked_of(Meaning(names=(self.task,)), (self.horizon,))
        each, signal = TASKS[self.task].unit == "step", self.signals()[0]
        if self.task == "addition":
            reads = Reads(kind="tokens", key="inputs")
        else:
            reads = Reads(kind="ids" if signal.ids else "numbers", key="inputs", size=signal.width)
        encode = reads.learned([], Vocabulary(tokens=tuple(ADDITION))).encode

        def asked(row: Row) -> Question:
            fields = row.fields
            if self.task == "addition":
                fields = {"inputs": list(str(field_of(fields, "inputs")))}
            return Question(row.line, encode(reads.parse(fields)).astype(dtype_of(signal)), each)

        read = partial(read_rows, needed=("inputs",))
        return rows_asked(data, name, skip_bad, asked, read, Meaning())

    def to_scale(self, values: Array) -> Array:
        """Return the values of a wave as the model reads them."""
        return values if self.whole else self._scales().inputs.scaled(values)

    def to_units(self, outputs: Array) -> Array:
        """Return forecasts of a wave in its units."""
        return outputs if self.whole else self._scales().unscaled(outputs)

    def scales(self) -> dict[str, dict[str, list[float]]]:
        """Return those of a wave."""
        if self.whole:
            return {}
        scales = self._scales()
        return {"inputs": scales.inputs.as_lists(), "outputs": scales.targets.as_lists()}

    def _digest(self) -> str:
        made = self.model_dump_json(exclude={"scaler"})
        return hashlib.sha256(made.encode()).hexdigest()

    def _scales(self) -> Scalers:
        """Return the scales of a wave; an unresolved spec makes all of it up for that."""
        scaler = self.scaler or Scaler.fitted(self._wave()["train"], "standard")
        return Scalers(inputs=scaler, targets=scaler)

    def _sequences(self) -> WholeSource:
        task, options = TASKS[self.task], self._options()
        parts: dict[Split, Examples] = {}
        for split in SPLITS:
            random = keyed_generator(self.seed, self.task, split)
            parts[split] = task.make(random, getattr(self, split), options)
        inputs, targets = task.signals(options)
        score, how = task.baseline(options)
        return WholeSource(
            block=self,
            parts=parts,
            sha256=self._digest(),
            inputs=inputs,
            targets=targets,
            unit=task.unit,
            order=Order(self.seed, self.bucket),
            vocabulary=Vocabulary(tokens=tuple(ADDITION)) if self.task == "addition" else None,
            note=f"baseline: {how} {score:.4g}",
        )

    def _wave(self) -> dict[Split, Array]:
        """Make up the values (N, 1) of each split."""
        random = keyed_generator(self.seed, self.task)
        counts = [self.train, self.valid, self.test]
        values = WAVES[self.task].make(random, sum(counts), self.length)
        return dict(zip(SPLITS, np.split(values, np.cumsum(counts)[:2]), strict=True))

    def _series(self) -> TimelineSource:
        parts = self._wave()
        scaler = self.scaler or Scaler.fitted(parts["train"], "standard")
        return TimelineSource(
            block=self.model_copy(update={"scaler": scaler}),
            parts={split: Timeline.of(rows, rows) for split, rows in parts.items()},
            sha256=self._digest(),
            scales=Scalers(inputs=scaler, targets=scaler),
            names=(self.task,),
            horizons=(self.horizon,),
            season=self.length if self.task == "sine" else None,
        )
