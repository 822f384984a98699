"""The metrics of a run as a table that grows: a header, then a row for each line of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnkit.contracts.dataset import Source
from rnnkit.inference.evaluate import metric_names
from rnnkit.reporting.printing import number
from rnnkit.training.step import Training

NUMBER = 10
"""The width of four digits with a sign and an exponent, and a space before them."""

COUNTS = {"step": 7, "epoch": 7}


@dataclass(frozen=True)
class Group:
    """Columns under one title: the key of each in a line of metrics, and what stands over it."""

    title: str
    columns: Mapping[str, str]

    @property
    def width(self) -> int:
        """The characters of a column; all of them together hold the title."""
        least = sum(COUNTS.get(key, 0) for key in self.columns) or NUMBER
        return max(least, -(-(len(self.title) + 2) // len(self.columns)))


@dataclass(frozen=True)
class MetricsTable:
    """What fits beside each other; the rest stands in metrics.jsonl."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, training: Training, source: Source, width: int) -> MetricsTable:
        """Return the table of a run for a terminal of `width` characters."""
        spec, unit = training.spec, source.unit
        measured = "valid" in source.splits() and spec.train.every.evaluate is not None
        names = metric_names(training.network, source, spec.evaluate.metrics)
        best = spec.train.best.metric.removeprefix("valid_")
        loss, *readings = training.network.loss.metrics(0.0, unit)
        trained = [loss, *(name for name in names if name == "accuracy"), *readings]
        groups = _groups(trained, names if measured else [], best)
        return cls(tuple(_fitting(groups, width)))

    def header(self) -> str:
        """Return the titles, and below them which split a column is of."""
        above = [g.title.rjust(g.width * len(g.columns)) for g in self.groups]
        below = [name.rjust(g.width) for g in self.groups for name in g.columns.values()]
        return f"{''.join(above)}\n{''.join(below)}"

    def row(self, metrics: Mapping[str, Any]) -> str:
        """Return the numbers of a line of metrics; what it does not have stays free."""
        return "".join(
            _cell(key, metrics.get(key)).rjust(group.width)
            for group in self.groups
            for key in group.columns
        )


def _groups(trained: Sequence[str], measured: Sequence[str], best: str) -> Iterator[Group]:
    """Yield the groups, what says most first: the loss, what it was trained for, the best.

    The second is the last reading of the loss, such as bits per character, or else the accuracy.
    """
    yield Group("", {"step": "step"})
    yield Group("", {"epoch": "epoch"})
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


def _fitting(groups: Iterator[Group], width: int) -> Iterator[Group]:
    """Yield the groups that fit, one character being left free at the end of a line."""
    for group in groups:
        width -= group.width * len(group.columns)
        if width < 1:
            return
        yield group


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if key == "epoch" else number(value)
