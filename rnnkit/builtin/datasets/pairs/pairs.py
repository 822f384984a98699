"""Pairs of texts: a source that is read whole, and a target that is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rnnkit.builtin.datasets.arrays.asked_rows import source_rows
from rnnkit.builtin.datasets.pairs.coding import PairCoder, mark, read_lines
from rnnkit.builtin.datasets.pairs.generated import generated
from rnnkit.builtin.datasets.pairs.source import PairSource
from rnnkit.builtin.datasets.shared.batches import Order
from rnnkit.builtin.datasets.shared.data_place import DataPlace
from rnnkit.builtin.datasets.shared.file_dataset import Seed, Shares, SourcedDataset, deal
from rnnkit.builtin.datasets.shared.sequence_source import WholeSequences
from rnnkit.builtin.datasets.tables.examples import Parsed, Taught, examples, fitted_on
from rnnkit.builtin.datasets.tables.fields import Key
from rnnkit.builtin.datasets.tables.inference_inputs import Reader, plain_lines, rows_asked
from rnnkit.builtin.datasets.tables.rows import BadRows, Row, text_field
from rnnkit.builtin.datasets.tables.tables import ENDINGS, has_rows, read_rows
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.dataset import Source, Split
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import nested
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.files.compressed import plain_name
from rnnkit.types import Array

MOST = 200_000
"""Generated pairs: there are some 214,000 different dates, and half a million sums."""

Mark = Annotated[str, Field(max_length=64)]
Pad = Annotated[int, Field(ge=0, le=65536)]


class Pairs(SourcedDataset, WholeSequences):
    r"""Pairs of source and target text, for a model with an encoder and a decoder.

    They come from one file (`path`), dealt out at random by `split` and `seed`, or from a file for
    each split: JSONL or CSV with the fields `keys`, or lines, source, tab, target (a name in .tsv,
    or neither JSON nor a header that names `keys`). With a `separator` they are lines in which it
    stands in place of the tab, and the spaces that end a source or target are taken away.
    `"source": "addition"` makes `count` sums such as 57+5, `"dates"` dates in twelve forms to be
    written as YYYY-MM-DD, by `seed`; no source occurs in two splits.

    Both sides share one vocabulary, that of the training part. The decoder reads the token `start`
    and then the target, and has to give the target and then the token `end`, both a newline unless
    given; with `"end": ""` a target has a fixed length. `pad` fills source and target with spaces
    up to so many characters (0: as they are). `reverse` turns the tokens of the source around
    (Sutskever, Vinyals and Le 2014). `skip_bad` leaves out rows that cannot be used.
    """

    type: Literal["pairs"] = "pairs"
    has_source: ClassVar[bool] = True
    endings: ClassVar[tuple[str, ...]] = ENDINGS

    source: Literal["addition", "dates"] | None = None
    count: Annotated[int, Field(ge=1, le=MOST)] = 50_000
    keys: tuple[Key, Key] = ("source", "target")
    separator: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    tokenizer: Annotated[Tokenizer, nested("rnnkit.tokenizers")]
    split: Shares = (0.9, 0.1, 0.0)
    start: Annotated[str, Field(min_length=1, max_length=64)] = "\n"
    end: Mark = "\n"
    pad: tuple[Pad, Pad] = (0, 0)
    reverse: bool = False
    seed: Seed = 0
    bucket: Annotated[int, Field(ge=1, le=10**6)] = 50
    skip_bad: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Pairs:
        if not self.end and not self.pad[1]:
            raise ValueError(
                'without an "end" every target needs the same length: give "pad": '
                f"[{self.pad[0]}, N]"
            )
        return self

    def signals(self) -> tuple[Signal, Signal]:
        """Give ids, their number unknown before the data is read, to predict ids."""
        return Signal(None, ids=True), Signal(None, ids=True)

    def text_tokenizer(self) -> Tokenizer:
        """Return the tokenizer of both sides."""
        return self.tokenizer

    def opened(self, place: DataPlace, vocabulary: Vocabulary | None = None) -> PairSource:
        """Read and encode all pairs; raises DataError, with file and line, for what is wrong."""
        bad = BadRows(self.skip_bad)
        parts, digest = self._parts(place, bad)
        bad.check()
        if not fitted_on(parts):
            message = "there is no pair in it (give it rows)"
            raise DataError.of("DATA_TOO_SHORT", message, self.where)
        coder, _, found = examples(parts, partial(self._taught, vocabulary), bad)
        signal = Signal(coder.vocabulary.size, ids=True)
        return PairSource(
            block=self,
            parts=found,
            sha256=digest,
            note="; ".join(filter(None, [bad.in_words(), self.shared(place)])),
            inputs=signal,
            targets=signal,
            unit=self.tokenizer.unit,
            order=Order(self.seed, self.bucket),
            tokenizer=self.tokenizer,
            vocabulary=coder.vocabulary,
            knows=Meaning(whole=True),  # a target is right or wrong as a whole
        )

    def _taught(self, vocabulary: Vocabulary | None, pairs: Sequence[Parsed]) -> Taught[PairCoder]:
        """Return the coder of a vocabulary, that of the pairs of training unless it is given."""
        coder = self.coder(vocabulary or checked_tokenizer.fit(self.tokenizer, self._chunks(pairs)))
        signal = Signal(coder.vocabulary.size, ids=True)

        def encode(pair: Parsed) -> tuple[Array, Array]:
            return coder.source(pair.inputs), coder.target(pair.targets)

        return Taught(coder, encode, (signal, signal))

    def coder(self, vocabulary: Vocabulary) -> PairCoder:
        """Return what turns texts into ids and back; DataError for a mark that is not one token."""
        start = mark("start", self.start, self.tokenizer, vocabulary)
        end = mark("end", self.end, self.tokenizer, vocabulary) if self.end else None
        encoder = checked_tokenizer.encoder(self.tokenizer, vocabulary)
        return PairCoder(self.tokenizer, vocabulary, encoder, start, end, self.pad, self.reverse)

    def questions(
        self, data: FileData, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the sources, which a decoder answers: a field of each row, or plain lines."""
        assert vocabulary
        coder = self.coder(vocabulary)
        key = self.keys[0]

        def asked(row: Row) -> Question:
            text = text_field(row.fields, key)
            return Question(row.line, coder.source(text.rstrip(" ") if self.separator else text))

        read: Reader = partial(read_rows, needed=(key,))
        if self._has_lines(data, name, (key,)):
            read = partial(plain_lines, key=key, until=self.separator or "\t")
        return rows_asked(data, name, skip_bad, asked, read, Meaning())._replace(coder=coder)

    def rows_of(self, values: object) -> MemoryTable:
        """Return the sources that a decoder is to answer."""
        return source_rows(self.keys[0], values)

    def _has_lines(self, data: FileData, name: str, needed: Sequence[str]) -> bool:
        """Tell whether a file is one of lines rather than of rows with named fields."""
        if isinstance(data, MemoryTable):
            return False
        if self.separator or plain_name(name).lower().endswith(".tsv"):
            return True
        return not has_rows(data, name, needed)

    @property
    def asked_by(self) -> str:
        """The command that asks a model of such data."""
        return "decode"

    def next_command(self, source: Source, root: Path) -> tuple[str, ...]:
        """Decode a source of the data, the first that a command line can give."""
        assert isinstance(source, PairSource) and source.vocabulary
        sources, coder = next(iter(source.parts.values())).inputs, self.coder(source.vocabulary)
        each = (sources.values[start:end] for start, end in pairwise([0, *sources.ends.tolist()]))
        texts = (coder.text(ids[:: -1 if self.reverse else 1].tolist()).rstrip() for ids in each)
        text = next((text for text in texts if text not in ("", "-")), None)
        if text is None:
            return ("eval",)
        return self.asked_by, *(["--"] if text.startswith("-") else []), text

    def _parts(
        self, place: DataPlace, bad: BadRows
    ) -> tuple[Mapping[Split, Sequence[Parsed]], str]:
        """Return the pairs of each split, and the SHA-256 of what was read or made."""
        if self.source is None:
            return self.read(place, partial(self._rows, bad), self.seed)
        pairs = generated(self.source, self.count, self.seed)
        rows = [Parsed(self.source, i, *pair) for i, pair in enumerate(pairs, 1)]
        digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
        return deal(rows, self.split, self.seed), digest

    def _rows(self, bad: BadRows, name: str, data: FileData) -> list[Parsed]:
        if self._has_lines(data, name, self.keys):
            assert isinstance(data, bytes)
            separator, padded = self.separator or "\t", self.separator is not None
            rows = read_lines(data, name, bad, separator, padded)
            keys = "source", "target"
        else:
            rows, keys = read_rows(data, name, bad, self.keys), self.keys
        return bad.good(name, rows, partial(_parsed, name, keys))

    def _chunks(self, pairs: Iterable[Parsed]) -> Iterator[bytes]:
        for pair in pairs:
            source, target = pair.inputs.ljust(self.pad[0]), pair.targets.ljust(self.pad[1])
            yield f"{source}{self.end}{self.start}{target}{self.end}".encode()


def _parsed(name: str, keys: tuple[str, str], row: Row) -> Parsed:
    source, target = (text_field(row.fields, key) for key in keys)
    if not source:
        raise DataError.of("DATA_EMPTY", f"{keys[0]}: is empty (take the row out)")
    return Parsed(name, row.line, source, target)
