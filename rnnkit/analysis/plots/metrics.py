"""The curves of runs, from their metrics.jsonl; a run may still be training."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnkit.analysis.plots.panel import Curve, Panel
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.errors import CheckpointError, printable
from rnnkit.files.atomic import read_regular

LIMIT = 2**30
DEFAULT = ("loss", "perplexity", "accuracy", "gradient_norm", "lr")
POSITION = ("step", "epoch")
UNITS = {
    "loss": "loss (mean over targets)",
    "perplexity": "perplexity (of a target)",
    "gradient_norm": "gradient norm (L2, before clipping)",
    "lr": "learning rate (of an update)",
    "accuracy": "accuracy (share of targets)",
}


@dataclass(frozen=True)
class MetricsHistory:
    """The metrics lines of a run, in the order of its steps."""

    name: str
    lines: tuple[dict[str, Any], ...]

    def keys(self) -> list[str]:
        """Return every metric of the run, in the order of the lines."""
        return [key for key in dict.fromkeys(k for line in self.lines for k in line)]

    def curve(self, key: str, group: int, smooth: float) -> Curve:
        """Return one metric over the steps; NaN where a line holds None in its place."""
        lines = [line for line in self.lines if key in line]
        ys = [math.nan if line[key] is None else float(line[key]) for line in lines]
        valid = key.startswith("valid_")
        return Curve(
            f"{self.name} {key}",
            tuple(float(line["step"]) for line in lines),
            tuple(ys if valid or key == "lr" else smoothed(ys, smooth)),
            group,
            "points" if valid else "line",
        )


def read_history(folder: Path) -> MetricsHistory:
    """Read the metrics of a run; a half-written last line is left out.

    Raises RefusedError where there is no run, and CheckpointError where it has no metrics yet, or a
    line that is none, with its number.
    """
    run = RunDir(folder)
    if not run.holds_run() and not run.metrics.is_file():
        raise run.not_found()
    data = _read(run.metrics) if run.metrics.exists() else b""
    rows = data.split(b"\n")[:-1]
    if not rows:
        message = "has no metrics yet (the first line comes after train.every.log steps)"
        raise CheckpointError.of("RUN_NO_METRICS", message, folder)
    lines = tuple(_line(row, f"{run.metrics}:{n}") for n, row in enumerate(rows, start=1))
    return MetricsHistory(printable(str(folder)), lines)


def drawable_metrics(histories: Iterable[MetricsHistory]) -> list[str]:
    """Return what `panels` can draw: each metric, and the name that train_x and valid_x share."""
    keys = dict.fromkeys(k for h in histories for k in h.keys() if k not in POSITION)
    return list(dict.fromkeys([*map(shared, keys), *keys]))


def default_metrics(histories: Sequence[MetricsHistory]) -> list[str]:
    """Return what is drawn by default; no learning rate that never changes."""
    known = drawable_metrics(histories)
    rates = {line["lr"] for history in histories for line in history.lines if "lr" in line}
    return [name for name in DEFAULT if name in known and (name != "lr" or len(rates) > 1)]


def shared(key: str) -> str:
    """Return the name of a metric without its split."""
    return re.sub(r"^(train|valid)_", "", key)


def panels(
    histories: Sequence[MetricsHistory], metrics: Sequence[str], log: bool, smooth: float
) -> list[Panel]:
    """Return a panel for each metric, with a curve for each run that has it."""
    return [_panel(histories, metric, log, smooth) for metric in metrics]


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return exponential means: each value counts `weight` times as much as the one after it.

    The start is no part of the mean, as in Adam's bias correction (Kingma and Ba 2015, section 3).
    """
    total = mass = 0.0
    means = []
    for value in values:
        if math.isfinite(value):
            total, mass = weight * total + value, weight * mass + 1
        means.append(total / mass if math.isfinite(value) else math.nan)
    return means


def _panel(histories: Sequence[MetricsHistory], metric: str, log: bool, smooth: float) -> Panel:
    curves = [
        history.curve(key, group, smooth)
        for group, history in enumerate(histories)
        for key in history.keys()
        if key not in POSITION and metric in (key, shared(key))
    ]
    if len(histories) == 1:
        curves = [replace(c, name=c.name.removeprefix(f"{histories[0].name} ")) for c in curves]
    name = "learning rate" if metric == "lr" else metric.replace("_", " ")
    return Panel(name, "step (updates)", UNITS.get(shared(metric), name), tuple(curves), log)


def _read(path: Path) -> bytes:
    """Read a file that may be growing."""
    for _ in range(5):
        try:
            return bytes(read_regular(path, LIMIT, CheckpointError, "RUN"))
        except CheckpointError as error:
            if error.problems[0].code != "RUN_NOT_REGULAR" or not path.is_file():
                raise
    return bytes(read_regular(path, LIMIT, CheckpointError, "RUN"))


def _line(row: bytes, where: str) -> dict[str, Any]:
    """Return a line of metrics; raises CheckpointError for what a run does not write."""
    try:
        value = json.loads(row)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not _is_number(value.get("step")):
        text = printable(row.decode(errors="replace"), 40)
        message = f"expected a JSON object with a step, received {text!r} (bring the file back)"
        raise CheckpointError.of("RUN_METRICS_LINE", message, where)
    for name, entry in value.items():
        if entry is not None and not _is_number(entry):
            message = f"{printable(name)}: expected a number or null, received {printable(entry)!r}"
            raise CheckpointError.of("RUN_METRICS_LINE", f"{message} (bring the file back)", where)
    return value


def _is_number(value: object) -> bool:
    """Tell whether a value is a number that a float holds."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1023
    return isinstance(value, float)
