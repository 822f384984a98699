"""A layer is told whether anything below it learns, and the gradients do not depend on it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import pytest

from rnnkit.builtin.cells.gru_reset_before import GRUResetBefore
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.layers.bidirectional import Bidirectional
from rnnkit.builtin.layers.dropout import Dropout
from rnnkit.builtin.layers.embedding import Embedding
from rnnkit.builtin.layers.one_hot import OneHot
from rnnkit.builtin.layers.residual import Residual
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import Layer, LayerBlock, prefixed
from rnnkit.core.context import Context
from rnnkit.core.initializers import Constant
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.testing import check_layer
from rnnkit.types import Array, Backward, Grads, Params, State


class Told(LSTM):
    """An LSTM that notes what it is told."""

    notes: ClassVar[list[bool]] = []

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        self.notes.append(ctx.learns_below)
        return super().scan(params, xs, state, resets, ctx)


needs_kernels = pytest.mark.skipif(not kernels_available(), reason="kernels are off")


class ByMix(LSTM):
    """An LSTM without a compiled step."""

    def kernel(self) -> None:
        return None


STACKS: list[tuple[list[Layer], list[bool]]] = [
    ([OneHot(), Told(units=5), Told(units=4)], [False, True]),
    ([OneHot(), Dropout(rate=0.1), Told(units=5)], [False]),
    ([Embedding(units=3), Told(units=5)], [True]),
]


class Gained(Layer):
    """A wrapper with a parameter between its inputs and the layer that it holds."""

    type: Literal["gained"] = "gained"
    layer: LayerBlock

    def output(self, inputs: Signal) -> Signal:
        return self.layer.output(inputs)

    def inner(self) -> dict[str, Layer]:
        return {"layer": self.layer}

    def params(self, inputs: Signal) -> Declaration:
        inside = {f"layer.{name}": spec for name, spec in self.layer.declared(inputs).items()}
        return {"gain": ParamSpec((inputs.known(),), Constant(value=1.0)), **inside}

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return self.layer.state_sizes(inputs)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        gain = params["gain"]
        ys, after, inside = self.layer.forward(
            prefixed(params, "layer"), xs * gain, state, ctx.at("layer")
        )

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dxs, dstate = inside(dys, dstate, prefixed(grads, "layer"))
            assert dxs is not None
            grads["gain"] += (dxs * xs).sum(axis=(0, 1))
            return dxs * gain, dstate

        return ys, after, backward


def test_what_a_wrapper_holds_is_told_that_its_inputs_learn() -> None:
    assert set(check_layer(Gained(layer=LSTM(units=3))).skipped) == {"random", "run", "shortcuts"}


def gradient(layers: list[Layer], whole: bool) -> Array:
    network = Network.sized(
        [*layers, Affine()], SoftmaxCrossEntropy(), Signal(7, ids=True), Signal(7, ids=True)
    )
    random = np.random.default_rng(2)
    store, grads = network.store(np.dtype(float)), network.store(np.dtype(float))
    store.flat[...] = random.normal(0, 0.5, store.flat.size)
    ids = random.integers(0, 7, (2, 6, 3)).astype(np.int32)
    batch = Batch(ids[0], ids[1], np.ones((6, 3)), np.zeros((6, 3), bool), 0)
    states = network.initial_states(3, np.dtype(float))
    ctx = Context(train=True, dtype=np.dtype(float))
    if whole:
        network.learn_piece(store.values, grads.values, batch, states, None, ctx)
    else:
        network.learn(store.values, grads.values, batch, states, ctx)
    return grads.flat


@pytest.mark.parametrize(("layers", "told"), STACKS, ids=["one_hot", "dropout", "embedding"])
def test_told_in_training_alone(
    layers: list[Layer], told: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Told, "notes", [])
    part = gradient(layers, whole=False)
    assert Told.notes == told
    whole = gradient(layers, whole=True)
    assert Told.notes == told + [True] * len(told)
    assert np.abs(whole).max() > 0.1
    np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(units=4),
        ByMix(units=4),
        pytest.param(GRUResetBefore(units=4), marks=needs_kernels),
        Affine(units=4),
        Bidirectional(layer=LSTM(units=4)),
        Residual(layer=Affine(units=3)),
    ],
    ids=lambda layer: layer.type,
)
def test_a_frozen_layer_forms_no_gradient_of_its_weights(layer: Layer) -> None:
    random = np.random.default_rng(0)
    params = {name: spec.draw(random) for name, spec in layer.declared(Signal(3)).items()}
    xs, found = random.standard_normal((5, 2, 3)), []
    for learns in (True, False):
        ctx = Context(dtype=np.dtype(float), learns=learns)
        state = layer.initial_state(Signal(3), 2, ctx.dtype)
        ys, after, backward = layer.scan(params, xs, state, None, ctx)
        grads = {name: np.zeros_like(array) for name, array in params.items()}
        dxs, dstate = backward(np.ones_like(ys), tuple(map(np.ones_like, after)), grads)
        weights = [grad for name, grad in grads.items() if name.rsplit(".")[-1] != "b"]
        assert all(grad.any() == learns for grad in weights)
        found.append((dxs, *dstate))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


class Learns(LSTM):
    """An LSTM that notes whether it learns."""

    notes: ClassVar[list[bool]] = []

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        self.notes.append(ctx.learns)
        return super().scan(params, xs, state, resets, ctx)


@pytest.mark.parametrize("frozen", [(), ("low",), ("low", "last")])
def test_a_layer_is_told_whether_it_learns(
    frozen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("low", "middle", "last")
    network = Network.sized(
        [OneHot(), *(Learns(units=7, name=name) for name in names)],
        SoftmaxCrossEntropy(),
        Signal(7, ids=True),
        Signal(7, ids=True),
    )
    network = replace(network, rates=dict.fromkeys(frozen, 0.0))
    monkeypatch.setattr(Learns, "notes", [])
    store, ids = network.store(np.dtype(np.float32)), np.zeros((6, 3), np.int32)
    batch = Batch(ids, ids, np.ones((6, 3), np.float32), np.zeros((6, 3), bool), 0)
    states, ctx = network.initial_states(3, np.dtype(np.float32)), Context(train=True)
    grads = {
        name: {key: np.zeros_like(array) for key, array in own.items()}
        for name, own in store.values.items()
    }
    network.learn(store.values, grads, batch, states, ctx)
    assert Learns.notes == [name not in frozen for name in names]


class InPieces(LSTM):
    """An LSTM that the base cuts at every reset, and that forms no gradient nobody asks for."""

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        return Layer.scan(self, params, xs, state, resets, ctx)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        ys, after, inside = LSTM.scan(self, params, xs, state, None, ctx)

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
            dxs, dstate = inside(dys, dstate, grads)
            return (dxs if ctx.learns_below else None), dstate

        return ys, after, backward


def test_a_window_cut_at_resets_may_have_no_gradient_of_its_inputs() -> None:
    layer, random = InPieces(units=4), np.random.default_rng(3)
    params = {name: spec.draw(random) for name, spec in layer.declared(Signal(3)).items()}
    xs, resets, found = random.standard_normal((6, 2, 3)), np.zeros((6, 2), bool), []
    resets[[2, 4], [0, 1]] = True
    for below in (True, False):
        ctx = Context(dtype=np.dtype(float), learns_below=below)
        state = layer.initial_state(Signal(3), 2, ctx.dtype)
        ys, after, backward = layer.scan(params, xs, state, resets, ctx)
        grads = {name: np.zeros_like(array) for name, array in params.items()}
        dxs, dstate = backward(np.ones_like(ys), tuple(map(np.ones_like, after)), grads)
        assert (dxs is not None) is below
        found.append((*dstate, *grads.values()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
