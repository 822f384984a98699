"""Several files as one source, of series and of sequences: edges, scales, order, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError

LENGTHS = {"a": 10, "b": 20, "c": 30}
HUNDREDS = {"a": 100.0, "b": 200.0, "c": 300.0}


def values(name: str) -> Any:
    """Return the column of a file: 100, 101, ... in a, 200, 201, ... in b."""
    return HUNDREDS[name] + np.arange(LENGTHS[name])


def folder(root: Path) -> Path:
    """Write the files, the last of them first."""
    for name in reversed(LENGTHS):
        rows = "".join(f"{value}\n" for value in values(name))
        (root / f"{name}.csv").write_text(f"v\n{rows}")
    return root


def series(path: Any, **fields: Any) -> Series:
    given = {"type": "series", "path": path, "columns": ["v"], "scale": "none", **fields}
    return Series.model_validate_json(json.dumps(given))


def sequences(path: Any, **fields: Any) -> Sequences:
    numbers = {"inputs": {"kind": "numbers", "key": "x"}, "targets": {"kind": "class", "key": "y"}}
    given = {"type": "sequences", "path": path, "split": [1, 0, 0], **numbers, **fields}
    return Sequences.model_validate_json(json.dumps(given), context={"catalog": Registry()})


@pytest.mark.parametrize(
    ("path", "order"),
    [("*.csv", "abc"), (["c.csv", "a.csv"], "ca"), (["b.csv", "[ac].csv"], "bac")],
)
def test_each_file_is_a_series_in_the_order_given(tmp_path: Path, path: Any, order: str) -> None:
    source = series(path, split=[1, 0, 0]).open(folder(tmp_path))
    part = source.part("train")
    assert part.read[:, 0].tolist() == np.concatenate([values(name) for name in order]).tolist()
    lengths = [LENGTHS[name] for name in order]
    assert part.starts == tuple(np.cumsum([0, *lengths[:-1]]))
    assert part.places.tolist() == [i for length in lengths for i in range(length)]


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_state_is_reset_where_a_file_begins_and_no_target_is_of_another(
    tmp_path: Path, horizon: int
) -> None:
    source = series("*.csv", split=[1, 0, 0], horizon=horizon).open(folder(tmp_path))
    found = list(source.batches("train", Layout(1, 1), None))
    read = np.concatenate([batch.inputs[:, 0, 0] for batch in found])
    wanted = np.concatenate([batch.targets[:, 0, 0] for batch in found])
    resets = np.concatenate([batch.resets[:, 0] for batch in found])
    assert read.tolist() == np.concatenate([values(name)[:-horizon] for name in "abc"]).tolist()
    assert (wanted == read + horizon).all()
    assert read[resets].tolist() == list(HUNDREDS.values())


def test_each_file_is_cut_in_time_and_all_training_parts_make_the_scale(tmp_path: Path) -> None:
    source = series("*.csv", split=[0.5, 0.3, 0.2], scale="standard").open(folder(tmp_path))
    for split, first, last in (("train", 0.0, 0.5), ("valid", 0.5, 0.8), ("test", 0.8, 1.0)):
        pieces = [values(n)[round(first * k) : round(last * k)] for n, k in LENGTHS.items()]
        part = source.part(split)
        assert part.read[:, 0].tolist() == np.concatenate(pieces).tolist()
        assert part.starts == tuple(np.cumsum([0, *map(len, pieces[:-1])]))
    train = np.concatenate([values(name)[: k // 2] for name, k in LENGTHS.items()])
    scaler = source.block.inputs_scaler
    assert scaler is not None
    assert scaler.scaled(train[:, None])[:, 0] == pytest.approx(
        (train - train.mean()) / train.std()
    )


def test_an_error_of_a_series_names_file_and_line(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "b.csv").write_text("v\n1\nx\n")
    (tmp_path / "c.csv").write_text("v\n1\n2\n\ny\n")
    with pytest.raises(DataError) as caught:
        series("*.csv").open(tmp_path)
    first, second = str(caught.value).splitlines()[:2]
    assert first.startswith('b.csv:3 [DATA_FIELD] v: expected a number, received "x"')
    assert second.startswith("c.csv:4 [DATA_EMPTY] the line is empty, which is a missing value")


def rows(name: str) -> list[dict[str, Any]]:
    """Return the sequences of a file, with as many steps as none of another."""
    steps = {"a": (1, 2), "b": (3, 4, 5)}[name]
    return [{"x": [[HUNDREDS[name] + i] for i in range(n)], "y": f"{name}{n}"} for n in steps]


def write_rows(root: Path) -> Path:
    for name in "ba":
        (root / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(name)))
    return root


@pytest.mark.parametrize(("path", "order"), [("*.jsonl", "ab"), (["b.jsonl", "a.jsonl"], "ba")])
def test_sequences_of_all_files_are_one_set(tmp_path: Path, path: Any, order: str) -> None:
    source = sequences(path, bucket=1).open(write_rows(tmp_path))
    (batch,) = source.batches("train", Layout(5, 1, tail=True), None)
    wanted = {row["y"]: [x[0] for x in row["x"]] for name in order for row in rows(name)}
    labels = source.block.targets.labels
    assert labels is not None and sorted(labels) == sorted(wanted)
    for stream in range(5):
        valid = batch.valid[:, stream]
        label = labels[int(batch.targets[-1, stream])]
        assert batch.inputs[valid, stream, 0].tolist() == wanted.pop(label)
    assert not wanted


def test_a_scale_of_sequences_is_that_of_all_training_parts(tmp_path: Path) -> None:
    numbers = {"kind": "numbers", "key": "x", "scale": "standard"}
    source = sequences("*.jsonl", inputs=numbers).open(write_rows(tmp_path))
    steps = np.array([x for name in "ab" for row in rows(name) for x in row["x"]])
    scaler = source.block.inputs.scaler
    assert scaler is not None
    assert scaler.scaled(steps) == pytest.approx((steps - steps.mean()) / steps.std())


def test_an_error_of_sequences_names_file_and_line(tmp_path: Path) -> None:
    write_rows(tmp_path)
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write('{"x": [["?"]], "y": "b"}\n')
    with pytest.raises(DataError) as caught:
        sequences("*.jsonl").open(tmp_path)
    assert str(caught.value).startswith("b.jsonl:4 [DATA_FIELD] x: ")
