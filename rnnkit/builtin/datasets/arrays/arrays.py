"""Data from memory, which stands where the `data` block of a spec stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import PrivateAttr, ValidationError, model_validator

from rnnkit.builtin.datasets.arrays.asked_rows import renamed
from rnnkit.builtin.datasets.arrays.forms import WHOLE, HeldForm, JSONObject
from rnnkit.builtin.datasets.arrays.given import WHERE, Given
from rnnkit.builtin.datasets.shared.data_place import InMemory
from rnnkit.builtin.datasets.shared.file_dataset import FileDataset
from rnnkit.builtin.datasets.shared.split_source import SplitSource
from rnnkit.contracts.dataset import Dataset, Layout, Source
from rnnkit.contracts.forecast_inputs import ForecastRequest, Outlook
from rnnkit.contracts.inference_inputs import Questions
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.row_labels import labelled, labelling
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import nested, parse_block
from rnnkit.core.signal import Signal
from rnnkit.core.validation import sentences
from rnnkit.errors import DataError, SpecError
from rnnkit.types import JSON, Array


class _FromValues(type(Dataset)):  # type: ignore[misc]
    """Makes `Arrays(...)` take values; what is read from a spec does not come this way."""

    def __call__(
        cls,
        table: Any = None,
        /,
        *,
        time: str | None = None,
        group: str | None = None,
        columns: str | Sequence[str] | None = None,
        inputs: Any = None,
        sequences: Any = None,
        texts: Any = None,
        targets: Any = None,
        labels: Any = None,
        tags: Any = None,
        weights: Any = None,
        each: bool | None = None,
        pairs: Any = None,
        text: Any = None,
        tokens: Any = None,
        vocabulary: Sequence[str] | None = None,
        valid: Any = None,
        test: Any = None,
        **options: Any,
    ) -> Arrays:
        """Hold values; see `Arrays`."""
        given = Given(
            frame=table,
            inputs=inputs,
            sequences=sequences,
            texts=texts,
            pairs=pairs,
            text=text,
            tokens=tokens,
            targets=targets,
            labels=labels,
            tags=tags,
            weights=weights,
            each=each,
            time=time,
            group=group,
            columns=columns,
            vocabulary=vocabulary,
            valid=valid,
            test=test,
            options=options,
        )
        found: Arrays = cls._holding(given.form())
        return found


class Arrays(Dataset, metaclass=_FromValues):
    """Data from memory: NumPy, pandas, polars or lists, where a spec has its `data`.

        Arrays(frame, time="date", targets=["sales"], group="shop")    a series, to be forecast
        Arrays(inputs=X, targets=y)                                    sequences of numbers
        Arrays(texts=[...], labels=[...])                              a label for each text
        Arrays(sequences=[["a", "b"], ...], tags=[["X", "Y"], ...])    a tag for each token
        Arrays(pairs=[("16+75", "91"), ...])                           a text for each text
        Arrays(text="...")                                             the next character
        Arrays(tokens=ids, vocabulary=names)                           the next token

    What follows is done by the dataset of files of that kind (`of` in a spec: series, sequences,
    pairs, text), whose options are given by name, such as `horizon`, `missing`, `scale`, `split`,
    `seed`. `valid` and `test` are values of the same form, of sequences a tuple (inputs, targets);
    without them `split` gives the shares.

    A frame is of pandas or polars, a dictionary of columns, or an array (N,) or (N, C). Times of
    its index are its `time`; `columns` are all others but `group`. `inputs` are (N, T, F), (N, T)
    or a list of (T_i, F), `sequences` lists of tokens or of ids. `targets` are (N,), (N, K), or
    with a number for each step (N, T): which of the two is seen by their number, unless `each` says
    it. Those that are integers are classes, unless the loss estimates values; `labels` and `tags`
    always are. `weights` (N,) weigh the sequences. NaN and None are missing values.

    A spec that is read from a file holds no values: a run goes on, and is evaluated on its own
    data, from Python alone, where they are given again.
    """

    type: Literal["arrays"] = "arrays"

    of: Annotated[Dataset, nested("rnnkit.datasets")]

    if TYPE_CHECKING:  # what the metaclass takes

        def __init__(self, table: object = None, /, **values: Any) -> None: ...

    _held: Mapping[str, FileData] | None = PrivateAttr(None)
    _numbers: Dataset | None = PrivateAttr(None)
    _vocabulary: Vocabulary | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _of_files(self) -> Arrays:
        if not isinstance(self.of, FileDataset):
            raise ValueError(f'"of" is a dataset of files, and {self.of.type!r} is none')
        return self

    @classmethod
    def _holding(cls, form: HeldForm) -> Arrays:
        """Return values as data; raises SpecError for options that are wrong."""
        found: Arrays = cls.model_validate({"type": "arrays", "of": _parsed(form.block)})
        found._held, found._vocabulary = form.held, form.vocabulary
        found._numbers = _parsed(form.numbers) if form.numbers else None
        return found

    def with_of(self, of: Dataset) -> Arrays:
        """Return the same values, read by another dataset."""
        return self.model_copy(update={"of": of})

    @property
    def holds_values(self) -> bool:
        """Whether the values are there: those of a spec from a file are not."""
        return self._held is not None

    def with_values(self, of: Dataset) -> Dataset:
        """Return the data with the values that another one holds."""
        if not isinstance(of, Arrays):
            return self
        found = self.model_copy()
        found._held, found._vocabulary = of._held, of._vocabulary
        return found

    def __repr__(self) -> str:
        """Return what it is in one line."""
        rows = [f"{name}: {len(data):,}" for name, data in (self._held or {}).items()]
        return f"Arrays({self.of.type}; {', '.join(rows) or 'without its values'})"

    __str__ = __repr__

    @property
    def predicts_next(self) -> bool:  # type: ignore[override]
        """Whether the target is the next input."""
        return self.of.predicts_next

    @property
    def has_source(self) -> bool:  # type: ignore[override]
        """Whether each batch has a source, which an encoder reads."""
        return self.of.has_source

    @property
    def underlying(self) -> Dataset:
        """The dataset of files that reads the values."""
        return self.of.underlying

    @property
    def ahead(self) -> str:
        """What a target is that is an input at a later step."""
        return self.of.ahead

    @property
    def whole(self) -> bool:
        """Whether a window is a batch of whole sequences."""
        return self.of.whole

    def signals(self) -> tuple[Signal, Signal]:
        """Return what is known of inputs and targets before the data is read."""
        return self.of.signals()

    def text_tokenizer(self) -> Tokenizer | None:
        """Return what turns text into ids."""
        return self.of.text_tokenizer()

    def of_file(self, path: Path) -> Dataset:
        """Return the same kind of data from one file, all of it in the `test` split."""
        return self.of.of_file(path)

    def suited(self, loss: Loss) -> Dataset:
        """Return the data as a loss needs it; integers are numbers for one that estimates them."""
        of = self._numbers if self._numbers is not None and loss.estimates else self.of
        found = of.suited(loss)
        return self if found is self.of else self.with_of(found)

    def to_scale(self, values: Array) -> Array:
        """Return inputs in the units of the data as the model reads them."""
        return self.of.to_scale(values)

    def to_units(self, outputs: Array) -> Array:
        """Return estimates in the units of the data."""
        return self.of.to_units(outputs)

    def scales(self) -> dict[str, dict[str, list[float]]]:
        """Return offset and factor of each column of inputs and outputs."""
        return self.of.scales()

    def series_columns(self) -> dict[str, JSON]:
        """Return what one series is."""
        return self.of.series_columns()

    def fitted(self, source: Source) -> Dataset:
        """Return the data with what was learned from the training part."""
        return source.block if isinstance(source, SplitSource) else self

    def laid_out(self, source: Source, layout: Layout) -> Layout:
        """Return the layout as it is read."""
        return self.of.laid_out(source, layout)

    def in_words(self, source: Source, layout: Layout) -> str:
        """Return how training reads the data."""
        return self.of.in_words(source, layout)

    @property
    def asked_by(self) -> str:
        """The command that asks a model of such data."""
        return self.of.asked_by

    def next_command(self, source: Source, root: Path) -> tuple[str, ...]:
        """Return the command that asks a trained model; of rows, FILE is one like the data."""
        command, *rest = self.of.next_command(source, root)
        names = {*(self._held or {})}
        found = ["FILE" if each in names else each for each in rest]
        return command, *(["FILE"] if command == "forecast" else []), *found

    def questions(
        self, data: FileData, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return what a file, or rows in memory, ask of a model."""
        return self.of.questions(data, name, vocabulary, skip_bad)

    def rows_of(self, values: object) -> MemoryTable:
        """Return values in memory as rows of this kind."""
        return self.of.rows_of(values)

    def read_by(self, trained: Dataset) -> Dataset:
        """Return the values, all of them to be tested on, as a model reads that has been trained.

        Raises DataError for values of several splits, and for a model of another kind of data.
        """
        held, other = list((self._held or {}).values()), trained.underlying
        if other.type != self.of.type:
            message = f"the model was trained on data of the type {other.type!r}, not on "
            raise DataError.of("DATA_FIELD", f"{message}{self.of.type!r}", WHERE)
        if len(held) != 1:
            message = f"expected the values of one split, received {len(held)} (leave out valid "
            raise DataError.of("DATA_FIELD", f"{message}and test, and give whole texts)", WHERE)
        data = held[0]
        if isinstance(data, MemoryTable):
            data = renamed(data, _names(self.of, other))
        found = self.with_of(other.of_file(Path(WHOLE)))
        found._held = {WHOLE: data}
        return found

    def newest(self, root: Path) -> tuple[Path, float]:
        """Return the part of the data that is trained on; there is no file to name."""
        name, seen = self.of.newest(root)
        if self._held is None:
            raise _no_values()
        return Path(name.name), seen

    def newest_rows(self) -> tuple[MemoryTable, float]:
        """Return the rows that the data ends with, and the part of them that is trained on."""
        name, seen = self.newest(Path("."))
        assert self._held is not None
        rows = self._held[name.name]
        if not isinstance(rows, MemoryTable):  # a text
            return super().newest_rows()
        return rows, seen

    def outlook(self, data: FileData, name: str, asked: ForecastRequest) -> Outlook:
        """Return what a forecast goes on from, of a file or of rows in memory."""
        return self.of.outlook(data, name, asked)

    def columns_of(
        self, data: FileData, name: str, columns: Sequence[str]
    ) -> Mapping[int, Mapping[str, object]]:
        """Return columns of a file, or of rows in memory, by their lines."""
        return self.of.columns_of(data, name, columns)

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> Source:
        """Read the values; raises DataError, with the labels of rows, for what cannot be used."""
        if self._held is None:
            raise _no_values()
        assert isinstance(self.of, FileDataset)
        held = self._held
        with labelling(held):
            found = self.of.opened(InMemory(held), vocabulary or self._vocabulary)
        assert isinstance(found, SplitSource)
        note = labelled(found.note, held)
        return cast(Source, replace(found, block=self.with_of(found.block), note=note))


