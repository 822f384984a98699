"""The metrics of a split: its own state, its own scratch memory, every token once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.metrics.choice import choose_metrics
from rnnkit.compute.parallel import ours
from rnnkit.contracts.checked_dataset import windows_of
from rnnkit.contracts.dataset import Dataset, Layout, Source, Split
from rnnkit.contracts.loss import metrics_of
from rnnkit.contracts.metric import MetricName, Table
from rnnkit.inference.finite import not_finite
from rnnkit.inference.readers import ShardReaders
from rnnkit.network.gradient_checkpointing import window_blocks
from rnnkit.network.network import Network
from rnnkit.types import Params


class Measured(NamedTuple):
    """Metrics by name, without the split's prefix, tables by title, and remarks on them."""

    metrics: dict[str, float]
    tables: dict[str, Table]
    remarks: list[str]


class EvaluationStopped(Exception):
    """The evaluation was asked to stop; its partial sums are dropped."""


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is told
def evaluate(
    network: Network,
    params: Mapping[str, Params],
    source: Source,
    split: Split,
    layout: Layout,
    stop: Callable[[], bool] = lambda: False,
    in_blocks: bool = False,
    asked: Sequence[MetricName] = (),
    shards: int = 1,
    finite: bool = True,
) -> Measured:
    """Return the metrics of a split, and the tables that go with them.

    Reads the split from a zero hidden state, carried over, as the layout says. `stop` is asked
    after each window; raises EvaluationStopped once it answers True, and DataError where the split
    is too short. Where no target counts the metrics are NaN. `in_blocks` reads each window as
    `learn_in_blocks` does, in the memory of one block. `asked` names metrics beyond those that suit
    loss and data; SpecError where the loss cannot give one. With several `shards`, or as many as
    there are streams, no number of threads changes a bit. Where the loss has to be `finite`,
    DivergedError names the first steps at which it is not.
    """
    readers = ShardReaders(network, params, layout.streams, shards)
    total = weight = 0.0
    steps = 0
    metrics = choose_metrics(network.loss, network.outputs.known(), source, split, asked)
    with ours() if shards > 1 else nullcontext():
        for batch in windows_of(source, split, layout, None):
            batch.check(layout.streams)
            length = len(batch.weights)
            whole = not in_blocks or network.loss.spans_time
            for piece in [slice(0, length)] if whole else window_blocks(length):
                step = batch.steps(piece)
                ys, part, part_weight = readers.read(step, piece.start)
                if finite and not math.isfinite(part):
                    where = f"steps {steps + 1} to {steps + len(ys)} of the {split} split"
                    raise not_finite(network, where, ys)
                total, weight, steps = total + part, weight + part_weight, steps + len(ys)
                targets = step.targets
                if step.units:
                    ys, targets = step.units.unscaled(ys), step.units.unscaled(targets)
                for metric in metrics:
                    metric.add(ys, targets, step.weights, step.resets, step.valid)
            if stop():
                raise EvaluationStopped
    found = metrics_of(network.loss, total / (weight or math.nan), source.unit)
    tables: dict[str, Table] = {}
    for metric in metrics:
        found |= metric.report()
        tables |= metric.tables()
    nothing = f"no target of {split} is known and weighs more than 0, so nothing is measured"
    remarks = [] if weight else [nothing]
    remarks += [remark for metric in metrics for remark in metric.remarks()]
    return Measured(found, tables, remarks)


def metric_names(network: Network, source: Source, asked: Sequence[MetricName] = ()) -> list[str]:
    """Return the names of the metrics that `evaluate` gives, found before any data is read.

    Raises SpecError for a metric in `asked` that the loss cannot give.
    """
    loss, width = network.loss, network.outputs.known()
    found = [*metrics_of(loss, 0.0, source.unit)]
    for metric in choose_metrics(loss, width, source, source.splits()[0], asked):
        found += metric.report()
    return found


def protocol(data: Dataset, layout: Layout, size: int) -> dict[str, object]:
    """Return how a result was measured, which changes the number and is printed beside it."""
    if data.whole:
        return {"streams": layout.streams, "start": "zero state", "read": size}
    return {
        "streams": layout.streams,
        "window": layout.window,
        "start": "zero state",
        "reset": layout.reset,
        "read": (size - 1) // layout.streams * layout.streams,
        "dropped": (size - 1) % layout.streams,
    }
