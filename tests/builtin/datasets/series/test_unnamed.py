"""A file of several series, or without an order, of which no key tells: said in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import command

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.contracts.dataset import Layout

DAYS = [f"2024-01-{day:02}" for day in range(1, 21)]
TWO = [f"{day},{shop},{i}" for i, day in enumerate(DAYS) for shop in ("Köln", "Bonn")]
BOTH = (
    '"date" does not increase from row to row, but within each "shop" it does: the rows of 2 '
    'series are read as one (give "time": "date", "group": "shop")'
)
ORDER = (
    '"date" does not increase from row to row, and rows are read in their order '
    '(sort the file, and give "time": "date")'
)
LABELS = (
    '"shop" has 2 labels again and again, and nothing names it: all rows are read as one series '
    '(if each label is one, give "group": "shop")'
)


def words(folder: Path, head: str, lines: list[str], **fields: Any) -> str:
    (folder / "d.csv").write_text("\n".join([head, *lines]) + "\n")
    given = {"type": "series", "path": "d.csv", "columns": ["v"], "split": [1, 0, 0], **fields}
    return Series.model_validate_json(json.dumps(given)).open(folder).in_words(Layout(1, 4))


@pytest.mark.parametrize("lines", [TWO, sorted(TWO, key=lambda line: line.split(",")[1])])
def test_shops_in_turn_or_one_after_the_other(tmp_path: Path, lines: list[str]) -> None:
    assert BOTH in words(tmp_path, "date,shop,v", lines)
    named = words(tmp_path, "date,shop,v", lines, time="date", group="shop")
    assert "does not increase" not in named and "again and again" not in named


def test_dates_that_fall_or_repeat(tmp_path: Path) -> None:
    falling = [f"{day},{i}" for i, day in enumerate(reversed(DAYS))]
    assert ORDER in words(tmp_path, "date,v", falling)
    assert ORDER in words(tmp_path, "date,v", [f"{day},{i}" for day in DAYS for i in (1, 2)])
    assert ORDER in words(tmp_path, "date,shop,v", [line for line in TWO for _ in (1, 2)])


def test_labels_without_a_date(tmp_path: Path) -> None:
    assert LABELS in words(tmp_path, "shop,v", [line.partition(",")[2] for line in TWO])


def test_a_label_that_comes_back_is_one_of_several_in_turn(tmp_path: Path) -> None:
    shops = ["Köln"] * 8 + ["Bonn"] * 8 + ["Köln"] * 4
    assert LABELS in words(tmp_path, "shop,v", [f"{shop},{i}" for i, shop in enumerate(shops)])


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ("date,v", [f"{day},{i}" for i, day in enumerate(DAYS)]),
        ("date,weekday,v", [f"{day},{'ab'[i % 2]},{i}" for i, day in enumerate(DAYS)]),
        ("half,v", [f"{'ab'[i // 10]},{i}" for i in range(20)]),
        ("code,v", [f"{i % 2},{i}" for i in range(20)]),
        ("note,v", [f"{i}x,{i}" for i in range(20)]),
        ("v", [str(i) for i in range(20)]),
    ],
)
def test_nothing_is_said_of_what_is_in_order(tmp_path: Path, head: str, lines: list[str]) -> None:
    said = words(tmp_path, head, lines)
    assert "increase" not in said and "again and again" not in said


def test_the_cells_of_a_table_of_very_many_columns_are_not_looked_at(tmp_path: Path) -> None:
    """Each cell of Python would take many times its own size."""
    tail = "," + ",".join(f"c{i}" for i in range(12_000))
    for columns, told in ((100, True), (12_000, False)):
        more = tail.split(",")[1 : columns + 1]
        lines = [f"{line}{',0' * columns}" for line in TWO]
        said = words(tmp_path, ",".join(["date,shop,v", *more]), lines)
        assert (BOTH in said) == told


def test_check_and_run_say_it(tmp_path: Path) -> None:
    words(tmp_path, "date,shop,v", TWO)
    spec = {
        "data": {"type": "series", "path": "d.csv", "columns": ["v"]},
        "model": {
            "layers": [{"type": "rnn", "units": 2}, {"type": "affine"}],
            "loss": {"type": "mse"},
        },
        "train": {"epochs": 1, "optimizer": {"type": "sgd", "lr": 0.01}},
    }
    (tmp_path / "m.json").write_text(json.dumps(spec))
    for line in (["check", "--data"], ["run", "--out", tmp_path / "r"]):
        ran = command(*line, tmp_path / "m.json")
        assert ran.code == 0 and BOTH in ran.err
