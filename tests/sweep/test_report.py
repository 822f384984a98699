"""A sweep in words and pictures: short names of keys, the best marked, each key on its scale."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnnkit.sweep.model import Sweep
from rnnkit.sweep.report import Record, _record, pictures, rows

LR, FIRST, SECOND = "train.optimizer.lr", "model.layers[0].units", "model.layers[1].units"
SPACE = {
    LR: {"low": 1e-4, "high": 1e-1, "log": True},
    FIRST: {"low": 4, "high": 64},
    SECOND: {"choices": [8, 16]},
}


def sweep(**fields: Any) -> Sweep:
    given = {"spec": "base.json", "space": SPACE, "trials": 3, **fields}
    return Sweep.model_validate_json(json.dumps(given))


def record(trial: int, score: float | None, values: tuple[float, int, int], **more: Any) -> Record:
    known = {"state": "finished", "best": False, "steps": 20, "error": ""}
    given = dict(zip(SPACE, values, strict=True))
    return {"trial": trial, "score": score, "values": given, **known, **more}


FOUND = [
    record(0, 1.5, (0.01, 6, 16)),
    record(1, 1.25, (0.001, 5, 8), best=True),
    record(2, 1.75, (0.1, 7, 8), state="pruned"),
]


@pytest.mark.parametrize(
    ("state", "values", "wanted"),
    [
        ("PRUNED", {20: 1.5, 10: 2.0, 30: math.nan}, ("pruned", 1.5, 30)),
        ("FAIL", {}, ("failed", None, 0)),
        ("COMPLETE", {10: 2.0, 20: 1.5}, ("finished", 2.0, 20)),
        ("RUNNING", {10: 2.0}, ("running", 2.0, 10)),
    ],
)
def test_a_trial_tells_how_far_it_came(
    state: str, values: dict[int, float], wanted: tuple[str, float | None, int]
) -> None:
    trial = SimpleNamespace(
        number=4, state=SimpleNamespace(name=state), value=2.0, params={LR: 0.01, SECOND: "16"}
    )
    trial.intermediate_values, trial.user_attrs = values, {}
    study: Any = SimpleNamespace(sweep=sweep(), folder=SimpleNamespace(run=lambda n: f"r/{n}"))
    found = _record(study, trial, best=False)
    assert (found["state"], found["score"], found["steps"]) == wanted
    assert (found["trial"], found["run"], found["error"]) == (4, "r/4", "")
    assert found["values"] == {LR: 0.01, SECOND: 16}


def test_a_key_is_named_by_its_last_part_unless_two_share_it() -> None:
    head, cells = rows(FOUND, sweep())
    assert head == ["trial", "", "state", "valid_loss", "steps", "lr", FIRST, SECOND]
    assert cells[1] == ["1", "*", "finished", "1.25", "20", "0.001", "5", "8"]
    assert cells[2][:3] == ["2", "", "pruned"]


def test_errors_have_a_column_where_there_is_one() -> None:
    failed = record(3, None, (0.1, 9, 8), state="failed", error="too large\nand more")
    head, cells = rows([*FOUND, failed], sweep())
    assert head[-1] == "error" and [row[-1] for row in cells] == ["", "", "", "too large"]
    assert cells[3][3] == ""


@pytest.mark.parametrize(("mode", "best"), [("min", (1.5, 1.25, 1.25)), ("max", (1.5, 1.5, 1.75))])
def test_a_picture_has_the_best_so_far(mode: str, best: tuple[float, ...]) -> None:
    every, so_far = pictures(FOUND, sweep(mode=mode))[0].curves
    assert (every.ys, so_far.ys) == ((1.5, 1.25, 1.75), best)


def test_each_key_has_a_picture_on_its_scale() -> None:
    _, lr, first, second = pictures(FOUND, sweep())
    assert lr.x_label == f"{LR} (power of ten)"
    assert np.allclose(lr.curves[0].xs, (-3, -2, -1)) and lr.curves[0].ys == (1.25, 1.5, 1.75)
    assert first.x_label == FIRST and first.curves[0].xs == (5, 6, 7)
    assert second.x_label == f"{SECOND} (0: 8, 1: 16)" and second.curves[0].xs == (0, 0, 1)
