"""Targets that a loss has no meaning for are found before a run, wherever they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import command, done
from helpers import write_spec as write

from rnnkit.contracts.dataset import SPLITS

SOFTMAX = (
    "softmax_cross_entropy needs a class, or probabilities that sum to 1, as a target, and one is "
    "[1, 1] (take mse, mae or huber for numbers)"
)
BINARY = (
    "binary_cross_entropy needs targets from 0 to 1, and one is 2 (give 0 and 1, or take mse, mae "
    "or huber for numbers)"
)


def spec(folder: Path, loss: str, odd: list[float] | None, split: str = "train") -> Path:
    """Write three splits with distributions as targets, in one of them an odd one."""
    for name in SPLITS:
        targets: list[Any] = [[0.25, 0.75]] * 5 + [odd if name == split else [1, 0]]
        rows = [json.dumps({"x": [n, 1], "y": target}) for n, target in enumerate(targets)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return write(
        folder,
        {
            "data": {
                "type": "sequences",
                **{name: f"{name}.jsonl" for name in SPLITS},
                "inputs": {"key": "x", "kind": "numbers"},
                "targets": {"key": "y", "kind": "numbers"},
            },
            "model": {
                "layers": [{"type": "rnn", "units": 2}, {"type": "affine"}],
                "loss": {"type": loss},
            },
            "train": {"epochs": 1, "streams": 3, "optimizer": {"type": "sgd", "lr": 0.1}},
        },
    )


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("loss", "odd", "said"),
    [
        ("softmax_cross_entropy", [1, 1], SOFTMAX),
        ("binary_cross_entropy", [0, 2], BINARY),
    ],
)
def test_a_wrong_target_is_told_before_a_run(
    tmp_path: Path, loss: str, odd: list[float], said: str, split: str
) -> None:
    path = spec(tmp_path, loss, odd, split)
    for line in (["check", path, "--data"], ["run", path, "--out", tmp_path / "run"]):
        ran = command(*line)
        assert (ran.code, f"the {split} split [DATA_TARGET] {said}" in ran.err) == (5, True)
    assert not (tmp_path / "run" / "spec.json").exists()


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_a_target_that_is_ignored_is_not_looked_at(tmp_path: Path, loss: str) -> None:
    done("check", spec(tmp_path, loss, None), "--data")
