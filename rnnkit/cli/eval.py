"""rnnkit eval: the metrics of a model, with the protocol that decides them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnkit.checkpoint.run_directory import data_root
from rnnkit.cli.common import (
    advising,
    check_split,
    emit,
    finite_or_none,
    number,
    table,
    tell,
    unknown,
)
from rnnkit.cli.options import (
    CHECKPOINT,
    SPLITS,
    THREADS,
    WEIGHTS,
    data_root_option,
    make_command,
    registry,
    with_weights,
)
from rnnkit.cli.paths import PATH
from rnnkit.errors import Problem, ThresholdError, printable

if TYPE_CHECKING:
    from rnnkit.contracts.dataset import Source, Split
    from rnnkit.contracts.metric import MetricName, Table
    from rnnkit.inference.model import Model

HELD_OUT: tuple[Split, ...] = ("test", "valid")


def threshold(value: str) -> tuple[str, float]:
    """Return (metric, bound) of text such as perplexity=140."""
    metric, _, text = value.partition("=")
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise click.BadParameter(f"expected METRIC=VALUE, received {value!r}")
    return metric, bound


@make_command("eval")
@CHECKPOINT
@click.option("--split", type=SPLITS, help="Default: test, else valid, else train.")
@click.option("--data", type=PATH, help="Evaluate on this file instead.")
@data_root_option()
@click.option(
    "--streams", type=click.IntRange(1), help="Streams side by side (default: the spec's)."
)
@click.option("--window", type=click.IntRange(1), help="Steps in a window (default: the spec's).")
@click.option(
    "--fail-above",
    type=threshold,
    multiple=True,
    metavar="METRIC=VALUE",
    help="Exit 9 where the metric is above it.",
)
@click.option(
    "--fail-below",
    type=threshold,
    multiple=True,
    metavar="METRIC=VALUE",
    help="Exit 9 where the metric is below it.",
)
@click.option(
    "--metric",
    "asked",
    type=click.Choice(["f1", "exact_match"]),
    multiple=True,
    help="Measure this too, where the data does not ask for it.",
)
@WEIGHTS
@THREADS
def command(
    checkpoint: Path,
    split: Split | None,
    data: Path | None,
    root: Path | None,
    streams: int | None,
    window: int | None,
    fail_above: tuple[tuple[str, float], ...],
    fail_below: tuple[tuple[str, float], ...],
    asked: tuple[MetricName, ...],
    weights: str,
    threads: int | None,
) -> None:
    """Measure the model of CHECKPOINT, a file or a run directory (then its best model).

    The evaluation starts from a zero hidden state, which is carried to the end; the protocol is
    printed with the numbers, since it changes them. Labels, columns of values and naive forecasts
    have a table each. Of --weights int8 both are measured, and how much each metric changes.
    """
    from rnnkit.compute.numerics import limited_threads
    from rnnkit.inference.evaluate import metric_names, protocol
    from rnnkit.inference.model import load

    model = load(checkpoint, registry(), tell)
    source = _opened(model, checkpoint, data, root)
    asked = tuple(dict.fromkeys([*model.spec.evaluate.metrics, *asked]))
    known = metric_names(model.network, source, asked)
    for name, _ in [*fail_above, *fail_below]:
        if name not in known:
            raise unknown("metric", name, known)
    chosen = split or _measured_on(source)
    check_split(source, chosen, checkpoint)
    layout = model.layout(source, chosen, streams, window)
    how = protocol(model.spec.data, layout, source.size(chosen))
    with limited_threads(threads):
        held = with_weights(model, weights)
        metrics, tables, remarks = held.measure(chosen, source, layout, asked)
        exact = None if held is model else model.measure(chosen, source, layout, asked).metrics
    result = {
        "checkpoint": str(model.path),
        "split": chosen,
        "metrics": finite_or_none(metrics),
        "protocol": how,
        "remarks": remarks,
    }
    if exact:
        result["weights"] = weights
        result["float32"] = finite_or_none(exact)
        result["change"] = finite_or_none({k: metrics[k] - exact[k] for k in metrics})
    if tables:
        result["tables"] = {
            k: [finite_or_none(row) for row in t.records()] for k, t in tables.items()
        }
    text = compared(metrics, exact, weights) if exact else one_column(metrics)
    text += f"\n{chosen}  " + "  ".join(f"{name} {number(value)}" for name, value in how.items())
    text += "".join(f"\n\n{_drawn(found)}" for found in tables.values())
    text += "".join(f"\n\n{remark}" for remark in remarks)
    emit(result, text, missed(metrics, fail_above, fail_below, model.path))


def one_column(metrics: Mapping[str, float]) -> str:
    """Return metrics as a table."""
    return table([(name, number(value)) for name, value in metrics.items()])


def compared(metrics: Mapping[str, float], exact: Mapping[str, float], weights: str) -> str:
    """Return them beside those of the weights as they are, and how much each one changes."""
    rows = [
        (name, number(value), number(exact[name]), f"{value - exact[name]:+.2g}")
        for name, value in metrics.items()
    ]
    return table(rows, ("", weights, "float32", "change"))


def _measured_on(source: Source) -> Split:
    """Return the split to measure on; that it was trained on is reported."""
    found = next(each for each in (*HELD_OUT, *source.splits()) if each in source.splits())
    if found not in HELD_OUT:
        tell(f"nothing is held out: this is the {found} split, which the model has seen")
    return found


def _drawn(found: Table) -> str:
    """Return a table in text, names from the data as they can be printed."""
    rows = [[_named(v) if isinstance(v, str) else number(v) for v in row] for row in found.rows]
    return table(rows, found.head)


def _named(name: str) -> str:
    """Return a name in one line, in quotes where its ends would not be seen."""
    return printable(name if name and name == name.strip() else repr(name))


def missed(
    metrics: Mapping[str, float],
    above: tuple[tuple[str, float], ...],
    below: tuple[tuple[str, float], ...],
    where: Path,
) -> ThresholdError | None:
    """Return the error that names every threshold that was missed; a NaN misses all of its own."""
    problems = []
    for bounds, word, sign in ((above, "above", 1), (below, "below", -1)):
        for name, bound in bounds:
            # Not ">": a comparison with NaN is false.
            if not sign * metrics[name] <= sign * bound:
                message = f"{name} is {metrics[name]}, {word} {bound}"
                problems.append(Problem(str(where), "THRESHOLD_MISSED", message))
    return ThresholdError(*problems) if problems else None


def _opened(model: Model, checkpoint: Path, data: Path | None, root: Path | None) -> Source:
    """Open the file that is given, or else the data of the spec; report that it is other data."""
    from rnnkit.network.memory import open_data

    if data is not None:
        with advising("repair them"):
            return open_data(model.spec.data.of_file(data), Path("."), model.vocabulary)
    source = model.open_data(data_root(checkpoint, root))
    if source.digest() != model.trained_on:
        tell(
            "the data is not what the model was trained on: "
            f"SHA-256 {model.trained_on} then, {source.digest()} now"
        )
    return source
