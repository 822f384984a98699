"""What came out of a sweep: a table of its trials, and pictures of what each value did."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

from rnnkit.analysis.plots.panel import Curve, Panel
from rnnkit.errors import RefusedError, printable
from rnnkit.sweep.model import Dimension, Sweep
from rnnkit.sweep.study import ERROR, Study, values_of

Record = dict[str, Any]


def records(study: Study) -> list[Record]:
    """Return what is known of each trial: number, state, score, steps, values, run directory."""
    best = None
    with suppress(RefusedError):  # no trial has ended
        best = study.best().number
    return [_record(study, trial, trial.number == best) for trial in study.trials()]


def rows(found: Sequence[Record], sweep: Sweep) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table of the trials, the best one marked by a star."""
    names = _short(list(sweep.space))
    head = ["trial", "", "state", sweep.metric, "steps", *names.values(), "error"]
    cells = [
        [
            str(each["trial"]),
            "*" if each["best"] else "",
            each["state"],
            "" if each["score"] is None else f"{each['score']:.4g}",
            str(each["steps"]),
            *(_shown(each["values"].get(path)) for path in names),
            each["error"].partition("\n")[0],
        ]
        for each in found
    ]
    return (head, cells) if any(each["error"] for each in found) else _without_last(head, cells)


def pictures(found: Sequence[Record], sweep: Sweep) -> list[Panel]:
    """Return the scores trial by trial with the best so far, and over the values of each key."""
    scored = [each for each in found if each["score"] is not None]
    numbers = tuple(float(each["trial"]) for each in scored)
    scores = tuple(float(each["score"]) for each in scored)
    curves = (
        Curve("trials", numbers, scores, style="dots"),
        Curve("best so far", numbers, tuple(accumulate(scores, sweep.better)), group=1),
    )
    history = Panel("history", "trial", sweep.metric, curves)
    return [history, *(_effect(scored, sweep, path) for path in sweep.space)]


def _record(study: Study, trial: Any, best: bool) -> Record:
    return {
        "trial": trial.number,
        "state": {"COMPLETE": "finished", "FAIL": "failed"}.get(
            trial.state.name, trial.state.name.lower()
        ),
        "score": _score(trial, study.sweep),
        "best": best,
        "steps": max(trial.intermediate_values, default=0),
        "values": values_of(trial, study.sweep),
        "run": str(study.folder.run(trial.number)),
        "error": trial.user_attrs.get(ERROR, ""),
    }


def _score(trial: Any, sweep: Sweep) -> float | None:
    """Return the score of a trial; of one that has not ended, or was pruned, the best so far."""
    if trial.state.name == "COMPLETE":
        return float(trial.value)
    return sweep.best(filter(math.isfinite, trial.intermediate_values.values()))


def _effect(scored: Sequence[Record], sweep: Sweep, path: str) -> Panel:
    dimension = sweep.space[path]
    points = sorted((_place(dimension, each["values"][path]), each["score"]) for each in scored)
    xs, ys = tuple(x for x, _ in points), tuple(y for _, y in points)
    label = path
    if dimension.choices:
        names = (f"{i}: {printable(text, 20)}" for i, text in enumerate(dimension.texts()))
        label += f" ({', '.join(names)})"
    elif dimension.log:
        label += " (power of ten)"
    return Panel(path, label, sweep.metric, (Curve(path, xs, ys, style="dots"),))


def _place(dimension: Dimension, value: Any) -> float:
    if dimension.choices:
        return float(dimension.texts().index(json.dumps(value)))
    return math.log10(value) if dimension.log else float(value)


def _short(paths: Sequence[str]) -> dict[str, str]:
    """Return the last part of each path, all of it where that is not enough."""
    last = {path: path.rpartition(".")[2] for path in paths}
    counts = [*last.values()]
    return {path: name if counts.count(name) == 1 else path for path, name in last.items()}


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _without_last(head: list[str], cells: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return head[:-1], [row[:-1] for row in cells]
