"""What is predicted of a sequence: a class, numbers or a text, at its end or at each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import model_validator

from rnnkit.builtin.datasets.tables.fields import Encoding, Key, RowFields
from rnnkit.builtin.datasets.tables.rows import field_of, text_field
from rnnkit.builtin.datasets.tables.values import (
    class_ids,
    class_name,
    classes,
    names,
    number_rows,
    sequence,
)
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError

END = "\n"
"""The label that ends an unrolled text."""


class Predicts(RowFields):
    """The targets of a sequence, found under `key`.

    `kind` is `class`, `numbers` (one row of numbers, or with `keys` several fields) or `text`, a
    label for each character and a newline at its end. One target stands at the last step, or with
    `each` one at each step. `labels`, the classes in the order of their ids, and `size`, how many
    numbers there are, come from the training part where they are left out.
    """

    kind: Literal["class", "numbers", "text"]
    each: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Predicts:
        if self.keys and (self.kind != "numbers" or self.each):
            raise ValueError('"keys" are one row of numbers at the last step')
        if self.labels and self.kind == "numbers":
            raise ValueError('"labels" are classes, and "kind": "numbers" has none')
        return self

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

    def _parsed(self, row: Mapping[str, Any], key: Key) -> Any:
        """Return names of classes, or rows of numbers."""
        if self.kind == "text":
            return [*sequence(text_field(row, key), key), END]
        value = field_of(row, key)
        if self.kind == "class":
            each = names(value, key) if self.each else [value]
            return [class_name(item, key) for item in each]
        found = number_rows(value, key)
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

    def check_lengths(self, steps: int, targets: int) -> None:
        """Raise DataError unless each step has a target, where it is to have one."""
        if self.per_step and steps != targets:
            than = "longer" if targets > steps else "shorter"
            message = f"{self.key}: the targets are {than} than the inputs: {targets} for {steps}"
            raise DataError.of("DATA_LENGTH", f"{message} steps (give one for each step)")
