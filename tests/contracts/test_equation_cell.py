"""The gates of cells by equations, and which classes they speak for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest

from rnnkit.builtin.cells.gru import GRU
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.compute.equations import dot, exp, log, sigmoid, tanh
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.layer import Layer, gates_of
from rnnkit.core.context import Context
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Params, State


class WrittenLSTM(EquationCell):
    type: Literal["written_lstm"] = "written_lstm"
    gates = ("i", "f", "o", "g")
    states = ("h", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        i, f, o = sigmoid(x.i + r.i), sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + i * tanh(x.g + r.g)
        return o * tanh(c), c


class WrittenGRU(EquationCell):
    type: Literal["written_gru"] = "written_gru"
    gates = ("r", "z", "n")

    def extra(self, inputs: Signal) -> Declaration:
        return {"bn": ParamSpec((self.units,), Zeros())}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        reset, z = sigmoid(x.r + r.r), sigmoid(x.z + r.z)
        n = tanh(x.n + reset * (r.n + p.bn))
        return (1 - z) * n + z * s.h


class Peephole(WrittenLSTM):
    """A subclass with equations of its own: o reads the new c, and with it other gates."""

    type: Literal["peephole"] = "peephole"  # type: ignore[assignment]

    def extra(self, inputs: Signal) -> Declaration:
        return {"u": ParamSpec((self.units,), Zeros())}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        f = sigmoid(x.f + r.f - 0.5 * (p.u * s.c))
        c = f * s.c + exp(log(sigmoid(x.i + r.i))) * tanh(x.g + r.g)
        return sigmoid(x.o + r.o + p.u * c) * tanh(c), c


class Mixed(EquationCell):
    """Sigmoids that are no gate's, from the inputs as they are or of two gates, and a product."""

    type: Literal["mixed"] = "mixed"
    gates = ("b", "a")
    recurrent = False

    def matrices(self) -> Mapping[str, tuple[str, ...]]:
        return {"W": ("inputs", "units")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        a = sigmoid(2 * x.a - dot(x.input, p.W))
        return sigmoid(x.a + x.b) * sigmoid(sigmoid(x.b)) + sigmoid(s.h) * a


class OtherScan(WrittenLSTM):
    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        raise NotImplementedError


class OtherForward(WrittenLSTM):
    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        raise NotImplementedError


class OwnGates(WrittenLSTM):
    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        return {"own": state[0]}


class BelowOwnGates(OwnGates):
    pass


class Plain(WrittenLSTM):
    pass


def step_of(layer: Layer, dtype: Any = np.float64) -> tuple[dict[str, Array], Array, State]:
    random, signal = np.random.default_rng(2), Signal(4)
    params = {
        n: random.normal(size=s.shape).astype(dtype) for n, s in layer.declared(signal).items()
    }
    xs = random.normal(size=(7, 4)).astype(dtype)
    state = tuple(random.normal(size=(7, n)).astype(dtype) for n in layer.state_sizes(signal))
    return params, xs, state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (LSTM(units=3), "ifo"),
        (WrittenLSTM(units=3), "ifo"),
        (GRU(units=3), "rz"),
        (WrittenGRU(units=3), "rz"),
    ],
)
def test_gates_are_those_of_plain_arrays(layer: Layer, names: str, dtype: Any) -> None:
    params, xs, state = step_of(layer, dtype)
    z = xs @ params["Wx"] + params["b"] + state[0] @ params["Wh"]  # the gates lie first
    found = gates_of(layer, params, xs, state)
    assert "".join(found) == names
    for gate, array in enumerate(found.values()):
        assert array.dtype == dtype
        wanted = 1 / (1 + np.exp(-z[:, 3 * gate : 3 * gate + 3]))
        np.testing.assert_allclose(array, wanted, rtol=0, atol=1e-6)


def test_a_sigmoid_that_reads_the_part_of_x_of_one_gate_is_that_gate() -> None:
    layer = Peephole(units=3)
    params, xs, (h, c) = step_of(layer)
    gates = gates_of(layer, params, xs, (h, c))
    zi, zf, zo, zg = np.split(xs @ params["Wx"] + params["b"] + h @ params["Wh"], 4, axis=1)
    f, u = sigmoid(zf - 0.5 * params["u"] * c), params["u"]
    after = f * c + sigmoid(zi) * np.tanh(zg)
    assert list(gates) == ["f", "o"]  # log(sigmoid(a)) is computed as a whole
    np.testing.assert_allclose(gates["f"], f, rtol=1e-12)
    np.testing.assert_allclose(gates["o"], sigmoid(zo + u * after), rtol=1e-12)


def test_a_sigmoid_of_two_gates_or_of_none_is_no_gate() -> None:
    layer = Mixed(units=3)
    params, xs, state = step_of(layer)
    gates = gates_of(layer, params, xs, state)
    zb, za = np.split(xs @ params["Wx"] + params["b"], 2, axis=1)
    assert list(gates) == ["b", "a"]
    np.testing.assert_allclose(gates["b"], sigmoid(zb), rtol=1e-12)
    np.testing.assert_allclose(gates["a"], sigmoid(2 * za - xs @ params["W"]), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Plain, ["i", "f", "o"]),
        (Peephole, ["f", "o"]),
        (OwnGates, ["own"]),
        (BelowOwnGates, []),
        (OtherScan, []),
        (OtherForward, []),
    ],
)
def test_gates_speak_for_a_subclass_that_computes_by_its_equations(
    kind: type[EquationCell], names: list[str]
) -> None:
    layer = kind(units=3)
    assert list(gates_of(layer, *step_of(layer))) == names


def test_a_cell_without_gates_has_none() -> None:
    class Gateless(EquationCell):
        type: Literal["gateless"] = "gateless"
        recurrent = False

        def matrices(self) -> Mapping[str, tuple[str, ...]]:
            return {"W": ("inputs", "units")}

        def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
            return tanh(s.h + dot(x.input, p.W))

    layer = Gateless(units=3)
    assert gates_of(layer, *step_of(layer)) == {}
