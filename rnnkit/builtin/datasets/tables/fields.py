"""Where in a row a value is found, which inputs and targets have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from rnnkit.builtin.datasets.tables.rows import field_of
from rnnkit.builtin.datasets.tables.values import Labels, number_rows, wide
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.block import Record, Width
from rnnkit.core.signal import Signal
from rnnkit.types import Array

Key = Annotated[str, Field(min_length=1, max_length=256)]
Keys = Annotated[tuple[Key, ...], Field(min_length=1, max_length=4096)]


class Encoding(NamedTuple):
    """What was learned from the training part: the completed record, and the ids of a value."""

    record: Any
    encode: Callable[[Any], Array]
    signal: Signal
    vocabulary: Vocabulary | None = None


class RowFields(Record):
    """A value found under `key`, or a row of numbers made of several fields, `keys`."""

    kind: str
    key: Key | None = None
    keys: Keys | None = None
    size: Width | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _found_under_one_name(self) -> Self:
        if (self.key is None) == (self.keys is None):
            raise ValueError('give "key", or for numbers "keys", not both')
        return self

    @property
    def fields(self) -> tuple[Key, ...]:
        """The fields of a row that are read."""
        return self.keys or (self.key or "",)

    def parse(self, row: Mapping[str, Any]) -> Any:
        """Return the value of a row; raises DataError for one of another kind, or of length 0."""
        if self.keys:
            return number_rows([[field_of(row, key) for key in self.keys]], "keys")
        return self._parsed(row, self.key or "")

    def _parsed(self, row: Mapping[str, Any], key: Key) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._parsed")

    def _numbers(self, values: Iterable[Array]) -> Encoding:
        width = self.size or next(iter(values)).shape[1]
        record = self.model_copy(update={"size": width})
        return Encoding(record, lambda value: wide(value, width, self.key), Signal(width))
