"""The curves of runs: what is read of metrics.jsonl, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from rnnkit.analysis.plots import metrics
from rnnkit.analysis.plots.metrics import drawable_metrics, panels, read_history, smoothed
from rnnkit.errors import CheckpointError, RefusedError
from rnnkit.files.atomic import read_regular

LINES: list[dict[str, Any]] = [
    {"step": 2, "epoch": 0.5, "lr": 0.1, "gradient_norm": 3.0, "train_loss": 2.0},
    {"step": 4, "epoch": 1.0, "lr": 0.1, "gradient_norm": None, "train_loss": 1.0},
    {"step": 6, "epoch": 1.5, "lr": 0.1, "gradient_norm": 2.0, "train_loss": 0.0, "valid_loss": 4},
]


def run(folder: Path, lines: list[Any], tail: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "spec.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(v) + "\n" for v in lines) + tail)
    return folder


def test_each_metric_has_a_panel_with_a_curve_for_each_split(tmp_path: Path) -> None:
    history = read_history(run(tmp_path / "a", LINES))
    assert drawable_metrics([history]) == [
        "lr",
        "gradient_norm",
        "loss",
        "train_loss",
        "valid_loss",
    ]
    loss, norm = panels([history], ["loss", "gradient_norm"], log=False, smooth=0)
    assert [(c.name, c.xs, c.ys, c.style) for c in loss.curves] == [
        ("train_loss", (2, 4, 6), (2, 1, 0), "line"),
        ("valid_loss", (6,), (4,), "points"),
    ]
    assert math.isnan(norm.curves[0].ys[1])
    assert (norm.x_label, norm.y_label) == (
        "step (updates)",
        "gradient norm (L2, before clipping)",
    )


def test_several_runs_have_a_colour_each_and_their_names(tmp_path: Path) -> None:
    histories = [read_history(run(tmp_path / name, LINES)) for name in "ab"]
    (panel,) = panels(histories, ["train_loss"], log=False, smooth=0)
    assert [c.group for c in panel.curves] == [0, 1]
    assert [c.name for c in panel.curves] == [f"{tmp_path}/{n} train_loss" for n in "ab"]


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    whole = read_history(run(tmp_path / "a", LINES))
    torn = read_history(run(tmp_path / "a", LINES, tail='{"step": 8, "tr'))
    assert torn == whole


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("oops", "expected a JSON object with a step, received 'oops' (bring the file back)"),
        ({"epoch": 1}, "expected a JSON object with a step"),
        ({"step": 3, "lr": "high"}, "lr: expected a number or null, received 'high'"),
    ],
)
def test_a_line_that_no_run_writes(tmp_path: Path, row: object, said: str) -> None:
    folder = run(tmp_path / "a", LINES[:1])
    with open(folder / "metrics.jsonl", "a") as file:
        file.write((row if isinstance(row, str) else json.dumps(row)) + "\n")
    with pytest.raises(CheckpointError) as caught:
        read_history(folder)
    assert str(caught.value).startswith(f"{folder}/metrics.jsonl:2 [RUN_METRICS_LINE] {said}")


def test_no_run_and_no_metrics_yet(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as missing:
        read_history(tmp_path / "none")
    said = f"{tmp_path}/none [RUN_NOT_FOUND] holds no run (start one with rnnkit run)"
    assert str(missing.value) == said
    with pytest.raises(CheckpointError) as empty:
        read_history(run(tmp_path / "a", []))
    assert str(empty.value) == (
        f"{tmp_path}/a [RUN_NO_METRICS] has no metrics yet "
        "(the first line comes after train.every.log steps)"
    )


def test_smoothing_starts_without_a_bias_and_steps_over_gaps() -> None:
    assert smoothed([5.0, 5.0, 5.0], 0.9) == pytest.approx([5.0, 5.0, 5.0])
    assert smoothed([1.0, 3.0], 0.5) == pytest.approx([1.0, (0.5 * 1 + 3) / 1.5])
    assert smoothed([2.0, 7.0], 0.0) == [2.0, 7.0]
    first, gap, last = smoothed([1.0, math.nan, 3.0], 0.5)
    assert (first, last) == (1.0, pytest.approx(3.5 / 1.5)) and math.isnan(gap)


def test_evaluations_and_the_learning_rate_are_never_smoothed(tmp_path: Path) -> None:
    lines = [
        {"step": n, "lr": float(n), "train_loss": float(n), "valid_loss": float(n)} for n in (1, 2)
    ]
    history = read_history(run(tmp_path / "a", lines))
    loss, lr = panels([history], ["loss", "lr"], log=False, smooth=0.5)
    assert [c.ys[1] for c in (*loss.curves, *lr.curves)] == [pytest.approx(2.5 / 1.5), 2.0, 2.0]


@pytest.mark.parametrize(("times", "found"), [(0, True), (5, True), (6, False)])
def test_a_file_that_grows_is_read_once_more(
    times: int, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = run(tmp_path / "a", [{"step": 1, "loss": 2.0}]), 0

    def growing(path: Path, *given: Any) -> memoryview:
        nonlocal asked
        asked += 1
        if asked <= times:
            raise CheckpointError.of("RUN_NOT_REGULAR", "changed while it was read", path)
        return read_regular(path, *given)

    monkeypatch.setattr(metrics, "read_regular", growing)
    if found:
        assert [line["loss"] for line in read_history(folder).lines] == [2]
    else:
        with pytest.raises(CheckpointError, match="RUN_NOT_REGULAR"):
            read_history(folder)


def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = run(tmp_path / "a", [{"step": 1, "loss": 2.0}]), []

    def refused(path: Path, *given: Any) -> memoryview:
        asked.append(path)
        raise CheckpointError.of("RUN_TOO_LARGE", "is too large", path)

    monkeypatch.setattr(metrics, "read_regular", refused)
    with pytest.raises(CheckpointError, match="RUN_TOO_LARGE"):
        read_history(folder)
    assert len(asked) == 1
