"""rnnkit ls: the runs of a folder, what they reached and how they ended."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.cli.common import emit, number, table
from rnnkit.cli.options import make_command
from rnnkit.cli.paths import PATH
from rnnkit.cli.results import terminal_width
from rnnkit.errors import RnnkitError

HEAD = ("run", "name", "spec", "state", "step", "best", "when")
SPARE = ("spec", "step", "when", "name")
"""Columns that a narrow terminal shows last."""


@make_command("ls")
@click.argument("folder", type=PATH, default=Path("runs"))
def command(folder: Path) -> None:
    """List the runs in FOLDER (default: runs), the one that was written to last at the end.

    Of a sweep, or a folder of sweeps, the trials are listed. A terminal shows what it has room for,
    a pipe and --json everything.

    Equal digests are equal specs. The best is that of metrics.jsonl; no checkpoint is read.
    """
    home = RunDir(folder)
    found = [*filter(RunDir.holds_run, [home]), *home.inside()]
    if not found:
        raise home.not_found()
    rows = [summary(run) for run in sorted(found, key=written)]
    text = run_lines(rows, terminal_width())
    emit({"folder": str(folder), "runs": rows}, text)


def run_lines(rows: Sequence[dict[str, Any]], width: int | None) -> str:
    """Return a line for each run, on a terminal of `width` with the columns that it has room for.

    Elsewhere nothing is left out or shortened, so that it can be copied.
    """
    for left_out in range(len(SPARE) + 1):
        head = [key for key in HEAD if key not in SPARE[:left_out]]
        text = table([[_shown(row[key]) for key in head] for row in rows], head, width)
        if width is None or max(map(len, text.split("\n"))) <= width:
            break
    return text


def written(run: RunDir) -> float:
    """Return when a run was written to last, in seconds since 1970."""
    files = (run.spec, run.path / "run.json", run.metrics)
    return max(file.stat().st_mtime for file in files if file.exists())


def summary(run: RunDir) -> dict[str, Any]:
    """Return what a list says of a run; of one that cannot be read, the code of the error."""
    when = datetime.fromtimestamp(written(run))
    row: dict[str, Any] = dict.fromkeys(HEAD)
    row |= {"run": str(run.path), "when": when.isoformat(" ", "seconds")}
    try:
        data = run.spec.read_bytes()
        spec = json.loads(data)
        row |= {"name": spec["name"], "spec": hashlib.sha256(data).hexdigest()[:8]}
        row["state"] = run.status() or "started"
        return row | reached(run, **spec["train"]["best"])
    except RnnkitError as error:
        return row | {"state": error.problems[0].code}
    except (OSError, ValueError, KeyError, TypeError):
        return row | {"state": "unreadable"}


def reached(run: RunDir, metric: str, mode: str) -> dict[str, Any]:
    """Return the last step that is saved or measured, and the best value of a metric."""
    from rnnkit.analysis.plots.metrics import read_history

    lines = read_history(run.path).lines if run.metrics.exists() else ()
    values = [(line[metric], line["step"]) for line in lines if line.get(metric) is not None]
    finite = [(value, step) for value, step in values if math.isfinite(value)]
    saved = [step for step, _ in run.step_files()]
    found = {"step": max([0, *saved, *(line["step"] for line in lines[-1:])])}
    if not finite:
        return found
    value, step = (min if mode == "min" else max)(finite, key=lambda pair: pair[0])
    return {**found, "best": {"metric": metric, "value": value, "step": step}}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['metric']} {number(value['value'])}"
    return "" if value is None else str(value)
