"""What a check calls equal, and how it tells of what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.testing.compare import (
    EXACT,
    FLOOR,
    Close,
    Comparison,
    Condition,
    Equal,
    Slope,
    apart,
    close,
    expected,
    form,
)

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("got", "want", "tolerance", "told"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, None),
        ([1.0, 2.0], [1.0, 2.25], 0.125, None),  # 0.25 is no more than 0.125 of 2.25
        ([1.0, 2.0], [1.0, 2.5], 0.125, "a[1]: received 2, expected 2.5"),
        ([1.0, 2.0], [1.5, 4.0], 0.5, None),
        ([0.75, 2.0], [1.5, -4.0], 0.25, "a[1]: received 2, expected -4"),
        ([[1.0], [3.0]], [[1.0], [2.0]], 0.25, "a[1, 0]: received 3, expected 2"),
        (1.0, 2.0, 0.25, "a: received 1, expected 2"),
        ([FLOOR / 4], [0.0], 0.25, None),
        ([FLOOR / 2], [0.0], 0.25, "a[0]: received 0.0005, expected 0"),
        ([], [], 0.25, None),
        ([1.0], [1.0, 1.0], 0.25, "a: received the shape (1,), expected (2,)"),
        ([NAN], [NAN], 0.25, "a[0]: received nan, expected nan"),
        ([1.0, NAN], [1.0, 0.0], 0.25, "a[1]: received nan, expected 0"),
    ],
)
def test_two_arrays(got: Any, want: Any, tolerance: float, told: str | None) -> None:
    assert Close("a", np.array(got), np.array(want), tolerance).problem() == told


def test_numbers_of_float32_are_compared_in_float64() -> None:
    got, want = np.array([1.0], "f4"), np.array([1.0 + 2 * EXACT])
    assert Close("a", got, want).problem() == "a[0]: received 1, expected 1"
    assert Close("a", got, want, 4 * EXACT).problem() is None


@pytest.mark.parametrize(
    ("analytic", "numeric", "same"),
    [
        (1.0, 1.0, True),
        (1.0, 1.0 + 0.9e-6, True),
        (1.0 + 0.9e-6, 1.0, True),
        (1.0, 1.0 + 1.1e-6, False),
        (-100.0, -100.0 - 0.9e-4, True),
        (-100.0, -100.0 - 1.1e-4, False),
        (0.0, 0.9e-8, True),
        (0.0, 1.1e-8, False),
        (NAN, NAN, False),
    ],
)
def test_a_slope_is_as_near_as_two_calls_can_tell(
    analytic: float, numeric: float, same: bool
) -> None:
    told = f"a: analytic {analytic:.9g}, numeric {numeric:.9g}"
    assert Slope("a", analytic, numeric).problem() == (None if same else told)


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (Equal("a", 1, 1), None),
        (Equal("a", 1, 2), "a: received 1, expected 2"),
        (Condition(True, "no"), None),
        (Condition(False, "no"), "no"),
        (expected("a", True, "b", "c"), None),
        (expected("a", False, "b", "c"), "a: expected b, received c"),
    ],
)
def test_plain_values(one: Comparison, told: str | None) -> None:
    assert one.problem() == told


def test_arrays_that_share_memory() -> None:
    array = np.zeros(3)
    assert apart("a", array, "b", array.copy()).problem() is None
    assert apart("a", array, "b", array[1:]).problem() == "a shares its memory with b (copy it)"


def told(comparisons: Any) -> list[str]:
    return [each for one in comparisons if (each := one.problem()) is not None]


def test_arrays_by_name() -> None:
    one = {"x": np.zeros(1), "y": np.ones(1)}
    assert told(close(one, dict(reversed(one.items())))) == []
    assert told(close(one, {"x": np.ones(1), "y": np.ones(1)}, note=" there")) == [
        "x there[0]: received 0, expected 1"
    ]
    names = "names: received ['x', 'y'], expected ['x']"
    assert told(close(one, {"x": one["x"]})) == [names]
    assert told(close({"x": np.full(1, 0.75)}, {"x": np.ones(1)}, 0.25)) == []


@pytest.mark.parametrize(
    ("array", "finite", "problems"),
    [
        (np.zeros((2, 3), "f4"), True, []),
        (
            np.zeros((3, 2), "f4"),
            True,
            ["a: expected float32 of shape (2, 3), received float32 of (3, 2)"],
        ),
        (
            np.zeros((2, 3)),
            True,
            ["a: expected float32 of shape (2, 3), received float64 of (2, 3)"],
        ),
        (np.full((2, 3), NAN, "f4"), False, []),
        (
            np.full((2, 3), INF, "f4"),
            True,
            ["a holds NaN or infinity, from inputs and parameters that do not"],
        ),
    ],
)
def test_the_form_of_an_array(array: Any, finite: bool, problems: list[str]) -> None:
    assert told(form("a", array, (2, 3), np.dtype("f4"), finite)) == problems


def test_what_is_no_array_is_told_first() -> None:
    first = next(form("a", [1.0], (1,), np.dtype("f4")))
    assert first.problem() == "a: expected an array, received list"
