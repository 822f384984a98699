"""What a person sees of a run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO, cast

from rnnkit.contracts.dataset import Source
from rnnkit.contracts.loss import metrics_of
from rnnkit.errors import printable
from rnnkit.reporting.metrics_table import MetricsTable
from rnnkit.reporting.printing import number, tell
from rnnkit.spec.model import Best, Spec
from rnnkit.training.reporter import Reporter
from rnnkit.training.step import Training, Update

LONGEST = 10_000
WIDEST = 120
"""Columns of the bar: all that it says has room, and no window of 60 breaks it in three."""

NAMES = {"gradient_norm": "norm", "epoch": "epoch", "lr": "lr"}


class Lines:
    """One line for each line of the metrics."""

    def begins(self, training: Training, source: Source) -> None:
        """Tell how the data is laid out, and where the run goes on."""
        for words in layout_in_words(training.spec, source):
            tell(words)
        if training.progress.step:
            tell(f"going on after step {training.progress.step}")

    def stepped(self, training: Training, update: Update, seconds: float) -> None:
        """Say nothing of a single step."""

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Write the metrics in a line."""
        tell(in_one_line(metrics))

    def sampled(self, sample: Mapping[str, Any]) -> None:
        """Write what the model wrote."""
        tell(in_lines(sample))

    def saved(self, path: Path, best: bool) -> None:
        """Say nothing of a save; the end of the run names the files."""


class Bar(Lines):
    """A bar with time left, loss, speed and rate; above it the metrics scroll as a table."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task
        self._seconds = self._targets = 0.0
        self._unit = "target"
        self._table: MetricsTable | None = None
        self._width = 0

    def begins(self, training: Training, source: Source) -> None:
        """Remember what a target is, and which columns the table has."""
        super().begins(training, source)
        self._unit = source.unit
        self._table = MetricsTable.of(training, source)
        self._print_head(self._table)

    def stepped(self, training: Training, update: Update, seconds: float) -> None:
        """Advance the bar."""
        loss = update.total / (update.weight or 1)
        self._seconds = 0.9 * self._seconds + seconds
        self._targets = 0.9 * self._targets + update.weight
        metrics = metrics_of(training.network.loss, loss, self._unit)
        # The last one says most: bits for characters, perplexity for words, else the loss alone.
        name, value = list(metrics.items())[-1]
        text = (
            f"loss {loss:#.4g}"
            + (f"  {name.replace('_', ' ')} {value:.4g}" if name != "loss" else "")
            + f"  {self._targets / self._seconds:,.0f} {self._unit}s/s  lr {update.lr:.2g}"
            f"  norm {update.gradient_norm:.2g}"
        )
        total = training.windows * training.spec.train.epochs
        self._bar.update(
            self._task, completed=training.progress.step, total=total, description=text
        )

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Write the metrics above the bar."""
        assert self._table is not None  # a run begins before it has metrics
        if self._bar.console.width != self._width:
            self._print_head(self._table)
        self._print(self._table.fitted(self._width).row(metrics))

    def _print_head(self, table: MetricsTable) -> None:
        """Write the titles of the columns that fit, at the start and where the width changed."""
        self._width = self._bar.console.width
        self._print(table.fitted(self._width).header())

    def _print(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, no_wrap=True, crop=True)

    def sampled(self, sample: Mapping[str, Any]) -> None:
        """Write what the model wrote above the bar."""
        self._bar.console.print(in_lines(sample), highlight=False, markup=False)


class Unheard:
    """A stream that falls silent where its terminal closed or its disk is full; a run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, if anybody hears it."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is held back."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Be the stream in all else."""
        return getattr(self._stream, name)


