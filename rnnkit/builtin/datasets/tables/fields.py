"""Where in a row a value is found, which inputs and targets have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.shared.scaler import Scaler, Scaling
from rnnkit.builtin.datasets.tables.values import Labels, step_of, wide
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.block import Record, Width
from rnnkit.core.signal import Signal
from rnnkit.types import Array

Key = Annotated[str, Field(min_length=1, max_length=256)]
Keys = Annotated[tuple[Key, ...], Field(min_length=1, max_length=4096)]


def _usual_width(rows: Iterable[Array]) -> int:
    """Return the width that most have, the first of several."""
    widths = Counter[int](row.shape[1] for row in rows)
    return widths.most_common(1)[0][0]


class Encoding(NamedTuple):
    """What was learned from the training part: the completed record, and the ids of a value."""

    record: Any
    encode: Callable[[Any], Array]
    signal: Signal
    vocabulary: Vocabulary | None = None


class RowFields(Record):
    """A value found under `key`, or a row of numbers made of several fields, `keys`."""

    gaps: ClassVar[bool] = False
    """Whether numbers may be missing."""

    kind: str
    key: Key | None = None
    keys: Keys | None = None
    size: Width | None = None
    labels: Labels | None = None
    scale: Scaling | None = None
    scaler: Scaler | None = None

    @model_validator(mode="after")
    def _found_under_one_name(self) -> Self:
        if (self.key is None) == (self.keys is None):
            raise ValueError('give "key", or for numbers "keys", not both')
        if (self.scale or self.scaler) and self.kind != "numbers":
            raise ValueError(f'"scale" goes with "kind": "numbers", not {self.kind!r}')
        return self

    @property
    def fields(self) -> tuple[Key, ...]:
        """The fields of a row that are read."""
        return self.keys or (self.key or "",)

    def on_scale(self, scale: Scaling) -> Self:
        """Return numbers on a scale, unless the spec says which.

        What an older rnnkit stored has all keys but this: it stays in the units of the data.
        """
        if self.kind != "numbers" or self.scale:
            return self
        older = type(self).model_fields.keys() - self.model_fields_set == {"scale", "scaler"}
        return self.model_copy(update={"scale": "none" if older else scale})

    def parse(self, row: Mapping[str, Any]) -> Any:
        """Return the value of a row; raises DataError for one of another kind, or of length 0."""
        if self.keys:
            return np.array([step_of(row, self.keys, self.gaps)])
        return self._parsed(row, self.key or "")

    def _parsed(self, row: Mapping[str, Any], key: Key) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._parsed")

    def _numbers(self, given: Iterable[Array]) -> Encoding:
        values = list(given)
        width = self.size or len(self.keys or ()) or _usual_width(values)
        scaler = self.scaler or self._fitted_scaler([v for v in values if v.shape[1] == width])
        record = self.model_copy(update={"size": width, "scaler": scaler})
        columns = self.keys or (self.key or "",) * width

        def encode(value: Array) -> Array:
            found = wide(value, width, self.key)
            if scaler is None:
                return found
            scaler.check(found, columns)
            return scaler.scaled(found)

        return Encoding(record, encode, Signal(width))

    def _fitted_scaler(self, values: Iterable[Array]) -> Scaler | None:
        if self.scale in (None, "none"):
            return None
        rows = np.concatenate(list(values))
        lacking = np.isnan(rows).any(axis=1)
        return Scaler.fitted(rows[~lacking] if lacking.any() else rows, self.scale)
