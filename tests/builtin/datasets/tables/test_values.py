"""Values of a row: the last that is taken, the first that is not, and what is said of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnkit.builtin.datasets.tables.examples import Parsed, fitted_on
from rnnkit.builtin.datasets.tables.values import (
    check_ids,
    class_ids,
    class_name,
    classes,
    number_rows,
    single,
    step_of,
    weight_of,
    wide,
)
from rnnkit.core.block import MAX_WIDTH
from rnnkit.errors import DataError


@pytest.mark.parametrize(("wrong", "shown"), [(-1, "-1"), (4, "4"), (1.5, "1.5"), (7, "7")])
def test_ids_are_integers_below_the_size(wrong: float, shown: str) -> None:
    check_ids(np.array([0, 3, 1.0]), 4, "x")
    with pytest.raises(DataError) as caught:
        check_ids(np.array([0, wrong, 3]), 4, "x")
    said = f"[DATA_ID] x: expected ids from 0 to 3, received {shown} "
    assert str(caught.value) == f'{said}(repair it, or give a larger "size")'


def test_a_size_that_cannot_be_larger_is_not_advised() -> None:
    check_ids(np.array([MAX_WIDTH - 1]), MAX_WIDTH, "x")
    with pytest.raises(DataError, match=rf"received {MAX_WIDTH} \(repair it\)$"):
        check_ids(np.array([MAX_WIDTH]), MAX_WIDTH, "x")
    with pytest.raises(DataError, match='or give a larger "size"'):
        check_ids(np.array([MAX_WIDTH]), MAX_WIDTH - 1, "x")


LARGEST, SMALLEST = float(np.finfo(np.float32).max), 2.0**-149


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, SMALLEST, -SMALLEST, 0.0, 0, True - 1])
def test_every_float32_is_a_number(value: float) -> None:
    assert number_rows([value, 1.5], "x").tolist() == [[value], [1.5]]
    assert single(value, "x") == single([value], "x") == value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3.5e38, "3.5e+38 is beyond 3.4e+38, the largest float32 (give it in another unit"),
        (-(10**400), "00000000... is beyond 3.4e+38, the largest float32"),
        (1e-46, "1e-46 is below 1.4e-45, the smallest float32"),
        (math.nan, "nan is no finite number (take the row out, or fill in a number)"),
        (-math.inf, "-inf is no finite number"),
    ],
)
def test_what_no_float32_holds(value: float, said: str) -> None:
    for given in ([value], [[1.0, value]], [1.0, value]):
        with pytest.raises(DataError, match=r"^\[DATA_NAN\] x: ") as caught:
            number_rows(given, "x")
        assert said.removeprefix("00000000...") in str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.5", 'expected a number, received "1.5" (remove the quotes)'),
        ("1,5", 'expected a number, received "1,5"'),
        (True, "expected a number, received true"),
        (None, "expected a number, received null"),
        ([], "the sequence has length 0 (take the row out, or give it a step)"),
        ([[]], "expected rows of one length, received [[]]"),
        (np.ones((3, 0)), "expected numbers (T,) or (T, F), received an array (3, 0) of float64"),
        (
            np.ones((1, 1, 1)),
            "expected numbers (T,) or (T, F), received an array (1, 1, 1) of float64",
        ),
        ([[1], [1, 2]], "expected rows of one length, received [[1], [1, 2]]"),
        ([1, [1, 2]], "expected rows of one length, received [1, [1, 2]]"),
    ],
)
def test_what_is_no_row_of_numbers(value: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        number_rows(value, "x")
    assert str(caught.value).split("] x: ")[1] == said


def test_a_gap_is_nan_and_may_be_a_whole_row() -> None:
    found = number_rows([[1, 2], None, [None, 4.5]], "x", gaps=True)
    assert np.array_equal(found, [[1, 2], [math.nan] * 2, [math.nan, 4.5]], equal_nan=True)
    assert math.isnan(single(None, "x", gaps=True))
    assert np.array_equal(step_of({"a": 1, "b": None}, ["b", "a"], True), [math.nan, 1], True)


@pytest.mark.parametrize("value", [[], [1, 2]])
def test_one_number_is_one(value: list[float]) -> None:
    with pytest.raises(
        DataError, match=r"x: expected one number, received \[.*\] \(a row is one step"
    ):
        single(value, "x")


def test_rows_are_as_wide_as_in_training() -> None:
    rows = np.ones((3, 2))
    assert wide(rows, 2, "x") is rows
    for width, words in ((1, "1 number a step"), (3, "3 numbers a step")):
        with pytest.raises(DataError, match=f"x: expected {words}, as in training, received 2 "):
            wide(rows, width, "x")


def test_a_weight_is_not_below_nothing() -> None:
    assert weight_of({"w": 0}, "w") == 0 and weight_of({"w": 2.5}, "w") == 2.5
    with pytest.raises(DataError, match=r"w: expected a weight from 0 on, received -0\.5 "):
        weight_of({"w": -0.5}, "w")


def test_the_names_of_classes() -> None:
    assert [class_name(value, "y") for value in ("a", 3, True)] == ["a", "3", "true"]
    assert classes(["b", "a", "b"], None) == ("a", "b")
    assert classes(["b", "a"], ("c", "a", "b")) == ("c", "a", "b")
    encode = class_ids(("a", "b"), ("-1", None))
    assert encode(["b", None, "a", "-1"], "y").tolist() == [1, -1, 0, -1]
    with pytest.raises(DataError, match=r'"c" was never seen in training \(there are "a", "b"\)$'):
        encode(["a", "c"], "y")
    letters = "abcdefghi"
    for count, known in ((8, '"g", "h")'), (9, '"g", "h", ...)')):
        with pytest.raises(DataError) as caught:
            class_ids(letters[:count])(["z"], "y")
        assert str(caught.value).endswith(known)
    for wrong, code in (("", "DATA_EMPTY"), (1.5, "DATA_FIELD")):
        with pytest.raises(DataError, match=code):
            class_name(wrong, "y")


def test_what_is_learned_is_learned_from_training_alone_where_there_is_any() -> None:
    first, second, third = (Parsed("d", line, "", 0) for line in (1, 2, 3))
    assert fitted_on({"train": [first], "valid": [second]}) == [first]
    assert fitted_on({"valid": [second], "test": [third]}) == [second, third]
