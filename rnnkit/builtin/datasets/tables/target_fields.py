"""What is predicted of a sequence: a class, numbers or a text, at its end or at each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rnnkit.builtin.datasets.tables.input_fields import Encoding, Key
from rnnkit.builtin.datasets.tables.rows import field_of, shown
from rnnkit.builtin.datasets.tables.values import (
    Labels,
    class_ids,
    class_name,
    classes,
    names,
    numbers,
    sequence,
    wide,
)
from rnnkit.core.block import Record, Width
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import Array

END = "\n"
"""The label that ends an unrolled text."""


class Predicts(Record):
    """The targets of a sequence, found under `key`.

    `kind` is `class`, `numbers` (one row of numbers, or with `keys` several fields) or `text`, a
    label for each character and a newline at its end. One target stands at the last step, or with
    `each` one at each step. `labels`, the classes in the order of their ids, and `size`, how many
    numbers there are, come from the training part where they are left out.
    """

    kind: Literal["class", "numbers", "text"]
    key: Key | None = None
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=4096)] | None = None
    each: bool = False
    size: Width | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Predicts:
        if (self.key is None) == (self.keys is None):
            raise ValueError('give "key", or for numbers "keys", not both')
        if self.keys and (self.kind != "numbers" or self.each):
            raise ValueError('"keys" are one row of numbers at the last step')
        if self.labels and self.kind == "numbers":
            raise ValueError('"labels" are classes, and "kind": "numbers" has none')
        return self

    @property
    def fields(self) -> tuple[Key, ...]:
        """The fields of a row that are predicted."""
        return self.keys or (self.key or "",)

    @property
    def per_step(self) -> bool:
        """Whether each step has a target."""
        return self.each or self.kind == "text"

    @property
    def unit(self) -> str:
        """What one target is."""
        if self.kind == "text":
            return "character"
        return "step" if self.each else "sequence"

    def signal(self) -> Signal:
        """Return what is known before the data is read."""
        if self.kind == "numbers":
            return Signal(len(self.keys) if self.keys else self.size)
        return Signal(len(self.labels) if self.labels else None, ids=True)

    def parse(self, row: Mapping[str, Any]) -> Any:
        """Return the value of a row: names of classes, or rows of numbers; raises DataError."""
        if self.keys:
            return numbers([[field_of(row, key) for key in self.keys]], "keys")
        key = self.key or ""
        value = field_of(row, key)
        if self.kind == "text":
            if not isinstance(value, str):
                raise DataError.of("DATA_FIELD", f"{key}: expected a text, received {shown(value)}")
            return [*sequence(value, key), END]
        if self.kind == "class":
            each = names(value, key) if self.each else [value]
            return [class_name(item, key) for item in each]
        found = numbers(value, key)
        if self.each:
            return found
        # A flat list is one row; a list of rows is one for each step.
        if isinstance(value, list) and isinstance(value[0], list) and len(found) > 1:
            message = f'{key}: expected one row of numbers, received {len(found)} (or give "each")'
            raise DataError.of("DATA_LENGTH", message)
        return found.reshape(1, -1)

    def learned(self, values: Iterable[Any]) -> Encoding:
        """Return how values become arrays (T,) or (T, F), learned from those of training."""
        if self.kind == "numbers":
            return self._numbers(values)
        labels = classes((label for value in values for label in value), self.labels)
        ids = class_ids(labels)
        record = self.model_copy(update={"labels": labels})
        return Encoding(record, lambda v: ids(v, self.key), Signal(len(labels), ids=True))

    def _numbers(self, values: Iterable[Array]) -> Encoding:
        width = self.size or next(iter(values)).shape[1]
        record = self.model_copy(update={"size": width})
        return Encoding(record, lambda value: wide(value, width, self.key), Signal(width))

    def check_lengths(self, steps: int, targets: int) -> None:
        """Raise DataError unless each step has a target, where it is to have one."""
        if self.per_step and steps != targets:
            than = "longer" if targets > steps else "shorter"
            message = f"{self.key}: the targets are {than} than the inputs: {targets} for {steps}"
            raise DataError.of("DATA_LENGTH", f"{message} steps (give one for each step)")
