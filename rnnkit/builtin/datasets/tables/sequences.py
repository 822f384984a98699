"""Whole sequences of a JSONL or CSV file, each with a label, labels, numbers or a text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.shared.batches import Order, Ragged
from rnnkit.builtin.datasets.shared.origin import check_files
from rnnkit.builtin.datasets.shared.sequence_source import SPLITS, Part, WholeSequences, WholeSource
from rnnkit.builtin.datasets.tables.inference_inputs import rows_asked
from rnnkit.builtin.datasets.tables.input_fields import Encoding, Reads
from rnnkit.builtin.datasets.tables.rows import BadRows, Row
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.builtin.datasets.tables.target_fields import END, Predicts
from rnnkit.contracts.dataset import Split
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.context import keyed_generator
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular
from rnnkit.types import Array

LIMIT = 2**31
"""The largest file that is read, in bytes."""

FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Share = Annotated[float, Field(ge=0, le=1)]


class Parsed(NamedTuple):
    """One good row before it is encoded: its file and line, inputs and targets."""

    name: str
    line: int
    inputs: Any
    targets: Any


class Sequences(WholeSequences):
    """Sequences with their targets, one a line of JSONL or a row of CSV (a name in .csv).

    They come from one file (`path`), whose rows `split` deals out at random by `seed`, or from a
    file for each split. Classes, tokens and characters are those of the training part; the resolved
    spec holds the classes. A batch is `train.streams` whole sequences, similar in length: those of
    `bucket` batches are sorted together (1: none are). `skip_bad` leaves out rows that cannot be
    used, which is an error otherwise.
    """

    type: Literal["sequences"] = "sequences"

    path: FileName | None = None
    train: FileName | None = None
    valid: FileName | None = None
    test: FileName | None = None
    split: tuple[Share, Share, Share] = (0.8, 0.1, 0.1)
    inputs: Reads
    targets: Predicts
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    bucket: Annotated[int, Field(ge=1, le=10**6)] = 50
    skip_bad: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Sequences:
        check_files(self)
        if self.inputs.unrolls and not self.targets.per_step:
            raise ValueError('an input that unrolls needs a target at each step, such as a "text"')
        return self

    def signals(self) -> tuple[Signal, Signal]:
        """Give what the kinds tell; widths that the data decides are not known yet."""
        return self.inputs.signal(), self.targets.signal()

    def text_tokenizer(self) -> Tokenizer | None:
        """Return the tokenizer of text inputs."""
        return self.inputs.tokenizer

    def of_file(self, path: Path) -> Sequences:
        """Return the sequences of one file, all of it to be tested on."""
        update = {"path": str(path), "train": None, "valid": None, "test": None}
        return self.model_copy(update={**update, "split": (0.0, 0.0, 1.0)})

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> WholeSource:
        """Read and encode all rows; raises DataError, with file and line, for what is wrong."""
        bad, digest = BadRows(self.skip_bad), hashlib.sha256()
        names = {split: name for split in SPLITS if (name := getattr(self, split))}
        if self.path:
            parts = self._dealt(self._rows(root, self.path, bad, digest))
        else:
            parts = {s: self._rows(root, name, bad, digest) for s, name in names.items()}
        bad.check()
        fitted_on = parts.get("train") or [row for rows in parts.values() for row in rows]
        if not fitted_on:
            message = f"there is no sequence in it ({bad.in_words() or 'give it rows'})"
            raise DataError.of("DATA_TOO_SHORT", message, self.path or self.train)
        inputs = self.inputs.learned([row.inputs for row in fitted_on], vocabulary)
        targets = self.targets.learned([row.targets for row in fitted_on])
        encoded = {s: self._encoded(rows, inputs, targets, bad) for s, rows in parts.items()}
        bad.check()
        return WholeSource(
            self.model_copy(update={"inputs": inputs.record, "targets": targets.record}),
            inputs.signal,
            targets.signal,
            self.targets.unit,
            {split: part for split, part in encoded.items() if part},
            digest.hexdigest(),
            Order(self.seed, self.bucket),
            self.inputs.tokenizer,
            inputs.vocabulary,
            bad.in_words(),
            Meaning(targets.record.labels, whole=self.targets.kind == "text"),
        )

    def questions(
        self, data: bytes, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the inputs of each row, which need no targets beside them."""
        inputs, labels = self.inputs.learned([], vocabulary), self.targets.labels or ()
        ends = labels.index(END) if self.inputs.unrolls and END in labels else None

        def asked(row: Row) -> Question:
            xs: Array = inputs.encode(self.inputs.parse(row.fields))
            xs = xs.astype(_dtype(inputs.signal))
            return Question(row.line, xs, self.targets.per_step, ends)

        meaning = Meaning(names=self.targets.labels or self.targets.keys)
        whole = self.targets.kind == "text"
        return rows_asked(data, name, skip_bad, asked, self.inputs.fields, meaning, whole)

    def _rows(self, root: Path, name: str, bad: BadRows, digest: Any) -> list[Parsed]:
        data = bytes(read_regular(root / name, LIMIT, DataError, "DATA"))
        digest.update(data)
        rows = read_rows(data, name, bad, (*self.inputs.fields, *self.targets.fields))
        found = (bad.attempt(name, row.line, partial(self._parsed, name, row)) for row in rows)
        return [row for row in found if row]

    def _parsed(self, name: str, row: Row) -> Parsed:
        inputs, targets = self.inputs.parse(row.fields), self.targets.parse(row.fields)
        if self.inputs.kind != "text" and not self.inputs.unrolls:
            self.targets.check_lengths(len(inputs), len(targets))
        return Parsed(name, row.line, inputs, targets)

    def _dealt(self, rows: list[Parsed]) -> dict[Split, list[Parsed]]:
        """Deal the rows out at random; each part keeps the order of the file."""
        drawn = keyed_generator(self.seed, "split").permutation(len(rows))
        ends = [round(len(rows) * share) for share in np.cumsum(self.split)[:2].tolist()]
        parts = np.split(drawn, ends)
        dealt = {s: [rows[i] for i in np.sort(part)] for s, part in zip(SPLITS, parts, strict=True)}
        return {split: part for split, part in dealt.items() if part}

    def _encoded(
        self, rows: Sequence[Parsed], inputs: Encoding, targets: Encoding, bad: BadRows
    ) -> Part | None:
        def encode(row: Parsed) -> tuple[Array, Array]:
            xs, ts = inputs.encode(row.inputs), targets.encode(row.targets)
            if self.inputs.unrolls:
                xs = np.concatenate([xs, np.zeros((len(ts) - 1, xs.shape[1]))])
            self.targets.check_lengths(len(xs), len(ts))
            return xs, ts

        found = [bad.attempt(row.name, row.line, partial(encode, row)) for row in rows]
        good = [pair for pair in found if pair]
        if not good:
            return None
        return Part(
            Ragged.of([xs for xs, _ in good], _dtype(inputs.signal)),
            Ragged.of([ts for _, ts in good], _dtype(targets.signal)),
        )


def _dtype(signal: Signal) -> type:
    return np.int32 if signal.ids else np.float32
