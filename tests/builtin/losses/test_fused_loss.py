"""The loss that is one with the last layer equals layer and loss apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from loss_cases import accuracy
from threadpoolctl import threadpool_limits

from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.layers.embedding import Embedding
from rnnkit.builtin.losses._softmax import by_numpy
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute import parallel
from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context, Pool, Tally
from rnnkit.core.params import ParamStore
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.types import Array

kernels_only = pytest.mark.skipif(not kernels_available(), reason="kernels are off")
Case = tuple[Network, ParamStore, Batch]


def context(dtype: Any = np.float32, train: bool = True) -> Context:
    return Context(train=train, dtype=np.dtype(dtype), pool=Pool(fill=math.nan))


def case(last: Affine, loss: Any, dtype: Any = np.float32, vocabulary: int = 150) -> Case:
    """Return a network, its parameters and gradients, and a window with ignored targets."""
    random = np.random.default_rng(4)
    ids = Signal(vocabulary, ids=True)
    layers: list[Layer] = [Embedding(name="table", units=9), last]
    network = Network.sized(layers, loss, ids, ids)
    store = network.store(np.dtype(dtype))
    store.flat[:] = random.normal(0, 0.7, store.flat.size)
    store.grad[:] = 1
    shape = (6, 5)
    weights = random.uniform(0.5, 2, shape).astype(np.float32)
    weights[3, 2] = 0
    targets = random.integers(-1, vocabulary, shape).astype(np.int32)
    targets[0, 0] = -1
    inputs = random.integers(0, vocabulary, shape).astype(np.int32)
    return network, store, Batch(inputs, targets, weights, np.zeros(shape, bool), None)


def learned(case: Case, dtype: Any) -> tuple[float, float, Array]:
    network, store, batch = case
    found = network.learn(store.values, store.grads, batch, {}, context(dtype))
    return found[0], found[1], store.grad


LAST = [
    Affine(),
    Affine(bias=False),
    Affine(tie="table"),
    Affine(tie="table", bias=False),
]


@pytest.mark.parametrize("last", LAST, ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("vocabulary", [3, 27, 150])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_equal_to_layer_and_loss_apart(
    last: Affine,
    smoothing: float,
    vocabulary: int,
    dtype: Any,
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_class = tuple(1.0 + i % 3 for i in range(vocabulary)) if vocabulary == 27 else None
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing, class_weights=by_class)
    total, weight, grad = learned(case(last, loss, dtype, vocabulary), dtype)
    monkeypatch.setattr(Affine, "linear", lambda self, arrays: Layer.linear(self, arrays))
    monkeypatch.setattr(Affine, "forward", apart)
    monkeypatch.setattr(
        "rnnkit.builtin.losses.softmax_cross_entropy.kernels_compute", lambda: False
    )
    wanted, wanted_weight, wanted_grad = learned(case(last, loss, dtype, vocabulary), dtype)
    assert type(total) is float and type(weight) is float
    assert total == pytest.approx(wanted, rel=tolerance)
    assert weight == pytest.approx(wanted_weight, rel=1e-14)
    assert grad.dtype == dtype
    scale = np.abs(wanted_grad).max()
    np.testing.assert_allclose(grad, wanted_grad, rtol=tolerance, atol=tolerance * scale)


def apart(self: Affine, params: Any, xs: Array, state: Any, ctx: Context) -> Any:
    """The affine map written down without `linear`."""
    W = params["W"].T if self.tie else params["W"]
    ys = xs @ W + (params["b"] if self.bias else 0)

    def backward(dys: Array, dstate: Any, grads: Any) -> Any:
        dW = np.einsum("tbf,tbv->fv", xs, dys)
        grads["W"] += dW.T if self.tie else dW
        if self.bias:
            grads["b"] += dys.sum(axis=(0, 1))
        return dys @ W.T, dstate

    return ys.astype(xs.dtype), state, backward


@kernels_only
def test_the_loss_is_asked_for_labels_and_not_for_distributions() -> None:
    network, store, batch = case(Affine(), SoftmaxCrossEntropy())
    xs = np.ones((6, 5, 9), np.float32)
    W, dW = store.values["1.affine"]["W"], store.grads["1.affine"]["W"]
    asked = (xs, W, None, batch.targets, batch.weights, dW, None, context())
    assert network.loss.fused(*asked) is not None
    rows = np.ones((6, 5, 150), np.float32) / 150
    assert network.loss.fused(xs, W, None, rows, batch.weights, dW, None, context()) is None
    assert MSE().fused(*asked) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_seen(bad: float) -> None:
    network, store, batch = case(Affine(), SoftmaxCrossEntropy())
    store.values["table"]["W"][batch.inputs[1, 1], 4] = bad
    with np.errstate(all="ignore"):
        total, _, _ = network.learn(store.values, store.grads, batch, {}, context())
    assert not math.isfinite(total) and not np.isfinite(store.grad).all()


@kernels_only
def test_equal_inputs_give_equal_bits() -> None:
    found = [learned(case(LAST[2], SoftmaxCrossEntropy()), np.float32) for _ in range(2)]
    assert found[0][:2] == found[1][:2]
    assert found[0][2].tobytes() == found[1][2].tobytes()


@kernels_only
@pytest.mark.parametrize("width", [1, 2, 65, 1000])
@pytest.mark.parametrize("train", [False, True])
def test_kernels_equal_numpy(width: int, train: bool) -> None:
    random = np.random.default_rng(2)
    ys = random.normal(0, 20, (4, 3, width)).astype(np.float32)
    targets = random.integers(-1, width, (4, 3)).astype(np.int32)
    weights = random.uniform(0, 2, (4, 3)).astype(np.float32)
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    total, weight, backward = loss.forward(ys, targets, weights, context(train=train))
    smoothing = 0.1 if train else 0.0
    wanted, wanted_weight, wanted_backward = by_numpy(ys, targets, weights, smoothing, context())
    assert total == pytest.approx(wanted, rel=1e-6)
    assert weight == pytest.approx(wanted_weight, rel=1e-14)
    np.testing.assert_allclose(backward(), wanted_backward(), rtol=1e-5, atol=1e-6)


@kernels_only
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_of_equal_logits_is_the_choice(dtype: Any) -> None:
    random = np.random.default_rng(8)
    ys = random.integers(-2, 3, (40, 5, 20)).astype(dtype)
    ys[ys == 0] *= random.choice([-1, 1], (ys == 0).sum())
    targets = random.integers(-1, 20, (40, 5)).astype(np.int32)
    weights = random.uniform(0, 2, (40, 5)).astype(np.float32)
    wanted = weights[ys.argmax(axis=-1) == targets].sum(dtype=np.float64)
    assert wanted > 0
    found = accuracy(SoftmaxCrossEntropy(), ys, targets, weights)
    assert found == pytest.approx(wanted / weights[targets >= 0].sum(dtype=np.float64), rel=1e-14)


@kernels_only
@pytest.mark.parametrize("count", [2, 3])
def test_threads_share_the_rows(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    ys = random.normal(0, 3, (20, 10, 10_000)).astype(np.float32)
    targets = random.integers(-1, 10_000, (20, 10)).astype(np.int32)
    targets[::2] = ys[::2].argmax(axis=-1)
    weights = random.integers(0, 3, (20, 10)).astype(np.float32)
    loss, tasks = SoftmaxCrossEntropy(), []
    alone = loss.forward(ys, targets, weights, context(train=False))[:2]
    run = parallel.run
    monkeypatch.setattr(parallel, "run", lambda given: tasks.append(len(given)) or run(given))
    with threadpool_limits(count, user_api="blas"):
        if parallel.threads() != count:
            pytest.skip("the BLAS here has fewer threads")
        shared = loss.forward(ys, targets, weights, context(train=False))[:2]
    assert tasks == [count]
    assert shared == (pytest.approx(alone[0], rel=1e-12), alone[1])


@pytest.mark.parametrize("linear", [True, False])
def test_the_bias_of_many_rows_keeps_its_digits(
    linear: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,000 like numbers in float32 a plain sum has lost four digits."""
    ids = Signal(3, ids=True)
    network = Network.sized([Embedding(units=1), Affine()], SoftmaxCrossEntropy(), ids, ids)
    store = network.store(np.dtype(np.float32))
    store.flat[:] = 0
    shape = (10_000, 10)
    zeros = np.zeros(shape, np.int32)
    batch = Batch(zeros, zeros, np.ones(shape, np.float32), np.zeros(shape, bool), None)
    if not linear:
        monkeypatch.setattr(SoftmaxCrossEntropy, "fused", lambda *given: None)
    network.learn(store.values, store.grads, batch, {}, context())
    wanted = np.array([-2e5, 1e5, 1e5]) / 3
    np.testing.assert_allclose(store.grads["1.affine"]["b"], wanted, rtol=5e-6)


