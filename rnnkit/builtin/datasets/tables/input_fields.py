"""What a sequence is made of: text, tokens, ids, numbers, or a class that a sequence unrolls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.tables.fields import Encoding, Key, RowFields
from rnnkit.builtin.datasets.tables.rows import as_json, field_of, text_field
from rnnkit.builtin.datasets.tables.values import (
    check_ids,
    class_ids,
    class_name,
    classes,
    names,
    number_rows,
    sequence,
    wide,
)
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import MAX_WIDTH, nested
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import Array


class Reads(RowFields):
    """The inputs of a sequence, found under `key`.

    `kind` is `text`, cut by `tokenizer`; `tokens`, a list of texts; `ids`, a list of integers below
    `size`; `numbers`, a list of numbers or of rows of `size` numbers, or with `keys` one row made
    of several fields; `class`, whose indicator vector is the first step, zeros the others, as with
    `unroll` one row of numbers, a flat list. `scale` brings numbers to mean 0 and deviation 1
    (`standard`) or to the range from 0 to 1 (`minmax`) of the training part; `standard` unless it
    is given, or `none` with `unroll`. In CSV the items of a list stand in one cell with spaces
    between them. What `size` and `labels` leave out comes from the training part, as do the tokens:
    those seen fewer than `min_count` times, and those never seen, are `unknown`.
    """

    kind: Literal["text", "tokens", "ids", "numbers", "class"]
    tokenizer: Annotated[Tokenizer, nested("rnnkit.tokenizers")] | None = None
    unknown: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    min_count: Annotated[int, Field(ge=1)] = 1
    unroll: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Reads:
        if self.keys and self.kind != "numbers":
            raise ValueError(f'"keys" goes with "kind": "numbers", not {self.kind!r}')
        if (self.tokenizer is None) == (self.kind == "text"):
            raise ValueError('"kind": "text" needs a "tokenizer", and no other kind has one')
        if self.unroll and self.kind != "numbers":
            raise ValueError('"unroll" goes with "kind": "numbers" (a class always unrolls)')
        if self.min_count > 1 and not self.unknown:
            raise ValueError('"min_count" needs "unknown", the token that stands for the rare ones')
        return self

    @property
    def unrolls(self) -> bool:
        """Whether one row is followed by zeros up to the length of the target."""
        return self.unroll or self.kind == "class"

    def signal(self) -> Signal:
        """Return what is known before the data is read."""
        if self.kind in ("text", "tokens", "ids"):
            return Signal(self.size, ids=True)
        if self.kind == "class":
            return Signal(len(self.labels) if self.labels else None)
        return Signal(len(self.keys) if self.keys else self.size)

    def _parsed(self, row: Mapping[str, Any], key: Key) -> Any:
        if self.kind == "text":
            return sequence(text_field(row, key), key)
        value = field_of(row, key)
        if self.kind == "class":
            return class_name(value, key)
        if self.kind == "tokens":
            return names(value, key)
        found = number_rows(value, key)
        if self.kind == "ids":
            check_ids(found, self.size or MAX_WIDTH, key)
        nested = isinstance(value, list) and any(isinstance(item, list) for item in value)
        if self.unroll and not nested:
            found = found.T  # a flat list is the one row
        if self.unroll and len(found) != 1:
            message = f"{key}: expected one row of numbers to unroll, received {len(found)} "
            message += "(give one list of numbers)"
            raise DataError.of("DATA_LENGTH", message)
        return found

    def learned(self, values: Iterable[Any], given: Vocabulary | None) -> Encoding:
        """Return how values become arrays (T,) or (T, F), learned from those of training."""
        if self.kind == "text":
            return self._text(values, given)
        if self.kind == "tokens":
            return self._tokens(values, given)
        if self.kind == "class":
            return self._class(values)
        return self._ids(values) if self.kind == "ids" else self._numbers(values)

    def _text(self, values: Iterable[str], given: Vocabulary | None) -> Encoding:
        assert self.tokenizer
        chunks = (value.encode() + b"\n" for value in values)
        vocabulary = given or checked_tokenizer.fit(self.tokenizer, chunks)
        encoder = checked_tokenizer.encoder(self.tokenizer, vocabulary)

        def encode(value: str) -> Array:
            found = list(encoder([value.encode()]))
            return sequence(np.concatenate(found) if found else np.empty(0, np.int32), self.key)

        return Encoding(self, encode, Signal(vocabulary.size, ids=True), vocabulary)

    def _tokens(self, values: Iterable[list[str]], given: Vocabulary | None) -> Encoding:
        vocabulary = given or self._fitted(values)
        ids = {token: i for i, token in enumerate(vocabulary.tokens)}

        def encode(value: list[str]) -> Array:
            found = [ids.get(token, vocabulary.unknown) for token in value]
            if None in found:
                token = value[found.index(None)]
                message = f"{self.key}: the token {as_json(token)} is not in the vocabulary "
                message += '(take it out, or train with "unknown": "<unk>")'
                raise DataError.of("DATA_UNKNOWN_TOKEN", message)
            return np.array(found)

        return Encoding(self, encode, Signal(vocabulary.size, ids=True), vocabulary)

    def _fitted(self, values: Iterable[list[str]]) -> Vocabulary:
        counts = Counter(token for value in values for token in value)
        tokens = sorted(token for token, count in counts.items() if count >= self.min_count)
        if self.unknown is None:
            return Vocabulary(tokens=tuple(tokens))
        if self.unknown not in tokens:
            tokens.append(self.unknown)
        return Vocabulary(tokens=tuple(tokens), unknown=tokens.index(self.unknown))

    def _class(self, values: Iterable[str]) -> Encoding:
        labels = classes(values, self.labels)
        ids = class_ids(labels)

        def encode(value: str) -> Array:
            row = np.zeros((1, len(labels)), np.float32)
            row[0, ids([value], self.key)] = 1
            return row

        return Encoding(self.model_copy(update={"labels": labels}), encode, Signal(len(labels)))

    def _ids(self, values: Iterable[Array]) -> Encoding:
        size = self.size or 1 + max(int(value.max()) for value in values)

        def encode(value: Array) -> Array:
            flat: Array = wide(value, 1, self.key)[:, 0]
            check_ids(flat, size, self.key)
            return flat

        signal = Signal(size, ids=True)
        return Encoding(self.model_copy(update={"size": size}), encode, signal)
