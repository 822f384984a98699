"""What is predicted of a sequence: a class, numbers or a text, at its end or at each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from rnnkit.builtin.datasets.tables.cells import is_missing
from rnnkit.builtin.datasets.tables.fields import Encoding, Key, RowFields
from rnnkit.builtin.datasets.tables.rows import field_of, text_field
from rnnkit.builtin.datasets.tables.values import (
    class_ids,
    class_name,
    classes,
    listed,
    number_rows,
    sequence,
)
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import Array

END = "\n"
"""The label that ends an unrolled text."""

NO_LABEL = "-1"
"""What stands among ids for a target that is to be ignored."""


class Predicts(RowFields):
    """The targets of a sequence, found under `key`.

    `kind` is `class`, `numbers` (one row of numbers, or with `keys` several fields) or `text`, a
    label for each character and a newline at its end. One target stands at the last step, or with
    `each` one at each step. `labels`, the classes in the order of their ids, and `size`, how many
    numbers there are, come from the training part where they are left out. `scale` brings numbers
    to mean 0 and deviation 1 (`standard`) or to the range from 0 to 1 (`minmax`) of the training
    part; `standard` unless it is given, if the loss estimates values, else `none`. Metrics and
    predictions are in the units of the data.

    A target that is null, or an empty cell, is ignored: it weighs nothing in loss and metrics. So
    is a row with a number that is missing, and the class -1 among two or more that are integers
    from 0 on, unless `labels` name it.
    """

    gaps: ClassVar[bool] = True

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
        """Return names of classes, or rows of numbers; None, or NaN, for what is missing.

        The characters of a text are a text.
        """
        if self.kind == "text":
            return f"{sequence(text_field(row, key), key)}{END}"
        value = field_of(row, key)
        if is_missing(value):
            return None
        if self.kind == "class":
            each = listed(value, key) if self.each else [value]
            return [None if item is None else class_name(item, key) for item in each]
        found = number_rows(value, key, self.gaps)
        if self.each:
            return found
        # A flat list is one row; a list of rows is one for each step.
        if isinstance(value, list) and isinstance(value[0], list) and len(found) > 1:
            message = f'{key}: expected one row of numbers, received {len(found)} (or give "each")'
            raise DataError.of("DATA_LENGTH", message)
        return found if len(found) == 1 else found.reshape(1, -1)

    def learned(self, values: Iterable[Any], where: str | None = None) -> Encoding:
        """Return how values become arrays (T,) or (T, F), learned from those of training.

        Raises DataError, naming the file `where`, if none of them is there.
        """
        known = [value for value in values if value is not None]
        if self.kind == "numbers":
            if self.scaler is None and not any(np.isfinite(v).all(axis=1).any() for v in known):
                raise self._none_known(where)
            return self._numbers(known)
        labels = self.labels or _classes(label for value in known for label in value if label)
        if not labels:
            raise self._none_known(where)
        ids = class_ids(labels, (None, NO_LABEL) if _ignores(labels) else (None,))
        record = self.model_copy(update={"labels": labels})
        return Encoding(record, lambda v: ids(v, self.key), Signal(len(labels), ids=True))

    def _none_known(self, where: str | None) -> DataError:
        message = "no target of training is there to learn from (give some rows theirs)"
        return DataError.of("DATA_TOO_SHORT", f"{', '.join(self.fields)}: {message}", where or "")

    def nothing(self, steps: int) -> Array:
        """Return the targets of a sequence without any, all to be ignored."""
        count = steps if self.per_step else 1
        if self.kind == "class":
            return np.full(count, -1)
        return np.full((count, self.size or 1), np.nan)

    def check_lengths(self, steps: int, targets: int) -> None:
        """Raise DataError unless each step has a target, where it is to have one."""
        if self.per_step and steps != targets:
            than = "longer" if targets > steps else "shorter"
            message = f"{self.key}: the targets are {than} than the inputs: {targets} for {steps}"
            raise DataError.of("DATA_LENGTH", f"{message} steps (give one for each step)")


def _classes(values: Iterable[str]) -> tuple[str, ...]:
    found = classes(values, None)
    others = tuple(label for label in found if label != NO_LABEL)
    return others if _ignores(others) else found


def _ignores(labels: Sequence[str]) -> bool:
    """Tell whether -1 beside these labels is none: all are ids, of which 1 is not the only one."""
    return len(labels) > 1 and all(label.isascii() and label.isdecimal() for label in labels)
