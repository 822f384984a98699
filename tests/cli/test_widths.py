"""What fits a terminal: lists of runs and the end of a run, whole where no terminal is."""

from __future__ import annotations

from typing import Any

import pytest

from rnnkit.cli.common import SHORTEST, table
from rnnkit.cli.ls import HEAD, run_lines
from rnnkit.cli.training import FinalResult

PATH = "/home/me/a/long/path/to/all/the/runs/of/this/year/"
ROWS: list[dict[str, Any]] = [
    {
        "run": f"{PATH}{name}",
        "name": "model",
        "spec": "6899bd3c",
        "state": "finished",
        "step": 12000,
        "best": {"metric": "valid_loss", "value": 2.757, "step": 100},
        "when": "2026-11-26 19:10:14",
    }
    for name in ("one-1", "two-2")
]
WIDTHS = [60, 80, 100, 120]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_is_a_line(width: int) -> None:
    head, *lines = run_lines(ROWS, width).split("\n")
    assert len(lines) == 2 and max(map(len, (head, *lines))) <= width
    for line, end in zip(lines, ("one-1", "two-2"), strict=True):
        assert line.startswith("/home") and f"{end}  model  " in line
        assert "finished" in line and "valid_loss 2.757" in line
    shown = head.split()
    assert shown == [name for name in HEAD if name in shown]
    assert ("when" in shown, "spec" in shown) == (width > 60, width > 80)


def test_in_a_pipe_nothing_is_left_out() -> None:
    head, first, _ = run_lines(ROWS, None).split("\n")
    assert head.split() == [*HEAD]
    assert first.split("  ")[0] == f"{PATH}one-1"


def test_the_widest_column_is_cut_in_its_middle() -> None:
    rows = [("a" * 30 + "b" * 30, "c" * 30), ("short", "cells")]
    assert table(rows) == table(rows, width=None) == table(rows, width=92)
    assert table(rows, width=72).split("\n")[0] == "a" * 13 + "…" + "b" * 26 + "  " + "c" * 30
    assert len(table(rows, width=5).split("\n")[0]) == 2 * SHORTEST + 2


METRICS = {
    "loss": 0.67891,
    "bits_per_character": 1.25,
    "accuracy": 0.55,
    "exact_match": 0.5,
    "precision": 0.5505,
    "recall": 0.55,
    "f1": 0.5489,
}
HOW: dict[str, object] = {"streams": 4, "window": 64, "start": "zero state", "read": 20_000}


def test_the_end_of_a_run_in_a_pipe_is_a_line() -> None:
    assert FinalResult(METRICS, HOW).lines(None) == [
        "test  loss 0.6789  bits_per_character 1.25  accuracy 0.55  exact_match 0.5  "
        "precision 0.5505  recall 0.55  f1 0.5489  streams 4  window 64  start zero state  "
        "read 20,000"
    ]
    assert FinalResult().lines(None) == FinalResult().lines(80) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_end_of_a_run_on_a_terminal_is_a_table(width: int) -> None:
    *blocks, how = FinalResult(METRICS, HOW).lines(width)
    lines = [line for block in blocks for line in block.split("\n")]
    assert max(map(len, [*lines, how])) <= width
    assert how == "      streams 4  window 64  start zero state  read 20,000"
    names = [name for line in lines[::2] for name in line.split("  ") if name.strip()]
    values = [float(value) for line in lines[1::2] for value in line.split()[1:]]
    assert [name.strip().replace(" ", "_") for name in names] == [*METRICS]
    assert values == pytest.approx([*METRICS.values()], rel=1e-3)
    assert len(blocks) == (2 if width <= 80 else 1)
    long: dict[str, object] = {f"protocol_{k}": 10**9 for k in range(12)}
    rest = FinalResult({}, long).lines(width)
    assert max(map(len, rest)) <= width and " ".join(rest).count("protocol_") == 12
    if width == 100:
        assert lines == [
            "        loss  bits per character  accuracy  exact match  precision  recall      f1",
            "test  0.6789                1.25      0.55          0.5     0.5505    0.55  0.5489",
        ]
