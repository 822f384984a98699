"""The contract of a dataset: windows over parallel streams, and where to continue after each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from rnnkit.contracts.forecast_inputs import ForecastRequest, Outlook
from rnnkit.contracts.inference_inputs import Questions
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.table import MemoryTable
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import Block
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import JSON, Array

Split = Literal["train", "valid", "test"]
"""A part of the data, by name."""
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Layout:
    """How a split is laid out: streams side by side, windows one after the other.

    `reset` says where a stream takes its initial state: at every `window`, at each `epoch`,
    `never`, or also at the end of each `separator` (`document`). `tail` adds the last, shorter
    window, which evaluation reads.
    """

    streams: int
    window: int
    reset: Literal["window", "epoch", "never", "document"] = "epoch"
    separator: str | None = None
    tail: bool = False


class EncoderInputs(NamedTuple):
    """What an encoder reads beside a window: inputs (S, B, ...), resets (S, B), valid (S, B)."""

    inputs: Array
    resets: Array
    valid: Array


class Units(NamedTuple):
    """Scales that differ from step to step: offset and factor (T, B, K) of what is estimated."""

    offset: Array
    factor: Array

    def scaled(self, values: Array) -> Array:
        """Return values in the units of the data on their scales, in float32."""
        found: Array = (values - self.offset) / self.factor
        return found.astype(np.float32)

    def unscaled(self, values: Array) -> Array:
        """Return values on their scales in the units of the data, in float64."""
        found: Array = values.astype(np.float64) * self.factor + self.offset
        return found


class Batch(NamedTuple):
    """One window: inputs, targets (T, B, ...), weights, resets (T, B); where the next starts.

    Sequences of different lengths are right-aligned: a reset at the first step of each, weights of
    0 before it, and `valid` (T, B) true from there on (None: all steps carry data). `units` are
    those of targets (T, B, K), where one scale for all is not enough.
    """

    inputs: Array
    targets: Array
    weights: Array
    resets: Array
    next_cursor: JSON
    valid: Array | None = None
    encoder: EncoderInputs | None = None
    units: Units | None = None

    def check(self, streams: int) -> None:
        """Raise DataError unless all arrays are of one window of so many streams."""
        inputs, targets, window = self.inputs.shape, self.targets.shape, self.weights.shape
        same = window == self.resets.shape == inputs[:2] == targets[:2]
        same = same and (self.valid is None or self.valid.shape == window)
        same = same and all(array.shape == targets for array in self.units or ())
        if same and len(window) == 2 and window[0] and window[1] == streams:
            return
        names = "inputs", "targets", "weights", "resets", "valid"
        arrays = self.inputs, self.targets, self.weights, self.resets, self.valid
        found = zip(names, arrays, strict=True)
        received = ", ".join(f"{name} {array.shape}" for name, array in found if array is not None)
        raise DataError.of(
            "DATA_BATCH",
            f"a window of the dataset has {received}: expected (T, {streams}) of each, and one T "
            "(tell its author)",
        )

    def steps(self, piece: slice) -> Batch:
        """Return some steps of the window; what an encoder reads stays whole."""
        valid = None if self.valid is None else self.valid[piece]
        inputs, targets, weights, resets = (array[piece] for array in self[:4])
        return self._replace(
            inputs=inputs,
            targets=targets,
            weights=weights,
            resets=resets,
            valid=valid,
            units=self.units and Units(*(array[piece] for array in self.units)),
        )

    def streams(self, part: slice) -> Batch:
        """Return some streams of the window, in memory of their own."""

        def cut(array: Array) -> Array:
            return np.ascontiguousarray(array[:, part])

        inputs, targets, weights, resets = map(cut, self[:4])
        return self._replace(
            inputs=inputs,
            targets=targets,
            weights=weights,
            resets=resets,
            valid=None if self.valid is None else cut(self.valid),
            encoder=self.encoder and EncoderInputs(*map(cut, self.encoder)),
            units=self.units and Units(*map(cut, self.units)),
        )


class Source(Protocol):
    """Opened data: its signals, its vocabulary, and the windows of each split."""

    @property
    def inputs(self) -> Signal:
        """What the first layer reads."""
        ...

    @property
    def targets(self) -> Signal:
        """What the loss compares with."""
        ...

    @property
    def unit(self) -> str:
        """What one target is: character, byte, word, ..."""
        ...

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Turns text into inputs; None where the data is no text."""
        ...

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The tokens by id, which the checkpoint stores."""
        ...

    def digest(self) -> str:
        """Return the SHA-256 of what was read, for the checkpoint."""
        ...

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that have data."""
        ...

    def size(self, split: Split) -> int:
        """Return the number of tokens or rows of a split."""
        ...

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the windows in an epoch; raises DataError where the split is too short."""
        ...

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the windows from `cursor` (None: the start) to the end of its epoch.

        The last one's `next_cursor` starts the next epoch, which may have another order.
        """
        ...


