"""Sequences that weigh more than others, and classes that are weighed by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import command, done

from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError

TABLE = "x,y,w\n1,a,2\n2,a,0.5\n3,b,0\n4,c,1\n"
DATA = {
    "type": "sequences",
    "path": "d.csv",
    "split": [1, 0, 0],
    "inputs": {"kind": "numbers", "key": "x"},
    "targets": {"kind": "class", "key": "y"},
}


def batch_of(folder: Path, table: str, **fields: Any) -> Any:
    (folder / "d.csv").write_text(table)
    text = json.dumps({**DATA, **fields})
    block = Sequences.model_validate_json(text, context={"catalog": Registry()})
    source = block.open(folder)
    (batch,) = source.batches("train", Layout(5, 1, tail=True), None)
    return batch


def test_a_column_weighs_its_sequences(tmp_path: Path) -> None:
    assert batch_of(tmp_path, TABLE, weight="w").weights.tolist() == [[2, 0.5, 0, 1, 0]]
    assert batch_of(tmp_path, TABLE).weights.tolist() == [[1, 1, 1, 1, 0]]
    table = "x,y,w\n1,a,0.5\n2,b,2\n"  # none that is 1
    assert batch_of(tmp_path, table, weight="w").weights[0, :2].tolist() == [0.5, 2]


def test_weights_stay_with_their_rows_and_may_only_lessen(tmp_path: Path) -> None:
    table = "x,y,w\n1,a,0.5\n2 3,a,0.25\n4,b,1\n"
    inputs = {"kind": "ids", "key": "x", "size": 4}
    batch = batch_of(tmp_path, table + "3,b,0.125\n", weight="w", inputs=inputs, skip_bad=True)
    assert batch.weights[-1].tolist() == [0.5, 0.25, 0.125, 0, 0]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("-1", "d.csv:2 [DATA_FIELD] w: expected a weight from 0 on, received -1 (repair it)"),
        ("", 'd.csv:2 [DATA_FIELD] w: expected a number, received ""'),
    ],
)
def test_a_weight_that_is_none_is_named(tmp_path: Path, cell: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        batch_of(tmp_path, f"x,y,w\n1,a,{cell}\n", weight="w")
    assert str(caught.value) == problem


def test_a_list_is_no_weight(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"x": 1, "y": "a", "w": [1]}\n')
    with pytest.raises(DataError) as caught:
        batch_of(tmp_path, "", path="d.jsonl", weight="w")
    assert str(caught.value) == "d.jsonl:1 [DATA_FIELD] w: expected a number, received [1]"


def test_a_weight_without_a_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='the header names no "v"'):
        batch_of(tmp_path, TABLE, weight="v")


def test_weights_that_are_all_0_are_told(tmp_path: Path) -> None:
    path, said = spec(tmp_path, [1, 1], weight="w"), "every weight of training is 0: nothing can"
    for weights, told in ((("0", "0"), True), (("0", "0.5"), False)):
        rows = [f"{t},{label},{weights[t % 2]}" for t, label in enumerate("abab")]
        (tmp_path / "d.csv").write_text("\n".join(["x,y,w", *rows]) + "\n")
        ran = done("check", "--data", path)
        assert (said in ran.out + ran.err) == told


def spec(folder: Path, weights: Any, **fields: Any) -> Path:
    (folder / "d.csv").write_text(TABLE)
    value = {
        "data": {**DATA, **fields},
        "model": {
            "layers": [{"type": "lstm", "units": 3}, {"type": "affine"}],
            "loss": {"type": "softmax_cross_entropy", "class_weights": weights},
        },
        "train": {"epochs": 3, "streams": 2, "optimizer": {"type": "sgd", "lr": 0.1}},
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("weights", ["balanced", {"c": 4.0}])
def test_classes_by_name_resume_exactly(tmp_path: Path, weights: Any) -> None:
    path = spec(tmp_path, weights, weight="w")
    done("run", path, "--out", tmp_path / "whole")
    done("run", path, "--out", tmp_path / "run", "--max-steps", 2)
    done("run", path, "--out", tmp_path / "run", "--resume", "must")
    whole, resumed = (
        (tmp_path / run / "metrics.jsonl").read_text().splitlines()[-1] for run in ("whole", "run")
    )
    assert whole == resumed
    stored = json.loads((tmp_path / "run" / "spec.json").read_text())["model"]["loss"]
    wanted = [4 / 6, 4 / 3, 4 / 3] if weights == "balanced" else [1, 1, 4]
    assert stored["class_weights"] == weights
    assert stored["id_weights"] == pytest.approx(wanted)


def test_a_class_that_there_is_not_is_named(tmp_path: Path) -> None:
    ran = command("check", "--data", spec(tmp_path, {"d": 2.0}))
    assert ran.code == 3
    message = "[SPEC_CLASS_WEIGHTS] model.loss.class_weights: there is no label 'd' (there are 'a'"
    assert message in ran.err


@pytest.mark.parametrize("weights", ["balance", {"a": 0}, {"a": "x"}, {}, [], 3])
def test_weights_of_another_form_are_named(tmp_path: Path, weights: Any) -> None:
    ran = command("check", spec(tmp_path, weights))
    assert ran.code == 3 and "model.loss.class_weights" in ran.err
    assert len(ran.err.splitlines()) == 1 and "constrained" not in ran.err