@kernels_only
def test_a_target_outside_is_an_error() -> None:
    ys, ones = np.zeros((1, 1, 4), np.float32), np.ones((1, 1), np.float32)
    with pytest.raises(IndexError, match="not below the number of logits"):
        SoftmaxCrossEntropy().forward(ys, np.array([[4]], np.int32), ones, context())


@kernels_only
def test_exp_is_close_over_its_whole_range() -> None:
    kernels = kernel_module("softmax")
    assert kernels
    xs = np.linspace(-110, 0, 200_001, dtype=np.float32)
    rows = np.stack([np.zeros_like(xs), xs], axis=1)
    kernels.gradient(
        rows,
        np.zeros(2, np.float32),
        np.ones(len(xs), np.int32),
        np.ones(len(xs), np.float32),
        0.0,
        np.zeros(2, np.float32),
        np.zeros(len(xs), np.int32),
    )
    wanted = 1 / (1 + np.exp(xs.astype(np.float64)))
    np.testing.assert_allclose(rows[:, 0], wanted, rtol=3e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_is_decided_right_is_counted_by_the_way(smoothing: float) -> None:
    """As `decisions` has it of the outputs: the first of equal logits, no target below 0."""
    rng = np.random.default_rng(4)
    xs = rng.integers(-2, 3, (6, 5, 3)).astype(np.float32)
    W, b = rng.integers(-2, 3, (3, 4)).astype(np.float32), np.ones(4, np.float32)
    targets = rng.integers(-1, 4, (6, 5)).astype(np.int32)
    weights = rng.integers(0, 3, (6, 5)).astype(np.float32)
    by_class = None if smoothing else (1.0, 5.0, 2.0, 0.5)  # which weigh in the loss alone
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing, class_weights=by_class)
    slow, fast = Tally(), Tally()
    loss.counted(xs @ W + b, targets, weights, Context(train=True, tally=slow))
    gradients = np.zeros_like(W), np.zeros_like(b)
    found = loss.fused(xs, W, b, targets, weights, *gradients, Context(train=True, tally=fast))
    right = (xs @ W + b).argmax(axis=2) == targets
    expected = float((weights * right).sum()), float((weights * (targets >= 0)).sum())
    assert (slow.right, slow.weight) == expected
    assert found is None or (fast.right, fast.weight) == expected


@kernels_only
def test_equal_logits_are_no_hit_but_of_the_first() -> None:
    tally, zeros = Tally(), np.zeros((2, 3), np.float32)
    targets = np.array([[0, 1, 2]], np.int32)
    SoftmaxCrossEntropy().fused(
        np.ones((1, 3, 2), np.float32), zeros, None, targets, np.ones((1, 3), np.float32),
        zeros.copy(), None, Context(train=True, tally=tally),
    )  # fmt: skip
    assert (tally.right, tally.weight) == (1.0, 3.0)
