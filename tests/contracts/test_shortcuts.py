"""A compiled step or a plain product is used only where it does what the layer's methods do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from rnnkit.builtin.cells.gru_reset_before import GRUResetBefore
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.cells.rnn import RNN
from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute.equations import Names
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.loss import Loss
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.testing import ConformanceError, check_layer
from rnnkit.types import Array, Backward, Params, State

FLOAT64 = np.dtype(np.float64)
compiled = pytest.mark.skipif(
    not kernels_available(), reason="kernels are off (RNNKIT_KERNELS=numpy)"
)


class Halved(LSTM):
    """An LSTM whose new states are halved."""

    type: Literal["halved"] = "halved"  # type: ignore[assignment]

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> tuple[Any, Any]:
        h, c = super().equations(x, r, s, p)
        return h / 2, c / 2


class HalvedStep(GRUResetBefore):
    """The same for a cell with a product inside."""

    type: Literal["halved_step"] = "halved_step"  # type: ignore[assignment]

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        return super().equations(x, r, s, p) / 2


class Tenth(Affine):
    """An affine layer whose outputs are divided by ten."""

    type: Literal["tenth"] = "tenth"  # type: ignore[assignment]

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        ys, state, backward = super().forward(params, xs, state, ctx)
        return ys / 10, state, lambda dys, dstate, grads: backward(dys / 10, dstate, grads)


class Tenfold(SoftmaxCrossEntropy):
    """A loss that counts ten times."""

    type: Literal["tenfold"] = "tenfold"  # type: ignore[assignment]

    def forward(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        total, weight, backward = super().forward(ys, targets, weights, ctx)
        return 10 * total, weight, lambda: 10 * backward()


class Mistaken(RNN):
    """Compiled, another cell than in NumPy; each is right in itself."""

    type: Literal["mistaken"] = "mistaken"  # type: ignore[assignment]

    def scan_by_numpy(self, *window: Any) -> Any:
        return RNN(units=self.units, activation="relu").scan_by_numpy(*window)


@pytest.mark.parametrize("layer", [Halved(units=4), HalvedStep(units=4), Tenth(units=3)])
def test_a_subclass_keeps_the_contract(layer: Layer) -> None:
    check_layer(layer)


@pytest.mark.parametrize(
    ("layer", "base"),
    [(Halved(units=4), LSTM(units=4)), (HalvedStep(units=4), GRUResetBefore(units=4))],
)
def test_the_methods_of_a_subclass_are_what_runs(layer: Layer, base: Layer) -> None:
    random = np.random.default_rng(0)
    params = {
        name: random.standard_normal(spec.shape) for name, spec in layer.params(Signal(3)).items()
    }
    xs, ctx = random.standard_normal((1, 2, 3)), Context(dtype=FLOAT64)
    state = layer.initial_state(Signal(3), 2, FLOAT64)
    ys, *_ = layer.scan(params, xs, state, None, ctx)
    of_base, *_ = base.scan(params, xs, state, None, ctx)
    np.testing.assert_allclose(ys, of_base / 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("last", "loss"), [(Tenth(), SoftmaxCrossEntropy()), (Affine(), Tenfold())]
)
def test_what_is_learned_is_what_layer_and_loss_give(last: Layer, loss: Loss) -> None:
    network = Network.sized([RNN(units=4), last], loss, Signal(3), Signal(5, ids=True))
    store, grads = network.store(FLOAT64), network.store(FLOAT64)
    random = np.random.default_rng(1)
    store.flat[...] = random.standard_normal(store.flat.size)
    xs, targets = random.standard_normal((6, 2, 3)), random.integers(0, 5, (6, 2))
    batch = Batch(xs, targets.astype(np.int32), np.ones((6, 2)), np.zeros((6, 2), bool), 0)
    states, ctx = network.initial_states(2, FLOAT64), Context(dtype=FLOAT64)
    ys, _, _ = network.scan(store.values, xs, states, None, ctx)
    wanted, _, _ = network.loss.forward(ys, batch.targets, batch.weights, ctx)
    total, _, _ = network.learn(store.values, grads.values, batch, states, ctx)
    assert total == pytest.approx(wanted, rel=1e-12)


@compiled
def test_the_kit_tells_compiled_equations_from_another_cell() -> None:
    with pytest.raises(ConformanceError, match="'shortcuts': ys by compiled equations"):
        check_layer(Mistaken(units=4))


@compiled
@pytest.mark.parametrize("cell", [LSTM(units=4), GRUResetBefore(units=4)])
def test_what_does_not_fit_is_refused_before_compiled_code_reads_it(
    cell: LSTM | GRUResetBefore,
) -> None:
    params = {
        name: np.zeros(spec.shape, np.float32) for name, spec in cell.params(Signal(2)).items()
    }
    xs = np.zeros((3, 5, 2), np.float32)
    few, state = (cell.initial_state(Signal(2), n, np.dtype(np.float32)) for n in (2, 5))
    with pytest.raises(ValueError, match=r"the state: expected the shape \(5, 4\), rec"):
        cell.forward(params, xs, few, Context())
    with pytest.raises(ValueError, match=r"resets: expected the shape \(3, 5\), received \(1, 5\)"):
        cell.scan(params, xs, state, np.ones((1, 5), bool), Context())
    _, _, backward = cell.forward(params, xs, state, Context())
    with pytest.raises(ValueError, match="dys: expected the shape"):
        backward(np.zeros((2, 5, 4), np.float32), state, {})
    with pytest.raises(ValueError, match="dstate: expected the shape"):
        backward(np.zeros((3, 5, 4), np.float32), few, {})


@pytest.mark.parametrize("shape", [(5, 3), (3, 4)])
def test_labels_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    ys, labels, weights = np.zeros((3, 5, 4)), np.zeros(shape, np.int32), np.ones(shape)
    with pytest.raises(ValueError):
        SoftmaxCrossEntropy().forward(ys, labels, weights, Context(dtype=FLOAT64))


@compiled
@pytest.mark.parametrize("cell", [LSTM(units=4), GRUResetBefore(units=4)])
def test_parameters_of_another_type_are_refused(cell: LSTM | GRUResetBefore) -> None:
    params = {name: np.zeros(spec.shape) for name, spec in cell.params(Signal(3)).items()}
    state = cell.initial_state(Signal(3), 2, FLOAT64)
    with pytest.raises(TypeError, match="parameters are float64, but the context computes in fl"):
        cell.forward(params, np.zeros((1, 2, 3)), state, Context())
