"""Whole sequences of a JSONL or CSV file, each with a label, labels, numbers or a text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.shared.batches import Order
from rnnkit.builtin.datasets.shared.file_dataset import FileDataset, Seed
from rnnkit.builtin.datasets.shared.sequence_source import WholeSequences, WholeSource
from rnnkit.builtin.datasets.tables.examples import Parsed, dtype_of, examples, fitted_on
from rnnkit.builtin.datasets.tables.fields import Encoding
from rnnkit.builtin.datasets.tables.inference_inputs import rows_asked
from rnnkit.builtin.datasets.tables.input_fields import Reads
from rnnkit.builtin.datasets.tables.rows import BadRows, Row
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.builtin.datasets.tables.target_fields import END, Predicts
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import Array


class Sequences(FileDataset, WholeSequences):
    """Sequences with their targets, one a line of JSONL or a row of CSV (a name in .csv).

    They come from one file (`path`), whose rows `split` deals out at random by `seed`, or from a
    file for each split. Classes, tokens and characters are those of the training part; the resolved
    spec holds the classes. A batch is `train.streams` whole sequences, similar in length: those of
    `bucket` batches are sorted together (1: none are). `skip_bad` leaves out rows that cannot be
    used, which is an error otherwise.
    """

    type: Literal["sequences"] = "sequences"

    inputs: Reads
    targets: Predicts
    seed: Seed = 0
    bucket: Annotated[int, Field(ge=1, le=10**6)] = 50
    skip_bad: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Sequences:
        if self.inputs.unrolls and not self.targets.per_step:
            raise ValueError('an input that unrolls needs a target at each step, such as a "text"')
        return self

    def signals(self) -> tuple[Signal, Signal]:
        """Give what the kinds tell; widths that the data decides are not known yet."""
        return self.inputs.signal(), self.targets.signal()

    def text_tokenizer(self) -> Tokenizer | None:
        """Return the tokenizer of text inputs."""
        return self.inputs.tokenizer

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> WholeSource:
        """Read and encode all rows; raises DataError, with file and line, for what is wrong."""
        bad = BadRows(self.skip_bad)
        parts, digest = self.read(root, partial(self._rows, bad), self.seed)
        bad.check()
        learned_from = fitted_on(parts)
        if not learned_from:
            message = f"there is no sequence in it ({bad.in_words() or 'give it rows'})"
            raise DataError.of("DATA_TOO_SHORT", message, self.path or self.train)
        inputs = self.inputs.learned([row.inputs for row in learned_from], vocabulary)
        targets = self.targets.learned([row.targets for row in learned_from])
        encode = partial(self._encoded, inputs, targets)
        return WholeSource(
            block=self.model_copy(update={"inputs": inputs.record, "targets": targets.record}),
            parts=examples(parts, encode, (inputs.signal, targets.signal), bad),
            sha256=digest,
            note=bad.in_words(),
            inputs=inputs.signal,
            targets=targets.signal,
            unit=self.targets.unit,
            order=Order(self.seed, self.bucket),
            tokenizer=self.inputs.tokenizer,
            vocabulary=inputs.vocabulary,
            knows=Meaning(targets.record.labels, whole=self.targets.kind == "text"),
        )

    def questions(
        self, data: bytes, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the inputs of each row, which need no targets beside them."""
        inputs, labels = self.inputs.learned([], vocabulary), self.targets.labels or ()
        ends = labels.index(END) if self.inputs.unrolls and END in labels else None

        def asked(row: Row) -> Question:
            xs: Array = inputs.encode(self.inputs.parse(row.fields))
            xs = xs.astype(dtype_of(inputs.signal))
            return Question(row.line, xs, self.targets.per_step, ends)

        meaning = Meaning(names=self.targets.labels or self.targets.keys)
        whole = self.targets.kind == "text"
        return rows_asked(data, name, skip_bad, asked, self.inputs.fields, meaning, whole)

    def _rows(self, bad: BadRows, name: str, data: bytes) -> list[Parsed]:
        rows = read_rows(data, name, bad, (*self.inputs.fields, *self.targets.fields))
        return bad.good(name, rows, partial(self._parsed, name))

    def _parsed(self, name: str, row: Row) -> Parsed:
        inputs, targets = self.inputs.parse(row.fields), self.targets.parse(row.fields)
        if self.inputs.kind != "text" and not self.inputs.unrolls:
            self.targets.check_lengths(len(inputs), len(targets))
        return Parsed(name, row.line, inputs, targets)

    def _encoded(self, inputs: Encoding, targets: Encoding, row: Parsed) -> tuple[Array, Array]:
        xs, ts = inputs.encode(row.inputs), targets.encode(row.targets)
        if self.inputs.unrolls:
            xs = np.concatenate([xs, np.zeros((len(ts) - 1, xs.shape[1]))])
        self.targets.check_lengths(len(xs), len(ts))
        return xs, ts
