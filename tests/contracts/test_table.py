"""Rows in memory: their names, and a digest of what they hold, whatever holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.contracts.table import MemoryTable


def digest(values: Any, name: str = "v") -> bytes:
    return MemoryTable({name: values}).digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [1.0, 2.0]),
        ([1, None, 2.5], [1.0, float("nan"), 2.5]),
        ([0.0], [-0.0]),
        ([[1, 2], [3]], [np.array([1.0, 2.0]), np.array([3], np.int8)]),
        ([[1, None]], [np.array([1.0, np.nan], np.float32)]),
        (["a", "b"], ("a", "b")),
    ],
)
def test_equal_values_have_one_digest(one: Any, other: Any) -> None:
    assert digest(one) == digest(other)


def test_other_values_have_another() -> None:
    held: list[Any] = [
        [1, 2],
        [2, 1],
        [1, None],
        [[1, 2]],
        [[1], [2]],
        ["1", "2"],
        ["12"],
        [["1", "2"]],
        [None, "1"],
        [True, False],
        [10**400, 1],
        [np.ones((2, 1))],
        [np.ones((1, 2))],
    ]
    assert len({digest(values) for values in held}) == len(held)
    assert digest([1, 2], "v") != digest([1, 2], "w")


def test_a_row_has_its_label_or_its_number() -> None:
    columns = {"v": [5, 6], "w": ["a", "b"]}
    named, plain = MemoryTable(columns, ["mon", "tue"]), MemoryTable(columns)
    assert [*named.rows()] == [{"v": 5, "w": "a"}, {"v": 6, "w": "b"}]
    assert [named.label(line) for line in (1, 2, 0, 3)] == ["mon", "tue", "-1", "2"]
    assert [plain.label(line) for line in (1, 2)] == ["0", "1"]
    assert (len(named), len(MemoryTable({}))) == (2, 0)
