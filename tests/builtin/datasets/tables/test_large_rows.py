"""Rows and headers of a million cells: linear in time, a few times the file in memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from helpers import command

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.tables.cells import Marks, TableCell
from rnnkit.builtin.datasets.tables.input_fields import Reads
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.builtin.datasets.tables.target_fields import Predicts
from rnnkit.builtin.datasets.tables.values import number_rows
from rnnkit.errors import DataError, ResourceError
from rnnkit.network.memory import open_data


def series(**fields: Any) -> Series:
    given = {"type": "series", "path": "s.csv", "columns": ["c5"], **fields}
    return Series.model_validate_json(json.dumps(given))


def peak(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_header_of_many_columns_takes_linear_time(tmp_path: Path) -> None:
    seconds = []
    for columns in (20_000, 200_000):
        head = ",".join(f"c{i}" for i in range(columns))
        rows = [",".join(["1.5"] * columns)] * 3
        (tmp_path / "s.csv").write_text("\n".join([head, *rows]))
        begun = process_time()
        series(split=[1, 0, 0]).open(tmp_path)
        seconds.append(process_time() - begun)
    assert seconds[1] < 60 * seconds[0]


def test_a_table_takes_a_few_times_its_file(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=40_000)
    text = "t,c5\n" + "".join(f"{t},{value:.4f}\n" for t, value in enumerate(values.tolist()))
    (tmp_path / "s.csv").write_text(text)
    block = series(time="t")
    block.open(tmp_path)
    assert peak(lambda: block.open(tmp_path)) < 7 * len(text)


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (TableCell("1 2.5\t-3e2\n4"), [[1], [2.5], [-300], [4]]),
        (TableCell("1 000,5", Marks(",", ",", " ")), [[1000.5]]),
        ([1, 2.5], [[1], [2.5]]),
        ([[1, 2], [3.5, 4]], [[1, 2], [3.5, 4]]),
        ([[1], 2], [[1], [2]]),
        (7, [[7]]),
        ([0, 1.5e-45, 3.4e38], [[0], [1.5e-45], [3.4e38]]),
    ],
)
def test_numbers_are_read_at_once_or_one_by_one(value: object, rows: list[list[float]]) -> None:
    found = number_rows(value, "x")
    assert found.tolist() == rows and found.dtype == np.float64


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, True], "x: expected a number, received true"),
        ([1, "2"], 'x: expected a number, received "2"'),
        ([1, 10**400], "float32"),
        ([1, 1e39], "x: 1e+39 is beyond 3.4e+38"),
        ([1, 1e-320], "below 1.4e-45"),
        ([[1, 2], [3]], "x: expected rows of one length"),
        ([[]], "x: expected rows of one length"),
        ([], "x: the sequence has length 0"),
        (TableCell("  "), "x: the sequence has length 0"),
        (TableCell("1 x"), 'x: expected a number, received "x"'),
    ],
)
def test_what_is_no_number_is_named(value: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        number_rows(value, "x")
    assert said in str(caught.value)


SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a wide header": (
        "d.csv",
        ",".join(f"c{i}" for i in range(120_000)) + "\n" + ",".join(["1"] * 120_000) + "\n" * 3,
        {"columns": ["c5"], "split": [1, 0, 0]},
    ),
    "short rows of time": ("d.csv", "c5\n" + "1\n2\n" * 60_000, {"columns": ["c5"]}),
    "one nested list": ("d.jsonl", '{"x": [' + ",".join(["[1]"] * 120_000) + '], "y": "a"}', {}),
    "lists that are empty": ("d.jsonl", '{"x": [' + ",".join(["[]"] * 150_000) + "]}", {}),
    "short rows": ("d.csv", "x,y\n" + "1,a\n2,b\n" * 10_000, {}),
    "an array of objects": ("d.json", "[" + '{"x":[1],"y":"a"},' * 9999 + '{"x":2,"y":"a"}]', {}),
}


@pytest.mark.parametrize(("name", "text", "fields"), SHAPES.values(), ids=SHAPES)
def test_the_budget_is_at_least_what_is_taken(
    name: str, text: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    given = {"path": name, **fields}
    block: Series | Sequences = (
        Series.model_validate_json(json.dumps(given))
        if fields
        else Sequences(
            path=name,
            split=(1, 0, 0),
            inputs=Reads(kind="numbers", key="x"),
            targets=Predicts(kind="class", key="y"),
        )
    )

    def read() -> None:
        with suppress(DataError):
            block.open(tmp_path)

    (tmp_path / name).write_text(text[: len(text) // 100] if name == "d.csv" else "{}")
    read()
    (tmp_path / name).write_text(text)
    taken, said = peak(read), block.reads(tmp_path)
    assert taken < said + 2**20
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    assert block.model_copy(update={"path": f"{name}.gz"}).reads(tmp_path) == said


def test_a_file_beyond_the_budget_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.csv").write_text("c5\n" + "1\n" * 400)
    assert series().reads(tmp_path) == 13 * 803 + 20 * 401
    assert series(path="nowhere.csv").reads(tmp_path) == 0
    with pytest.raises(ResourceError) as caught:
        open_data(series(), tmp_path, budget=6000)
    assert str(caught.value) == (
        "[MEM_BUDGET] to read the files of series data takes up to 18.5 KB, the budget is 6 KB "
        "(give less data, or --max-memory where a command has it)"
    )
    open_data(series(), tmp_path, budget=18459)
    spec = {
        "data": series().model_dump(mode="json"),
        "model": {"layers": [{"type": "affine"}], "loss": {"type": "mse"}},
        "train": {"epochs": 1, "optimizer": {"type": "sgd", "lr": 0.1}},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    monkeypatch.setattr("rnnkit.network.memory.default_budget", lambda held=0: 1000)
    for arguments in (
        ("check", tmp_path / "spec.json", "--data"),
        ("explain", tmp_path / "spec.json"),
    ):
        ran = command(*arguments)
        assert "[MEM_BUDGET] to read the files" in ran.err
