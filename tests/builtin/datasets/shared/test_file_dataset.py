"""Which files data comes from, in what order, and how rows are dealt out to splits."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.shared.file_dataset import deal, file_names, split_values
from rnnkit.builtin.datasets.text.text import Text
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError


def test_the_files_of_a_pattern_come_in_the_order_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "b.txt").mkdir(parents=True)
    for name in ("c.txt", "a.txt", "deep/a.txt", "[x].txt", "x.txt"):
        (tmp_path / name).touch()
    once = glob.glob

    def unordered(*given: Any, **options: Any) -> list[str]:
        return sorted(once(*given, **options), reverse=True)

    monkeypatch.setattr(glob, "glob", unordered)
    assert file_names(tmp_path, "*.txt") == ["[x].txt", "a.txt", "c.txt", "x.txt"]
    assert file_names(tmp_path, "**/?.txt") == ["a.txt", "c.txt", "deep/a.txt", "x.txt"]
    assert file_names(tmp_path, ["x.txt", "[ac].txt"]) == ["x.txt", "a.txt", "c.txt"]
    assert file_names(tmp_path, "[x].txt") == ["[x].txt"]  # a file of this very name
    assert file_names(tmp_path, "none.txt") == ["none.txt"]  # the reader says that it is not there
    with pytest.raises(
        DataError, match=r"deep/\*\*b\.txt \[DATA_NOT_FOUND\] no file has such a na"
    ):
        file_names(tmp_path, "deep/**b.txt")


@pytest.mark.parametrize(
    ("rows", "shares", "sizes"),
    [
        (10, (0.7, 0.1, 0.2), {"train": 7, "valid": 1, "test": 2}),
        (10, (0.35, 0.25, 0.4), {"train": 4, "valid": 2, "test": 4}),
        (5, (1.0, 0.0, 0.0), {"train": 5}),
        (5, (0.0, 0.0, 1.0), {"test": 5}),
        (1, (0.8, 0.1, 0.1), {"train": 1}),
    ],
)
def test_splits_follow_each_other_in_shares_that_are_rounded(
    rows: int, shares: Any, sizes: dict[str, int]
) -> None:
    parts = split_values(np.arange(rows), shares)
    assert {split: len(part) for split, part in parts.items()} == sizes
    assert np.concatenate(list(parts.values())).tolist() == list(range(rows))


def test_rows_are_dealt_by_the_seed_and_keep_their_order() -> None:
    rows = [f"row {i}" for i in range(50)]
    plain, dealt = deal(rows, (0.8, 0.1, 0.1), None), deal(rows, (0.8, 0.1, 0.1), 3)
    assert plain == {"train": rows[:40], "valid": rows[40:45], "test": rows[45:]}
    assert {split: len(part) for split, part in dealt.items()} == {
        **{"train": 40, "valid": 5, "test": 5}
    }
    assert sorted(sum(map(list, dealt.values()), [])) == sorted(rows)
    assert all(list(part) == sorted(part, key=rows.index) for part in dealt.values())
    assert dealt != plain and dealt == deal(rows, (0.8, 0.1, 0.1), 3)
    assert dealt != deal(rows, (0.8, 0.1, 0.1), 4)


@pytest.mark.parametrize(
    ("files", "newest", "seen"),
    [
        ({"path": "a.csv", "split": [0.5, 0.25, 0.25]}, "a.csv", 0.5),
        ({"path": ["b.csv", "a.csv"], "split": [0.75, 0, 0.25]}, "a.csv", 0.75),
        ({"train": "a.csv"}, "a.csv", 1),
        ({"train": "a.csv", "valid": "b.csv"}, "b.csv", 0),
        ({"train": "a.csv", "valid": "b.csv", "test": "c.csv"}, "c.csv", 0),
    ],
)
def test_data_ends_with_the_last_of_its_files(
    files: dict[str, Any], newest: str, seen: float
) -> None:
    given = {"type": "series", "columns": ["v"], **files}
    block = Series.model_validate_json(json.dumps(given))
    assert block.newest(Path("d")) == (Path("d") / newest, seen)


def test_data_without_a_file_ends_with_none() -> None:
    block = {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}}
    with pytest.raises(NotImplementedError, match="newest"):
        Text.model_validate(block, context={"catalog": Registry()}).newest(Path())
