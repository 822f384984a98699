"""Whole sequences of a JSONL or CSV file, each with a label, labels, numbers or a text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.arrays.asked_rows import sequence_rows
from rnnkit.builtin.datasets.shared.batches import Order
from rnnkit.builtin.datasets.shared.data_place import DataPlace
from rnnkit.builtin.datasets.shared.file_dataset import Seed
from rnnkit.builtin.datasets.shared.sequence_source import WholeSequences, WholeSource
from rnnkit.builtin.datasets.tables.examples import Parsed, Taught, dtype_of, examples, fitted_on
from rnnkit.builtin.datasets.tables.fields import Encoding, Key
from rnnkit.builtin.datasets.tables.inference_inputs import Reader, plain_lines, rows_asked
from rnnkit.builtin.datasets.tables.input_fields import Reads
from rnnkit.builtin.datasets.tables.rows import BadRows, Row
from rnnkit.builtin.datasets.tables.table_dataset import TableDataset
from rnnkit.builtin.datasets.tables.tables import has_rows, read_rows
from rnnkit.builtin.datasets.tables.target_fields import END, Predicts
from rnnkit.builtin.datasets.tables.target_notes import label_counts, target_notes
from rnnkit.builtin.datasets.tables.values import weight_of
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import Array


class Sequences(TableDataset, WholeSequences):
    """Sequences with their targets, one a line of JSONL or a row of CSV (a name in .csv).

    They come from one file (`path`), whose rows `split` deals out at random by `seed`, or from a
    file for each split. Classes, tokens, characters and scales are those of the training part; the
    resolved spec holds the classes and scales. A batch is `train.streams` whole sequences, similar
    in length: those of `bucket` batches are sorted together (1: none are). `weight` is a field with
    a number from 0 on, by which the targets of its sequence weigh in loss and metrics.

    A file that begins with an object or an array is JSON; others are tables with a header, in which
    `delimiter` stands between cells (left out: a comma, semicolon, tab or |, as is found) and
    `decimal` and `thousands` in numbers. `skip_bad` leaves out rows that cannot be used, which is
    an error otherwise.
    """

    type: Literal["sequences"] = "sequences"

    inputs: Reads
    targets: Predicts
    weight: Key | None = None
    seed: Seed = 0
    bucket: Annotated[int, Field(ge=1, le=10**6)] = 50

    @model_validator(mode="after")
    def _consistent(self) -> Sequences:
        if self.inputs.unrolls and not self.targets.per_step:
            raise ValueError('an input that unrolls needs a target at each step, such as a "text"')
        return self

    @property
    def ahead(self) -> str:
        """What a layer would see that reads the zeros to come: where the text ends."""
        return "end" if self.inputs.unrolls and self.targets.kind == "text" else ""

    def signals(self) -> tuple[Signal, Signal]:
        """Give what the kinds tell; widths that the data decides are not known yet."""
        return self.inputs.signal(), self.targets.signal()

    def text_tokenizer(self) -> Tokenizer | None:
        """Return the tokenizer of text inputs."""
        return self.inputs.tokenizer

    def suited(self, loss: Loss) -> Sequences:
        """Return the sequences with numbers on a scale; targets only where values are estimated."""
        inputs = self.inputs.on_scale("none" if self.inputs.unroll else "standard")
        targets = self.targets.on_scale("standard" if loss.estimates else "none")
        if (inputs, targets) == (self.inputs, self.targets):
            return self
        return self.model_copy(update={"inputs": inputs, "targets": targets})

    def to_scale(self, values: Array) -> Array:
        """Return inputs (..., F) as the model reads them."""
        return self.inputs.scaler.scaled(values) if self.inputs.scaler else values

    def to_units(self, outputs: Array) -> Array:
        """Return outputs (..., K) in the units of the targets."""
        return self.targets.scaler.unscaled(outputs) if self.targets.scaler else outputs

    def scales(self) -> dict[str, dict[str, list[float]]]:
        """Return those of numbers that are on a scale."""
        found = {"inputs": self.inputs.scaler, "outputs": self.targets.scaler}
        return {side: scaler.as_lists() for side, scaler in found.items() if scaler}

    def opened(self, place: DataPlace, vocabulary: Vocabulary | None = None) -> WholeSource:
        """Read and encode all rows; raises DataError, with file and line, for what is wrong."""
        bad = BadRows(self.skip_bad)
        parts, digest = self.read(place, partial(self._rows, bad), self.seed)
        bad.check()
        if not fitted_on(parts):
            message = f"there is no sequence in it ({bad.in_words() or 'give it rows'})"
            raise DataError.of("DATA_TOO_SHORT", message, self.where)
        learn = partial(self._taught, vocabulary)
        (inputs, targets), rows, found = examples(parts, learn, bad)
        fitted = self.model_copy(update={"inputs": inputs.record, "targets": targets.record})
        notes = [bad.in_words(), self.shared(place), *target_notes(targets.record, rows, found)]
        return WholeSource(
            block=fitted,
            parts=found,
            sha256=digest,
            note="; ".join(filter(None, notes)),
            inputs=inputs.signal,
            targets=targets.signal,
            unit=self.targets.unit,
            order=Order(self.seed, self.bucket),
            tokenizer=self.inputs.tokenizer,
            vocabulary=inputs.vocabulary,
            knows=fitted.meaning()._replace(counts=label_counts(targets.record, found)),
        )

    def _taught(
        self, vocabulary: Vocabulary | None, rows: Sequence[Parsed]
    ) -> Taught[tuple[Encoding, Encoding]]:
        """Return what the rows of training teach of inputs and targets."""
        inputs = self.inputs.learned([row.inputs for row in rows], vocabulary)
        targets = self.targets.learned([row.targets for row in rows], self.where)
        encode = partial(self._encoded, inputs, targets)
        return Taught((inputs, targets), encode, (inputs.signal, targets.signal))

    def meaning(self) -> Meaning:
        """Return what targets mean, as far as the training part has told."""
        scaler = self.targets.scaler
        return Meaning(
            self.targets.labels,
            self.targets.kind == "text",
            scaler.unscaled if scaler else None,
        )

    def questions(
        self, data: FileData, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the inputs of each row, which need no targets beside them."""
        inputs, labels = self.inputs.learned([], vocabulary), self.targets.labels or ()
        ends = labels.index(END) if self.inputs.unrolls and END in labels else None

        def asked(row: Row) -> Question:
            xs: Array = inputs.encode(self.inputs.parse(row.fields))
            xs = xs.astype(dtype_of(inputs.signal))
            return Question(row.line, xs, self.targets.per_step, ends)

        meaning = self.meaning()._replace(names=self.targets.labels or self.targets.keys)
        whole = self.targets.kind == "text"
        fields: Sequence[str] = self.inputs.fields
        rows: Reader = partial(read_rows, needed=fields, marks=self.marks)
        if self.inputs.kind == "text" and not has_rows(data, name, fields):
            rows = partial(plain_lines, key=fields[0])
        return rows_asked(data, name, skip_bad, asked, rows, meaning, whole)

    def rows_of(self, values: object) -> MemoryTable:
        """Return sequences, or a frame with the columns that one is made of."""
        return sequence_rows(self.inputs.kind, self.inputs.key, values)

    def _rows(self, bad: BadRows, name: str, data: FileData) -> list[Parsed]:
        weight = [self.weight] if self.weight else []
        needed = (*self.inputs.fields, *self.targets.fields, *weight)
        rows = read_rows(data, name, bad, needed, self.marks)
        return bad.good(name, rows, partial(self._parsed, name))

    def _parsed(self, name: str, row: Row) -> Parsed:
        inputs, targets = self.inputs.parse(row.fields), self.targets.parse(row.fields)
        if targets is None and self.inputs.unrolls:
            message = f"{self.targets.key}: is missing, and gives the input that unrolls its length"
            raise DataError.of("DATA_FIELD", f"{message} (take the row out)")
        if targets is not None and self.inputs.kind != "text" and not self.inputs.unrolls:
            self.targets.check_lengths(len(inputs), len(targets))
        weight = weight_of(row.fields, self.weight) if self.weight else 1.0
        return Parsed(name, row.line, inputs, targets, weight)

    def _encoded(self, inputs: Encoding, targets: Encoding, row: Parsed) -> tuple[Array, Array]:
        xs = inputs.encode(row.inputs)
        if row.targets is None:
            return xs, targets.record.nothing(len(xs))
        ts = targets.encode(row.targets)
        if self.inputs.unrolls:
            xs = np.concatenate([xs, np.zeros((len(ts) - 1, xs.shape[1]))])
        self.targets.check_lengths(len(xs), len(ts))
        return xs, ts
