"""What a call of `Arrays` was given, and which form of data that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rnnkit.builtin.datasets.arrays import forms, sequence_form
from rnnkit.builtin.datasets.arrays.faults import Faults
from rnnkit.builtin.datasets.arrays.forms import HeldForm, JSONObject, Splits
from rnnkit.core.block import Block
from rnnkit.errors import DataError, is_written, printable, spelled

WHERE = "Arrays"
"""What stands before a message about what was given."""

FORMS = ("frame", "inputs", "sequences", "texts", "pairs", "text", "tokens")
ANSWERS = ("targets", "labels", "tags")


@dataclass(frozen=True, kw_only=True)
class Given:
    """The arguments of `Arrays`; None for those that were left out."""

    frame: Any = None
    inputs: Any = None
    sequences: Any = None
    texts: Any = None
    pairs: Any = None
    text: Any = None
    tokens: Any = None
    targets: Any = None
    labels: Any = None
    tags: Any = None
    weights: Any = None
    each: bool | None = None
    time: str | None = None
    group: str | None = None
    columns: Any = None
    vocabulary: Any = None
    valid: Any = None
    test: Any = None
    options: JSONObject = field(default_factory=dict)

    def form(self) -> HeldForm:
        """Return the form of the values; raises DataError for all that is wrong with them."""
        return self._listed()._form()

    def _form(self) -> HeldForm:
        kind, faults = self._one_of(FORMS), Faults(WHERE)
        self._check_many(faults)
        if kind == "frame":
            found = self._series(faults)
        elif kind in ("inputs", "sequences", "texts"):
            found = self._sequences(kind, faults)
        else:
            found = self._texts(kind, faults)
        faults.check()
        return found

    def _listed(self) -> Given:
        """Return the same with lists for what can be read but once, such as a zip of two lists."""
        values = {name: getattr(self, name) for name in (*FORMS, *ANSWERS, "weights")}
        once: dict[str, Any] = {
            name: [*value] for name, value in values.items() if isinstance(value, Iterator)
        }
        return replace(self, **once)

    def _check_many(self, faults: Faults) -> None:
        """Raise DataError for a single thing where many of them are asked for."""
        for name in (*FORMS[1:], *ANSWERS, "weights", "vocabulary"):
            value = getattr(self, name)
            if value is not None and not hasattr(value, "__len__"):
                kind = type(value).__name__
                message = f"{name}: expected an array or a list, received one {kind}"
                faults.add("DATA_FIELD", f"{message} (wrap it in a list)")
        faults.check()

    def _one_of(self, names: tuple[str, ...], beside: str = "") -> str:
        """Return the one that was given; raises DataError for none, and for two."""
        found = [name for name in names if getattr(self, name) is not None]
        if len(found) != 1:
            received = " and ".join(found) or "none of them"
            message = f"expected one of {', '.join(names)}{beside}, received {received}"
            raise DataError.of("DATA_FIELD", message, WHERE)
        return found[0]

    def _only(self, faults: Faults, kind: str, *known: str) -> None:
        """Keep a fault for each argument that does not go with this form."""
        others = (*ANSWERS, "weights", "each", "time", "group", "columns", "vocabulary")
        for name in others:
            if name not in known and getattr(self, name) is not None:
                faults.add("DATA_FIELD", f"{name}: does not go with {kind} (leave it out)")

    def _series(self, faults: Faults) -> HeldForm:
        self._only(faults, "a frame", "time", "group", "columns", "targets")
        splits = Splits.of(self.frame, self.valid, self.test)
        columns, targets = _several(self.columns), _several(self.targets)
        return forms.series_form(
            splits, self.time, self.group, columns, targets, self._plain(), faults
        )

    def _sequences(self, kind: str, faults: Faults) -> HeldForm:
        answer = self._one_of(ANSWERS, f" beside {kind}")
        self._only(faults, kind, answer, "weights", "each")
        splits = Splits.of(
            (getattr(self, kind), getattr(self, answer), self.weights),
            _whole_split(self.valid, "valid", kind, answer, faults),
            _whole_split(self.test, "test", kind, answer, faults),
        )
        called = sequence_form.Called(kind, answer)
        return sequence_form.sequences_form(called, splits, self.each, self._plain(), faults)

    def _texts(self, kind: str, faults: Faults) -> HeldForm:
        self._only(faults, kind, *(["vocabulary"] if kind == "tokens" else []))
        splits = Splits.of(getattr(self, kind), self.valid, self.test)
        if kind == "tokens":
            return forms.tokens_form(splits, self.vocabulary, self._plain(), faults)
        options = {"tokenizer": {"type": "char"}, **self._plain()}
        return (forms.pairs_form if kind == "pairs" else forms.text_form)(splits, options, faults)

    def _plain(self) -> JSONObject:
        """Return the options as JSON has them; a tokenizer may be given by its name."""
        found = {name: _plain_option(value) for name, value in self.options.items()}
        if isinstance(found.get("tokenizer"), str):
            found["tokenizer"] = {"type": found["tokenizer"]}
        return found


def _whole_split(values: Any, name: str, kind: str, answer: str, faults: Faults) -> Any:
    """Return (inputs, targets, weights) of a split that was given as a tuple."""
    if values is None:
        return None
    if not isinstance(values, tuple) or len(values) not in (2, 3):
        message = f"{name}: expected a tuple ({kind}, {answer}), received a "
        faults.add("DATA_FIELD", f"{message}{type(values).__name__}")
        return None
    return (*values, None) if len(values) == 2 else values


def _several(names: Any) -> list[str] | None:
    """Return names of columns as a list; one alone may be given as it is."""
    if names is None:
        return None
    alone = isinstance(names, str) or not hasattr(names, "__len__")
    return [str(names)] if alone else [*map(str, names)]


def _plain_option(value: Any) -> Any:
    """Return a value as JSON has it; raises DataError for one that it has not."""
    if isinstance(value, Block):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain_option(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain_option(item) for key, item in value.items()}
    if value is None or (isinstance(value, str | int | float) and is_written(value)):
        return value
    received = printable(spelled(value), 60)
    message = f"expected an option that JSON has (a text, a number, a list), received {received}"
    raise DataError.of("DATA_FIELD", message, WHERE)