@contextmanager
def reporter() -> Iterator[Reporter]:
    """Give the reporter that suits stderr."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console, Group, RenderableType
    from rich.constrain import Constrain
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    class Spaced(Progress):
        """A bar below an empty line."""

        def get_renderable(self) -> RenderableType:
            # Where a window made narrower breaks the bar in two, both lines are erased with it.
            return Group("", Constrain(super().get_renderable(), WIDEST))

    # Count and time are never cut: what is said of the last step has the room that is left.
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    console = Console(file=cast(IO[str], Unheard(sys.stderr)))
    columns = (
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        BarColumn(bar_width=max(8, min(24, console.width // 6))),
        TextColumn("{task.description}", markup=False, table_column=rest),
    )
    with Spaced(*columns, console=console, transient=True, expand=True) as bar:
        yield Bar(bar, bar.add_task("", total=None))


def streams_in_words(spec: Spec, source: Source) -> str:
    """Return the layout of the training data: streams, windows, state, and what is left over."""
    train, layout = spec.train, spec.train.layout()
    words = spec.data.in_words(source, layout)
    if words and not spec.data.predicts_next:
        return words
    tokens = source.size("train")
    per_stream = (tokens - 1) // train.streams
    windows = source.windows("train", layout)
    state = {
        "window": "starts anew at each window",
        "epoch": "is carried through an epoch and starts anew at the next",
        "never": "is carried on for ever",
        "document": f"starts anew at each {train.state.separator!r}",
    }[train.state.reset]
    unused = tokens - 1 - windows * train.window * train.streams
    line = (
        f"{train.streams} streams x {per_stream:,} {source.unit}s, {windows:,} windows of "
        f"{train.window} an epoch; the state {state}; {unused:,} {source.unit}s unused"
    )
    return f"{line}; {words}" if words else line


def layout_in_words(spec: Spec, source: Source) -> list[str]:
    """Return sentences on how the data is read, and on a best model that there will not be."""
    found = (each(spec, source) for each in (streams_in_words, evaluation_in_words, best_in_words))
    return [*filter(None, found)]


def best_in_words(spec: Spec, source: Source) -> str:
    """Return why no best.h5 is written where one was to be expected; "" elsewhere."""
    train = spec.train
    if "valid" in source.splits():
        missing = train.every.evaluate is None and '"evaluate" is null in "every"'
        advice = 'give "epoch", or a number of steps'
    else:
        # That data has none is seen, unless a metric was chosen all the same.
        missing = train.best != Best() and "there is no validation split"
        advice = 'give the data one, such as by its "split"'
    said = f"no best.h5 is written, as {train.best.metric} is never measured"
    return f"{said}: {missing} ({advice})" if missing else ""


def evaluation_in_words(spec: Spec, source: Source) -> str:
    """Return which splits are evaluated in fewer streams than training has; "" where none is."""
    held_out = [split for split in source.splits() if split != "train"]
    found = {split: spec.evaluation_layout(source, split).streams for split in held_out}
    fewer = [f"{split} in {n}" for split, n in found.items() if n != spec.train.streams]
    if spec.evaluate.streams or not fewer:
        return ""
    return (
        f"evaluation reads {' and '.join(fewer)} of {spec.train.streams} streams, as a short split "
        'would be cut into many that each start from a zero state (choose by "evaluate.streams")'
    )


def in_lines(sample: Mapping[str, Any]) -> str:
    """Return a sample as people read it, its lines behind a bar that no text can leave."""
    asked = [f"{name} {printable(sample[name])}" for name in ("source", "target") if name in sample]
    head = "  ".join([f"step {sample['step']:>6}  sample", *asked])
    text = sample.get("prompt", "") + sample["text"]
    return "\n".join([head, *(f"  | {printable(line, LONGEST)}" for line in text.split("\n"))])


def in_one_line(metrics: Mapping[str, Any]) -> str:
    """Return a metrics line as people read it: perplexity where it says more than the loss."""
    parts = [f"step {metrics['step']:>6}  epoch {metrics['epoch']:.2f}"]
    for name, value in metrics.items():
        if name in ("step", "epoch") or value is None:
            continue
        parts.append(f"{NAMES.get(name, name.replace('_', ' '))} {number(value)}")
    return "  ".join(parts)