def _names(own: Dataset, other: Dataset) -> dict[str, str]:
    """Return what columns of sequences are called in the data that a model was trained on."""
    found: dict[str, str] = {}
    for side in ("inputs", "targets"):
        mine, theirs = (getattr(getattr(each, side, None), "key", None) for each in (own, other))
        if mine and theirs:
            found[mine] = theirs
    return found


OF_FILES = {
    *("type", "path", "train", "source", "count", "keys", "separator", "delimiter", "decimal"),
    *("thousands", "inputs_scaler", "targets_scaler", "group_scalers"),
}
"""Options that are not named where one is unknown: they are of files, or learned."""


def _no_values() -> DataError:
    message = "the data came from memory and is in no file: give the same values again in Python, "
    message += "rnnkit.train(spec, out, data=rnnkit.Arrays(...)), or a file of the same kind where "
    return DataError.of("DATA_MEMORY", f"{message}a command takes one (--data FILE)")


def _parsed(block: JSONObject) -> Dataset:
    registry = Registry()
    try:
        found = parse_block("rnnkit.datasets", block, {"catalog": registry})
    except ValidationError as error:
        known = registry.find("rnnkit.datasets", block["type"]).model_fields
        options = set(known) - OF_FILES
        raise SpecError(*sentences(error, "SPEC_VALUE", WHERE, options)) from None
    assert isinstance(found, Dataset)
    return found
