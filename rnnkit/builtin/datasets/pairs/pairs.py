"""Pairs of texts: a source that is read whole, and a target that is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.pairs.coding import Line, PairCoder, mark, read_tabs
from rnnkit.builtin.datasets.pairs.generated import generated
from rnnkit.builtin.datasets.pairs.source import PairSource, sources_of
from rnnkit.builtin.datasets.shared.batches import Order, Ragged
from rnnkit.builtin.datasets.shared.origin import check_source
from rnnkit.builtin.datasets.shared.sequence_source import SPLITS, WholeSequences
from rnnkit.builtin.datasets.tables.inference_inputs import texts_asked
from rnnkit.builtin.datasets.tables.rows import BadRows, Row, field_of, shown
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.dataset import EncoderInputs, Layout, Source, Split
from rnnkit.contracts.inference_inputs import Questions, Written
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import nested
from rnnkit.core.context import keyed_generator
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular

LIMIT = 2**31
"""The largest file that is read, in bytes."""

LONGEST = 1024
"""Tokens after which a target that does not end is cut."""

MOST = 200_000
"""Generated pairs: there are some 214,000 different dates, and half a million sums."""

FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Key = Annotated[str, Field(min_length=1, max_length=256)]
Mark = Annotated[str, Field(max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Pad = Annotated[int, Field(ge=0, le=65536)]


class Pairs(WholeSequences):
    r"""Pairs of source and target text, for a model with an encoder and a decoder.

    They come from one file (`path`), dealt out at random by `split` and `seed`, or from a file for
    each split: JSONL or CSV with the fields `keys`, or TSV (a name in .tsv: source, tab, target).
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

    source: Literal["addition", "dates"] | None = None
    count: Annotated[int, Field(ge=1, le=MOST)] = 50_000
    path: FileName | None = None
    train: FileName | None = None
    valid: FileName | None = None
    test: FileName | None = None
    keys: tuple[Key, Key] = ("source", "target")
    tokenizer: Annotated[Tokenizer, nested("rnnkit.tokenizers")]
    split: tuple[Share, Share, Share] = (0.9, 0.1, 0.0)
    start: Annotated[str, Field(min_length=1, max_length=64)] = "\n"
    end: Mark = "\n"
    pad: tuple[Pad, Pad] = (0, 0)
    reverse: bool = False
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    bucket: Annotated[int, Field(ge=1, le=10**6)] = 50
    skip_bad: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Pairs:
        check_source(self)
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

    def of_file(self, path: Path) -> Pairs:
        """Return the pairs of one file, all of it to be tested on."""
        update = {"path": str(path), "source": None, "train": None, "valid": None, "test": None}
        return self.model_copy(update={**update, "split": (0.0, 0.0, 1.0)})

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> PairSource:
        """Read and encode all pairs; raises DataError, with file and line, for what is wrong."""
        bad, digest = BadRows(self.skip_bad), hashlib.sha256()
        parts = self._parts(root, bad, digest)
        bad.check()
        fitted_on = parts.get("train") or [row for rows in parts.values() for row in rows]
        if not fitted_on:
            message = "there is no pair in it (give it rows)"
            raise DataError.of("DATA_TOO_SHORT", message, self.path or self.train)
        coder = self.coder(
            vocabulary or checked_tokenizer.fit(self.tokenizer, self._chunks(fitted_on))
        )
        encoded = {split: coder.part(rows, bad) for split, rows in parts.items()}
        bad.check()
        signal = Signal(coder.vocabulary.size, ids=True)
        return PairSource(
            self,
            signal,
            signal,
            self.tokenizer.unit,
            {split: part for split, part in encoded.items() if part},
            digest.hexdigest(),
            Order(self.seed, self.bucket),
            self.tokenizer,
            coder.vocabulary,
            bad.in_words(),
        )

    def coder(self, vocabulary: Vocabulary) -> PairCoder:
        """Return what turns texts into ids and back; DataError for a mark that is not one token."""
        start = mark("start", self.start, self.tokenizer, vocabulary)
        end = mark("end", self.end, self.tokenizer, vocabulary) if self.end else None
        return PairCoder(self.tokenizer, vocabulary, start, end, self.pad, self.reverse)

    def reading(self, texts: Sequence[str], vocabulary: Vocabulary) -> EncoderInputs:
        """Return what an encoder reads of texts (B,); raises DataError for what it cannot."""
        coder = self.coder(vocabulary)
        sources = Ragged.of([coder.source(text) for text in texts], np.int32)
        return sources_of(sources, np.arange(len(texts)), np.ones(len(texts), bool))

    def questions(
        self, data: bytes, name: str, vocabulary: Vocabulary | None, skip_bad: bool = False
    ) -> Questions:
        """Return the sources, which a decoder answers: a field of each row, or plain lines."""
        assert vocabulary
        coder = self.coder(vocabulary)
        found = texts_asked(data, name, skip_bad, self.keys[0], coder.source)
        most = self.pad[1] + (coder.end is not None) if self.pad[1] else LONGEST
        return found._replace(written=Written(coder.start, coder.end, most, coder.text))

    def laid_out(self, source: Source, layout: Layout) -> Layout:
        """Return the layout whose window is the longest source, or target."""
        longest = source.longest() if isinstance(source, PairSource) else layout.window
        return Layout(layout.streams, longest, "window", tail=layout.tail)

    def in_words(self, source: Source, layout: Layout) -> str:
        """Return how many pairs there are, how long, in how many batches."""
        return source.in_words(layout) if isinstance(source, PairSource) else ""

    def _parts(self, root: Path, bad: BadRows, digest: Any) -> dict[Split, list[Line]]:
        if self.source:
            pairs = generated(self.source, self.count, self.seed)
            digest.update(json.dumps(pairs).encode())
            return self._dealt([Line(self.source, i, pair) for i, pair in enumerate(pairs, 1)])
        if self.path:
            return self._dealt(self._rows(root, self.path, bad, digest))
        names = {split: name for split in SPLITS if (name := getattr(self, split))}
        return {split: self._rows(root, name, bad, digest) for split, name in names.items()}

    def _rows(self, root: Path, name: str, bad: BadRows, digest: Any) -> list[Line]:
        data = bytes(read_regular(root / name, LIMIT, DataError, "DATA"))
        digest.update(data)
        tabs = name.lower().endswith(".tsv")
        rows = read_tabs(data, name, bad) if tabs else read_rows(data, name, bad, self.keys)
        found = (bad.attempt(name, row.line, partial(self._parsed, name, row)) for row in rows)
        return [line for line in found if line]

    def _parsed(self, name: str, row: Row) -> Line:
        keys = ("source", "target") if name.lower().endswith(".tsv") else self.keys
        source, target = (field_of(row.fields, key) for key in keys)
        for key, value in zip(keys, (source, target), strict=True):
            if not isinstance(value, str):
                raise DataError.of("DATA_FIELD", f"{key}: expected a text, received {shown(value)}")
        if not source:
            raise DataError.of("DATA_EMPTY", f"{keys[0]}: is empty (take the row out)")
        return Line(name, row.line, (source, target))

    def _dealt(self, lines: list[Line]) -> dict[Split, list[Line]]:
        """Deal the pairs out at random; each part keeps their order."""
        drawn = keyed_generator(self.seed, "split").permutation(len(lines))
        ends = [round(len(lines) * share) for share in np.cumsum(self.split)[:2].tolist()]
        parts = np.split(drawn, ends)
        dealt = {s: [lines[i] for i in np.sort(p)] for s, p in zip(SPLITS, parts, strict=True)}
        return {split: part for split, part in dealt.items() if part}

    def _chunks(self, lines: Iterable[Line]) -> Iterator[bytes]:
        for source, target in (line.pair for line in lines):
            source, target = source.ljust(self.pad[0]), target.ljust(self.pad[1])
            yield f"{source}{self.end}{self.start}{target}{self.end}".encode()
