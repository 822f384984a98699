"""Data that leaves nothing to choose: told, trained, and answered with certainty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import command, done

from rnnkit.builtin.datasets.shared.batches import Order
from rnnkit.builtin.datasets.shared.sequence_source import WholeSource
from rnnkit.contracts.registry import Registry
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError

RECURRENT = [{"type": "lstm", "units": 3}, {"type": "affine"}]
TEXT = {"kind": "text", "key": "x", "tokenizer": {"type": "char"}}
TOKENS = {"kind": "tokens", "key": "x"}
LABEL = {"kind": "class", "key": "y"}

KINDS: dict[str, tuple[Any, Any, list[Any], str, Any]] = {
    "label": (TEXT, LABEL, [["good", "pos"], ["nice", "pos"]], '"pos"', "pos"),
    "tags": (TOKENS, {**LABEL, "each": True}, [["a", "b"], ["N", "N"]], '"N"', ["N", "N"]),
    "one id": ({"kind": "ids", "key": "x"}, LABEL, [[[0], "pos"]], '"pos"', "pos"),
    "one row": ({"kind": "numbers", "key": "x"}, LABEL, [[[1], "pos"]], '"pos"', "pos"),
}


def spec(folder: Path, kind: str) -> Path:
    inputs, targets, rows, _, _ = KINDS[kind]
    if kind == "tags":
        rows = [rows]
    lines = [json.dumps({"x": x, "y": y}) for x, y in rows]
    (folder / "d.jsonl").write_text("\n".join(lines))
    first = [] if inputs["kind"] == "numbers" else [{"type": "one_hot"}]
    data = {"type": "sequences", "path": "d.jsonl", "split": [1, 0, 0]}
    value = {
        "data": {**data, "inputs": inputs, "targets": targets},
        "model": {"layers": [*first, *RECURRENT], "loss": {"type": "softmax_cross_entropy"}},
        "train": {"epochs": 1, "streams": 2, "optimizer": {"type": "sgd", "lr": 0.1}},
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_is_told_and_predicted(tmp_path: Path, kind: str) -> None:
    path, (*_, shown, label) = spec(tmp_path, kind), KINDS[kind]
    told = f"every target of training is {shown}: nothing else can be learned"
    assert told in done("check", "--data", path).err
    assert told in done("run", path, "--out", tmp_path / "run").err
    for options in ([], ["--top", 3]):
        out = done("predict", tmp_path / "run", tmp_path / "d.jsonl", *options).out
        found = json.loads(out.splitlines()[0])
        one = 1.0 if isinstance(label, str) else [1.0, 1.0]
        assert found == {"line": 1, "label": label, "probability": one}
    measured = json.loads(done("eval", tmp_path / "run", "--split", "train", "--json").out)
    assert measured["metrics"]["accuracy"] == 1


def test_a_split_that_there_is_not_is_named(tmp_path: Path) -> None:
    value = json.loads(spec(tmp_path, "label").read_text())
    value["data"]["split"] = [0, 0.5, 0.5]
    (tmp_path / "spec.json").write_text(json.dumps(value))
    ran = command("check", "--data", tmp_path / "spec.json")
    assert ran.code == 5 and "there is no train split (there is valid, test)" in ran.err


def test_no_row_that_is_left_is_named() -> None:
    empty = WholeSource(
        block=Registry().find("rnnkit.datasets", "sequences").model_construct(),
        parts={},
        sha256="",
        inputs=Signal(1),
        targets=Signal(1),
        unit="step",
        order=Order(),
    )
    with pytest.raises(DataError) as caught:
        empty.size("train")
    assert str(caught.value) == (
        "[DATA_NO_SPLIT] there is no train split (there is none: no row of the data is left)"
    )
