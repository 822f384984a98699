"""Targets that are missing weigh nothing, in every kind of target, and are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.datasets.shared.sequence_source import WholeSource
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.builtin.metrics.choice import choose_metrics
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.registry import Registry
from rnnkit.core.context import Context
from rnnkit.errors import DataError

NUMBERS = {"kind": "numbers", "key": "x"}
CLASS = {"kind": "class", "key": "y"}


def opened(folder: Path, text: str, name: str = "d.jsonl", **fields: Any) -> WholeSource:
    (folder / name).write_text(text)
    given = {"type": "sequences", "path": name, "split": [1, 0, 0], "inputs": NUMBERS, **fields}
    block = Sequences.model_validate_json(json.dumps(given), context={"catalog": Registry()})
    return block.open(folder)


def rows(*values: Any) -> str:
    return "".join(json.dumps({"x": [1, 2], "y": value}) + "\n" for value in values)


def one(source: WholeSource) -> Any:
    (batch,) = source.batches("train", Layout(4, 1, tail=True), None)
    return batch


def words(source: WholeSource) -> str:
    return source.in_words(Layout(4, 1))


def test_a_class_that_is_null(tmp_path: Path) -> None:
    source = opened(tmp_path, rows("a", None, "b"), targets=CLASS)
    batch = one(source)
    assert source.block.targets.labels == ("a", "b")
    assert source.meaning().counts == (1, 1)  # by which classes are balanced
    assert batch.targets[-1].tolist() == [0, -1, 1, 0]
    assert batch.weights[-1].tolist() == [1, 0, 1, 0]
    assert source.size("train") == 2
    assert words(source).endswith("; 1 target is ignored: 1 as missing")


def test_an_empty_cell(tmp_path: Path) -> None:
    source = opened(tmp_path, "x,y\n1,a\n2,\n3,b\n", "d.csv", targets=CLASS)
    assert one(source).weights.tolist() == [[1, 0, 1, 0]]


def test_an_empty_text_of_json_is_still_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d.jsonl:2 \[DATA_EMPTY\] y: the class is missing"):
        opened(tmp_path, rows("a", "", "b"), targets=CLASS)


def test_tags_that_are_null_one_by_one_and_all(tmp_path: Path) -> None:
    source = opened(tmp_path, rows(["X", None], None, ["Y", "X"]), targets={**CLASS, "each": True})
    batch = one(source)
    assert batch.targets[:, :3].T.tolist() == [[0, -1], [-1, -1], [1, 0]]
    assert batch.weights[:, :3].T.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert "3 targets are ignored: 3 as missing" in words(source)


def test_minus_one_among_ids(tmp_path: Path) -> None:
    source = opened(tmp_path, rows([0, -1], [1, None]), targets={**CLASS, "each": True})
    assert source.block.targets.labels == ("0", "1")
    assert one(source).targets[:, :2].T.tolist() == [[0, -1], [1, -1]]
    assert words(source).endswith(
        '2 targets are ignored: 1 as missing and 1 as -1 (name "-1" in "labels" to make it a class)'
    )


@pytest.mark.parametrize(
    ("values", "labels", "wanted"),
    [
        ((-1, 1), None, ("-1", "1")),
        ((-1, 0), None, ("-1", "0")),
        ((-1, 0, "a"), None, ("-1", "0", "a")),
        ((-1, 0, 1), ["-1", "0", "1"], ("-1", "0", "1")),
    ],
)
def test_minus_one_is_a_class_elsewhere(
    tmp_path: Path, values: Any, labels: Any, wanted: tuple[str, ...]
) -> None:
    source = opened(tmp_path, rows(*values), targets={**CLASS, "labels": labels})
    assert source.block.targets.labels == wanted
    assert source.size("train") == len(values)
    assert "ignored" not in words(source)


@pytest.mark.parametrize("scale", ["none", "standard"])
def test_a_row_with_a_number_that_is_missing(tmp_path: Path, scale: str) -> None:
    targets = {"kind": "numbers", "key": "y", "scale": scale}
    source = opened(tmp_path, rows([1, 2], [3, None], None, [5, 4]), targets=targets)
    batch = one(source)
    assert batch.weights[-1].tolist() == [1, 0, 0, 1]
    assert np.isfinite(batch.targets).all()
    units = source.block.to_units(batch.targets[-1])
    assert units[[0, 3]].tolist() == [[1, 2], [5, 4]]


def test_columns_of_numbers_and_steps_that_are_missing(tmp_path: Path) -> None:
    keys = {"kind": "numbers", "keys": ["y", "z"]}
    source = opened(tmp_path, "x,y,z\n1,2,3\n1,,4\n1,5,6\n", "d.csv", targets=keys)
    assert one(source).weights.tolist() == [[1, 0, 1, 0]]
    steps = {"kind": "numbers", "key": "y", "each": True}
    source = opened(tmp_path, rows([[1, 2], None], None, [[3, 4], [5, 6]]), targets=steps)
    assert one(source).weights[:, :3].T.tolist() == [[1, 0], [0, 0], [1, 1]]


def test_nothing_to_learn_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path, rows(None, None), targets=CLASS)
    assert str(caught.value) == (
        "d.jsonl [DATA_TOO_SHORT] y: no target of training is there to learn from (give some rows "
        "theirs)"
    )


def test_a_text_that_is_null_is_named(tmp_path: Path) -> None:
    text = json.dumps({"x": "a", "y": None})
    inputs = {"kind": "class", "key": "x"}
    with pytest.raises(DataError, match=r"\[DATA_FIELD\] y: expected a text, received null"):
        opened(tmp_path, text, inputs=inputs, targets={"kind": "text", "key": "y"})


@pytest.mark.parametrize(
    ("targets", "values", "loss"),
    [
        ({**CLASS, "each": True}, (["a", "b"], ["b", "a"]), SoftmaxCrossEntropy()),
        ({"kind": "numbers", "key": "y", "each": True}, ([3, 4], [5, 6]), MSE()),
    ],
    ids=["tags", "numbers"],
)
def test_what_is_ignored_changes_neither_loss_nor_metrics(
    tmp_path: Path, targets: Any, values: Any, loss: Loss
) -> None:
    def measured(*more: Any) -> tuple[float, dict[str, float]]:
        source = opened(tmp_path, rows(*values, *more), targets=targets)
        batch = one(source)
        width = source.targets.known()
        ys = np.random.default_rng(0).normal(size=(*batch.weights.shape, width))
        ys = ys.astype(np.float32)
        total, weight, backward = loss.forward(ys, batch.targets, batch.weights, Context())
        found = {}
        for metric in choose_metrics(loss, width, source, "train"):
            metric.add(ys, batch.targets, batch.weights, batch.resets)
            found |= metric.report()
        assert not backward()[:, len(values) :].any()
        return total / weight, found

    assert measured() == measured(None, [None, None])


def test_marks_alone_are_told_alone(tmp_path: Path) -> None:
    source = opened(tmp_path, rows(0, -1, 1), targets=CLASS)
    assert words(source).endswith(
        '1 target is ignored: 1 as -1 (name "-1" in "labels" to make it a class)'
    )


@pytest.mark.parametrize(("values", "shown"), [((5, 5), "5.0"), (([5, 6], [5, 6]), "[5.0, 6.0]")])
def test_numbers_that_are_all_alike_are_told_in_their_units(
    tmp_path: Path, values: Any, shown: str
) -> None:
    targets = {"kind": "numbers", "key": "y", "scale": "standard"}
    source = opened(tmp_path, rows(*values), targets=targets)
    assert f"every target of training is {shown}: nothing else" in words(source)
