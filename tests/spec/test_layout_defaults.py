"""Streams and window fit the data where they are not given, and are obeyed where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import command, done

from rnnkit.api import load_spec
from rnnkit.contracts.dataset import Layout
from rnnkit.network.memory import open_data
from rnnkit.spec.layout_defaults import fitted_layout


@pytest.mark.parametrize(
    ("steps", "given", "found"),
    [
        (2048, [], (32, 64)),
        (2047, [], (8, 16)),
        (1024, [], (8, 16)),
        (583, [], (4, 16)),
        (40, [], (1, 4)),
        (3, [], (1, 1)),
        (0, [], (1, 1)),
        (583, ["streams"], (32, 2)),
        (583, ["window"], (1, 64)),
        (100, ["window"], (1, 64)),
        (30, ["window"], (1, 64)),
        (583, ["streams", "window"], (32, 64)),
    ],
)
def test_what_is_not_given_fits_the_data(
    steps: int, given: list[str], found: tuple[int, int]
) -> None:
    layout = Layout(32, 64, "window")
    fitted = fitted_layout(layout, given, lambda tried: steps // tried.streams // tried.window)
    assert (fitted.streams, fitted.window) == found
    assert fitted.reset == "window"


def write(folder: Path, rows: int, **train: Any) -> Path:
    (folder / "d.csv").write_text("v\n" + "".join(f"{t % 7}\n" for t in range(rows)))
    spec = {
        "data": {"type": "series", "path": "d.csv", "columns": ["v"]},
        "model": {
            "layers": [{"type": "rnn", "units": 4}, {"type": "affine"}],
            "loss": {"type": "mse"},
        },
        "train": {"epochs": 1, "optimizer": {"type": "adam", "lr": 0.02}, **train},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder / "spec.json"


CHOSEN = (
    "the data is too short for 32 streams of windows of 64: 4 of 16 are taken (give "
    '"streams" and "window" to choose others)\n'
)
READ = "4 streams x 145 steps, 9 windows of 16 an epoch"


def test_two_years_of_days_need_no_numbers(tmp_path: Path) -> None:
    spec = write(tmp_path, 730)
    assert done("check", spec, "--data").err.startswith(CHOSEN + READ)
    assert CHOSEN + READ in done("explain", spec).out
    ran = done("run", spec, "--out", tmp_path / "run")
    assert CHOSEN in ran.err and READ in ran.err
    stored = json.loads((tmp_path / "run" / "spec.json").read_text())["train"]
    assert (stored["streams"], stored["window"]) == (4, 16)
    again = done("run", spec, "--out", tmp_path / "run", "--resume", "auto", "-s", "train.epochs=2")
    assert "too short" not in again.err and "train.epochs: 1 -> 2" in again.err
    refused = command(
        "run", spec, "--out", tmp_path / "run", "--resume", "auto", "-s", "train.window=8"
    )
    assert refused.code == 8 and "train.window: 16 -> 8 cannot change on a resume" in refused.err


def test_an_explicit_number_is_obeyed_or_refused(tmp_path: Path) -> None:
    spec = write(tmp_path, 730, window=64)
    assert "1 streams x 583 steps, 9 windows of 64" in done("check", spec, "--data").err
    ran = command("check", write(tmp_path, 730, window=64, streams=32), "--data")
    assert ran.code == 5 and "the train split [DATA_TOO_SHORT] 584 rows, but 32 streams" in ran.err


def test_streams_of_whole_sequences_stay_what_they_are(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"x": [1, 2, i], "y": i}) + "\n" for i in range(5))
    (tmp_path / "d.jsonl").write_text(rows)
    value = json.loads(write(tmp_path, 5).read_text())
    numbers = {"kind": "numbers", "key": "x"}
    value["data"] = {"type": "sequences", "path": "d.jsonl", "inputs": numbers}
    value["data"] |= {"targets": {"kind": "numbers", "key": "y"}, "split": [1, 0, 0]}
    (tmp_path / "spec.json").write_text(json.dumps(value))
    spec = load_spec(tmp_path / "spec.json")
    assert spec.fitted(open_data(spec.data, tmp_path)).train == spec.train


def test_a_file_without_a_training_part_decides_nothing(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, 40))
    asked = spec.data.of_file(tmp_path / "d.csv")
    assert spec.fitted(asked.open(tmp_path)).train == spec.train