class Dataset(Block):
    """Names data in a spec."""

    entry_group: ClassVar[str] = "rnnkit.datasets"
    predicts_next: ClassVar[bool] = False
    """True where the target is the next input, so that a model can go on from what it gave."""
    has_source: ClassVar[bool] = False
    """True where each batch has a source, which an encoder reads."""

    @property
    def ahead(self) -> str:
        """What a target is ("token", "value") that is, or is made from, an input at a later step.

        No layer may see it beforehand. "" where a target is of its own step or of earlier ones.
        """
        return "token" if self.predicts_next else ""

    @property
    def whole(self) -> bool:
        """Whether a window is a batch of whole sequences, each from a state of its own."""
        return False

    def signals(self) -> tuple[Signal, Signal]:
        """Return (inputs, targets) as far as they are known before the data is read."""
        raise NotImplementedError(f"{type(self).__name__}.signals")

    def made(self) -> int:
        """Return the bytes that `open` takes for data it makes up; 0 where it reads a file."""
        return 0

    def reads(self, root: Path) -> int:
        """Return the bytes that `open` takes at most for what it reads; 0 where it is not told."""
        return 0

    @property
    def underlying(self) -> Dataset:
        """The dataset that says what rows mean: another one, where this one wraps it."""
        return self

    def text_tokenizer(self) -> Tokenizer | None:
        """Return what turns text into ids, None where the data is no text."""
        return None

    def of_file(self, path: Path) -> Dataset:
        """Return the same kind of data from one file, all of it in the `test` split."""
        raise NotImplementedError(f"{type(self).__name__}.of_file")

    def suited(self, loss: Loss) -> Dataset:
        """Return the dataset as a loss needs it, such as with targets on a scale to be estimated.

        The spec is asked for it once; what was given stays.
        """
        return self

    def to_scale(self, values: Array) -> Array:
        """Return inputs (..., F) in the units of the data as the model reads them."""
        return values

    def to_units(self, outputs: Array) -> Array:
        """Return outputs (..., K) that estimate targets in the units of the data."""
        return outputs

    def scales(self) -> dict[str, dict[str, list[float]]]:
        """Return `offset` and `factor` of each column of the `inputs` and of the `outputs`.

        The model reads (x - offset) / factor, and y factor + offset is in the units of the data;
        what is not on a scale is left out.
        """
        return {}

    def series_columns(self) -> dict[str, JSON]:
        """Return `columns`, `targets` and `horizons` of one series; nothing of other data."""
        return {}

    def fitted(self, source: Source) -> Dataset:
        """Return the dataset with what it learned from the training part, such as its classes.

        The resolved spec holds it, and so a checkpoint; `open` then takes it as given.
        """
        return self

    def with_values(self, of: Dataset) -> Dataset:
        """Return the dataset of a stored spec with what only the one of the caller holds.

        That is nothing, unless values come from memory.
        """
        return self

    def laid_out(self, source: Source, layout: Layout) -> Layout:
        """Return the layout as it is read: of whole sequences the window is the longest one."""
        return layout

    def in_words(self, source: Source, layout: Layout) -> str:
        """Return how training reads the data; of streams of tokens, what else is to be told."""
        return ""

    @property
    def asked_by(self) -> str:
        """The command that asks a model of such data: other commands refuse it, and name this."""
        sampled = self.predicts_next and self.text_tokenizer() is not None
        return "sample" if sampled else "predict"

    def next_command(self, source: Source, root: Path) -> tuple[str, ...]:
        """Return the command that asks a trained model, and what it takes after the model.

        Files stand under `root`.
        """
        return ("sample",) if self.asked_by == "sample" else ("eval",)

    def questions(
        self,
        data: bytes | MemoryTable,
        name: str,
        vocabulary: Vocabulary | None,
        skip_bad: bool = False,
    ) -> Questions:
        """Return what a file of this kind asks of a model; targets in it are not read.

        In place of the bytes of a file a `MemoryTable` may stand. Raises DataError with `name` and
        line for what cannot be used, unless it is skipped.
        """
        raise NotImplementedError(f"{type(self).__name__}.questions")

    def rows_of(self, values: object) -> MemoryTable:
        """Return values in memory as the rows of a file of this kind, targets left out or not.

        Raises DataError for values of another kind.
        """
        raise NotImplementedError(f"{type(self).__name__}.rows_of")

    def read_by(self, trained: Dataset) -> Dataset:
        """Return the data, all of it to be tested on, as a model reads that was trained on another.

        Its classes and scales are those of `trained`.
        """
        raise NotImplementedError(f"{type(self).__name__}.read_by")

    def newest_rows(self) -> tuple[MemoryTable, float]:
        """Return the rows in memory that the data ends with, as `newest` returns a file."""
        raise NotImplementedError(f"{type(self).__name__}.newest_rows")

    def newest(self, root: Path) -> tuple[Path, float]:
        """Return the file that the data ends with, and the part of it that is trained on."""
        raise NotImplementedError(f"{type(self).__name__}.newest")

    def outlook(self, data: bytes | MemoryTable, name: str, asked: ForecastRequest) -> Outlook:
        """Return what a forecast goes on from, of a file of this kind.

        Raises DataError with `name` and line for what cannot be used.
        """
        raise NotImplementedError(f"{type(self).__name__}.outlook")

    def columns_of(
        self, data: bytes | MemoryTable, name: str, columns: Sequence[str]
    ) -> Mapping[int, Mapping[str, object]]:
        """Return columns of a file of this kind as they stand in it, by the line of their row.

        Raises DataError for a column that there is not.
        """
        raise NotImplementedError(f"{type(self).__name__}.columns_of")

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> Source:
        """Read the data, paths relative to `root`; a given vocabulary replaces a fitted one."""
        raise NotImplementedError(f"{type(self).__name__}.open")
