"""What is read of the recurrent operators of ONNX, and what is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.types import Array

pytest.importorskip("onnx", reason="ONNX is not installed (pip install rnnkit[onnx])")
from onnx_graphs import cell, drawn, node, read  # noqa: E402


def in_gates(array: Array, order: list[int]) -> Array:
    """Return rows of gates (gates H, ...) in another order."""
    return np.concatenate([np.split(array, len(order))[at] for at in order])


LSTM, GRU = [0, 2, 1, 3], [1, 0, 2]
"""Our gates by the places that they have in ONNX."""


def test_every_gate_of_a_cell() -> None:
    weights = cell(4)
    found = read(node("LSTM", "x W R B"), **weights)
    (layer,) = found.layers
    given = layer.forms["lstm"]
    assert (layer.name, layer.usual, layer.direction, layer.settings) == ("lstm", "lstm", "", {})
    assert np.array_equal(given["Wx"].values, in_gates(weights["W"][0], LSTM).T)
    assert np.array_equal(given["Wh"].values, in_gates(weights["R"][0], LSTM).T)
    first, second = (in_gates(half, LSTM) for half in np.split(weights["B"][0], 2))
    assert np.array_equal(given["b"].values, first + second)
    assert [given[key].theirs for key in ("Wx", "Wh", "b")] == [("W",), ("R",), ("B",)]
    assert given["Wx"].done == "transposed, gates i o f g to i f o g"
    assert not found.wrong and not found.left and found.ordered and found.last == ""
    bare = read(node("LSTM", "x W R"), **cell(4, bias=False)).layers[0].forms["lstm"]["b"]
    assert not bare.values.any() and bare.theirs == ()


@pytest.mark.parametrize("after", [0, 1])
def test_how_a_gru_resets(after: int) -> None:
    weights = cell(3)
    (layer,) = read(node("GRU", "x W R B", linear_before_reset=after), **weights).layers
    assert list(layer.forms) == ["gru" if after else "gru_reset_before"]
    first, second = (in_gates(half, GRU) for half in np.split(weights["B"][0], 2))
    given = layer.forms[layer.usual]
    if after:
        assert np.array_equal(given["bn"].values, second[-2:])
        second[-2:] = 0
    assert np.array_equal(given["b"].values, first + second)


@pytest.mark.parametrize(("named", "ours"), [(None, "tanh"), ("Tanh", "tanh"), ("Relu", "relu")])
def test_both_directions_and_the_activation_of_a_plain_cell(named: str | None, ours: str) -> None:
    weights, settings = cell(1, ways=2), {"activations": [named] * 2} if named else {}
    found = read(node("RNN", "x W R B", direction="bidirectional", **settings), **weights)
    assert not found.wrong
    assert [(e.name, e.direction, e.settings) for e in found.layers] == [
        ("rnn.forward", "forward", {"activation": ours}),
        ("rnn.backward", "backward", {"activation": ours}),
    ]
    for layer, W, R, B in zip(found.layers, *weights.values(), strict=True):
        given = layer.forms["rnn"]
        assert np.array_equal(given["Wx"].values, W.T) and np.array_equal(given["Wh"].values, R.T)
        assert np.array_equal(given["b"].values, B[:2] + B[2:])


ZERO, ONE = np.zeros((1, 1, 2), "f4"), np.ones((1, 1, 2), "f4")


@pytest.mark.parametrize(
    ("one", "more", "why"),
    [
        (node("LSTM", "x W R B - h c"), {"h": ZERO, "c": ZERO}, ""),
        (
            node("LSTM", "x W R B - h c"),
            {"h": ONE, "c": ZERO},
            "a first state that is not zero (h)",
        ),
        (
            node("LSTM", "x W R B - h c"),
            {"h": ZERO, "c": ONE},
            "a first state that is not zero (c)",
        ),
        (node("LSTM", "x W R B n"), {"n": np.ones(1, "i4")}, ""),
        (node("LSTM", "x W R B x"), {}, ""),
        (node("LSTM", "x W R B", activations=["Sigmoid", "Tanh", "Tanh"]), {}, ""),
        (node("LSTM", "x W R B - - - p"), {"p": drawn(1, 6)}, "peepholes, which no layer here has"),
        (node("LSTM", "x W R B", clip=2.0), {}, "clip 2.0, which no layer here has"),
        (node("LSTM", "x W R B", clip=0.0, input_forget=0), {}, ""),
        (node("LSTM", "x W R B", input_forget=1), {}, "input_forget 1, which no layer here has"),
        (
            node("LSTM", "x W R B", direction="reverse"),
            {},
            "direction 'reverse' alone, which no layer here has",
        ),
        (
            node("LSTM", "x W R B", activations=["Sigmoid", "Tanh", "Relu"]),
            {},
            "the activations Sigmoid, Tanh, Relu, and ours has Sigmoid, Tanh, Tanh",
        ),
        (
            node("LSTM", "x W R B", activations=["Relu"]),
            {},
            "the activations Relu, and ours has Sigmoid, Tanh, Tanh",
        ),
        (node("LSTM", "x W R b0"), {}, "its weights are computed by the graph"),
        (node("LSTM", "x W x B"), {}, "its weights are computed by the graph"),
        (node("LSTM", "x x R B"), {}, "its weights are computed by the graph"),
    ],
)
def test_what_of_a_cell_no_layer_here_has(one: Any, more: dict[str, Array], why: str) -> None:
    found = read(one, **cell(4), **more)
    assert found.wrong == ((f"operator LSTM (lstm): {why}",) if why else ())
    assert len(found.layers) == (not why)


@pytest.mark.parametrize(
    ("at", "wrong"), [("h", "a first state that is not zero (h)"), ("h x", "")]
)
def test_a_gru_has_one_state(at: str, wrong: str) -> None:
    state = {"h": ZERO if at == "h x" else ONE}
    found = read(node("GRU", f"x W R B - {at}"), **cell(3), **state)
    assert found.wrong == ((f"operator GRU (gru): {wrong}",) if wrong else ())
    two = ["Sigmoid", "Tanh"] * 2
    both = node("GRU", "x W R B", direction="bidirectional", activations=two)
    assert not read(both, **cell(3, 2)).wrong
