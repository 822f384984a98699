"""Cells of other programs as ours: each gate in its place, each bias where it is added."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.exchange.incoming.gates import PACKED, TheirCell, gates_in
from rnnkit.types import Array

OURS = {"lstm": "ifog", "gru": "rzn", "rnn": "h"}
UNITS, INPUTS = 2, 3


def marked(rows: int, gates: str, start: float) -> Array:
    """Return (rows, gates H) whose every number tells of its gate, its unit and its row."""
    columns = [start + 100.0 * "ifogrznh".index(gate) + unit for gate in gates for unit in (0, 1)]
    return np.array(columns) + 10.0 * np.arange(rows)[:, None]


def cell(program: str, kind: str, biases: int = 2, after: bool = True, done: str = "") -> TheirCell:
    theirs = PACKED[program][kind]
    given = [marked(1, theirs, 0.25)[0], marked(1, theirs, 0.5)[0]][:biases] or [None]
    names = {"Wx": ["x"], "Wh": ["h"], "b": ["b0", "b1"][:biases]}
    Wx, Wh = marked(INPUTS, theirs, 0.0), marked(UNITS, theirs, 5.0)
    return TheirCell(program, kind, Wx, Wh, given, names, after, done)


def bias(kind: str, start: float) -> Array:
    return marked(1, OURS[kind], start)[0]


@pytest.mark.parametrize("kind", list(OURS))
@pytest.mark.parametrize("program", list(PACKED))
def test_every_gate_of_every_program(program: str, kind: str) -> None:
    found, given = cell(program, kind, after=False).parameters()
    assert found == {"gru": "gru_reset_before"}.get(kind, kind)
    assert np.array_equal(given["Wx"].values, marked(INPUTS, OURS[kind], 0.0))
    assert np.array_equal(given["Wh"].values, marked(UNITS, OURS[kind], 5.0))
    assert np.array_equal(given["b"].values, bias(kind, 0.25) + bias(kind, 0.5))
    assert {key: each.theirs for key, each in given.items()} == {
        "Wx": ("x",),
        "Wh": ("h",),
        "b": ("b0", "b1"),
    }


@pytest.mark.parametrize("program", list(PACKED))
def test_the_bias_that_the_reset_gate_scales_stays_apart(program: str) -> None:
    found, given = cell(program, "gru").parameters()
    assert found == "gru"
    first, second = bias("gru", 0.25), bias("gru", 0.5)
    assert np.array_equal(given["bn"].values, second[-UNITS:])
    assert np.array_equal(given["b"].values, [*(first + second)[:-UNITS], *first[-UNITS:]])
    assert given["bn"].theirs == ("b0", "b1")


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("after", [False, True])
def test_a_bias_that_there_is_not_is_zero(after: bool, count: int) -> None:
    _, given = cell("torch", "gru", count, after).parameters()
    assert np.array_equal(given["b"].values, bias("gru", 0.25) * count)
    assert ("bn" in given) is after
    if after:
        assert np.array_equal(given["bn"].values, [0, 0])


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (
            cell("torch", "lstm", done="transposed"),
            {
                "Wx": "transposed, gates i f g o to i f o g",
                "Wh": "transposed, gates i f g o to i f o g",
                "b": "summed, gates i f g o to i f o g",
            },
        ),
        (
            cell("torch", "gru", done="transposed"),
            {
                "Wx": "transposed",
                "Wh": "transposed",
                "b": "summed, but for the candidate's",
                "bn": "of the candidate, recurrent",
            },
        ),
        (
            cell("keras", "gru", biases=1, after=False),
            {
                "Wx": "gates z r n to r z n",
                "Wh": "gates z r n to r z n",
                "b": "gates z r n to r z n",
            },
        ),
        (cell("keras", "rnn", biases=1), dict.fromkeys(("Wx", "Wh", "b"), "as it is")),
        (
            cell("torch", "gru", biases=0),
            {
                "Wx": "as it is",
                "Wh": "as it is",
                "b": "no bias there: zeros",
                "bn": "no bias there: zeros",
            },
        ),
    ],
)
def test_what_was_done_is_told(of: TheirCell, said: dict[str, str]) -> None:
    assert {key: each.done for key, each in of.parameters()[1].items()} == said


@pytest.mark.parametrize(
    ("shape", "gates"), [((2, 8), 4), ((2, 6), 3), ((2, 2), 1), ((2, 7), 0), ((0, 4), 0)]
)
def test_how_many_gates_a_matrix_has(shape: tuple[int, int], gates: int) -> None:
    assert gates_in(np.zeros(shape)) == gates
