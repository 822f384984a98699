"""The metrics of a run as a table that grows: a header, then a row for each line of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnkit.contracts.dataset import Source
from rnnkit.contracts.loss import metrics_of
from rnnkit.inference.evaluate import metric_names
from rnnkit.reporting.printing import number
from rnnkit.training.step import Training

NUMBER = 10
"""The width of four digits with a sign and an exponent, and a space before them."""

COUNT = 7
"""The least width of a step and of an epoch."""


@dataclass(frozen=True)
class Group:
    """Columns under one title: the key of each in a line of metrics, and what stands over it."""

    title: str
    columns: Mapping[str, str]
    least: int = NUMBER

    @property
    def width(self) -> int:
        """The characters of a column; all of them together hold the title."""
        return max(self.least, -(-(len(self.title) + 2) // len(self.columns)))


@dataclass(frozen=True)
class MetricsTable:
    """Columns beside each other; what does not fit stands in metrics.jsonl."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, training: Training, source: Source) -> MetricsTable:
        """Return all that a run measures, what says most first."""
        spec, unit = training.spec, source.unit
        measured = "valid" in source.splits() and spec.train.every.evaluate is not None
        names = metric_names(training.network, source, spec.evaluate.metrics)
        best = spec.train.best.metric.removeprefix("valid_")
        loss, *readings = metrics_of(training.network.loss, 0.0, unit)
        trained = [loss, *(name for name in names if name == "accuracy"), *readings]
        epochs = spec.train.epochs
        counts = (
            Group("", {"step": "step"}, _room(number(training.windows * epochs))),
            Group("", {"epoch": "epoch"}, _room(f"{epochs:.2f}")),
        )
        return cls((*counts, *_groups(trained, names if measured else [], best)))

    def fitted(self, width: int) -> MetricsTable:
        """Return what fits on a terminal of `width` characters, the end of a line being free."""
        return MetricsTable(tuple(_fitting(self.groups, width)))

    def header(self) -> str:
        """Return the titles, and below them which split a column is of."""
        above = [g.title.rjust(g.width * len(g.columns)) for g in self.groups]
        below = [name.rjust(g.width) for g in self.groups for name in g.columns.values()]
        return f"{''.join(above)}\n{''.join(below)}"

    def row(self, metrics: Mapping[str, Any]) -> str:
        """Return the numbers of a line of metrics; what it does not have stays free."""
        return "".join(
            _cell(key, metrics.get(key), group.width).rjust(group.width)
            for group in self.groups
            for key in group.columns
        )


def _groups(trained: Sequence[str], measured: Sequence[str], best: str) -> Iterator[Group]:
    """Yield the groups of metrics: the loss, what it was trained for, the best, then the rest.

    The second is the last reading of the loss, such as bits per character, or else the accuracy.
    """
    first = dict.fromkeys(["loss", trained[-1], *([best] if best in measured else [])])
    yield from (_splits(name, trained, measured) for name in first)
    yield Group("", {"gradient_norm": "norm"})
    yield Group("", {"lr": "lr"})
    others = dict.fromkeys([*measured, *trained])
    yield from (_splits(name, trained, measured) for name in others if name not in first)


def _splits(name: str, trained: Sequence[str], measured: Sequence[str]) -> Group:
    pairs = (("train", trained), ("valid", measured))
    return Group(
        name.replace("_", " "), {f"{split}_{name}": split for split, has in pairs if name in has}
    )


def _fitting(groups: Iterable[Group], width: int) -> Iterator[Group]:
    for group in groups:
        width -= group.width * len(group.columns)
        if width < 1:
            return
        yield group


def _room(greatest: str) -> int:
    """Return the width of a column of counts, the greatest of which is given."""
    return max(COUNT, len(greatest) + 1)


def _cell(key: str, value: Any, width: int) -> str:
    """Return a number that leaves a space before it: fewer of its digits where it is too long."""
    if value is None:
        return ""
    if key == "epoch":
        return f"{value:.2f}"
    shorter = (f"{value:.{digits}g}" for digits in (4, 3, 2, 1))
    return next((text for text in (number(value), *shorter) if len(text) < width), "")
