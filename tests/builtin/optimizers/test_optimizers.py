"""Optimizers: stored constants, PyTorch over 50 steps, in place, decay on its slice alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.optimizers import _blocks
from rnnkit.builtin.optimizers.adagrad import Adagrad
from rnnkit.builtin.optimizers.adam import Adam
from rnnkit.builtin.optimizers.adamw import AdamW
from rnnkit.builtin.optimizers.rmsprop import RMSProp
from rnnkit.builtin.optimizers.sgd import SGD
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.types import Array

START = [1.0, -2.0, 0.5, 3.0]
GRADIENTS = [[0.5, -1.0, 2.0, 0.25], [-0.25, 0.75, 1.0, 0.5], [1.5, 0.5, -1.0, -0.75]]

# Three updates by PyTorch 2.13 in float64.
STORED = [
    (SGD(lr=0.1), [0.825, -2.025, 0.3, 3.0]),
    (SGD(lr=0.1, momentum=0.9), [0.762, -1.9215, -0.132, 2.91225]),
    (
        SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        [0.603189208191, -1.939038166382, -0.27039832123, 2.897357481948],
    ),
    (
        Adagrad(lr=0.1, weight_decay=0.01),
        [0.849051944648, -1.994004903628, 0.395834109936, 2.88859833749],
    ),
    (
        RMSProp(lr=0.01, alpha=0.95),
        [0.933558554066, -1.999767815981, 0.453832308029, 2.951321156135],
    ),
    (
        RMSProp(lr=0.01, alpha=0.95, momentum=0.5, weight_decay=0.01),
        [0.908824188376, -1.978048781296, 0.409925887006, 2.896940240891],
    ),
    (
        Adam(lr=0.1, weight_decay=0.01),
        [0.803604448846, -1.903786829583, 0.266882632341, 2.804189462892],
    ),
    (
        AdamW(lr=0.1, weight_decay=0.1),
        [0.778871579909, -1.851076283497, 0.255183193185, 2.723993887216],
    ),
]

# The same options under PyTorch's names.
PYTORCH: list[tuple[Optimizer, str, dict[str, Any]]] = [
    (SGD(lr=0.05), "SGD", {}),
    (SGD(lr=0.05, momentum=0.8), "SGD", {"momentum": 0.8}),
    (
        SGD(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
        "SGD",
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ),
    (Adagrad(lr=0.05), "Adagrad", {}),
    (
        Adagrad(lr=0.05, epsilon=1e-3, weight_decay=0.1),
        "Adagrad",
        {"eps": 1e-3, "weight_decay": 0.1},
    ),
    (RMSProp(lr=0.05), "RMSprop", {}),
    (
        RMSProp(lr=0.05, alpha=0.9, epsilon=1e-4, momentum=0.5, weight_decay=0.1),
        "RMSprop",
        {"alpha": 0.9, "eps": 1e-4, "momentum": 0.5, "weight_decay": 0.1},
    ),
    (Adam(lr=0.05), "Adam", {}),
    (
        Adam(lr=0.05, betas=(0.5, 0.9), epsilon=1e-3, weight_decay=0.1),
        "Adam",
        {"betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1},
    ),
    (Adam(lr=0.05, betas=(0.0, 0.0)), "Adam", {"betas": (0.0, 0.0)}),
    (AdamW(lr=0.05), "AdamW", {}),
    (
        AdamW(lr=0.05, betas=(0.5, 0.9), weight_decay=0.3),
        "AdamW",
        {"betas": (0.5, 0.9), "weight_decay": 0.3},
    ),
]
OPTIMIZERS = [optimizer for optimizer, _, _ in PYTORCH]


def slots_of(optimizer: Optimizer, params: Array) -> dict[str, Array]:
    return {name: np.zeros_like(params) for name in optimizer.used_slots()}


def quadratic(params: Array, step: int) -> Array:
    """The gradient of a badly scaled bowl whose bottom moves."""
    scales = np.linspace(0.1, 5, params.size, dtype=params.dtype)
    return scales * (params - float(np.cos(step)))


def trained(optimizer: Optimizer, params: Array, decayed: slice, steps: int = 50) -> Array:
    params, slots = params.copy(), slots_of(optimizer, params)
    for step in range(1, steps + 1):
        rate = optimizer.lr / step**0.5
        optimizer.update(step, rate, params, quadratic(params, step), slots, decayed)
    return params


@pytest.mark.parametrize(("optimizer", "expected"), STORED)
def test_three_updates_have_the_stored_values(optimizer: Optimizer, expected: list[float]) -> None:
    params = np.array(START)
    slots = slots_of(optimizer, params)
    for step, gradient in enumerate(GRADIENTS, start=1):
        grads = np.array(gradient)
        optimizer.update(step, optimizer.lr, params, grads, slots, slice(0, 4))
    np.testing.assert_allclose(params, expected, rtol=0, atol=2e-12)


@pytest.mark.parametrize(("optimizer", "name", "options"), PYTORCH)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_fifty_updates_equal_pytorch(
    optimizer: Optimizer, name: str, options: dict[str, Any], dtype: Any, tolerance: float
) -> None:
    torch = pytest.importorskip("torch")
    start = np.random.default_rng(3).standard_normal(40)
    decayed = slice(0, 25)
    found = trained(optimizer, start.astype(dtype), decayed)

    first, second = (torch.nn.Parameter(torch.tensor(x)) for x in (start[:25], start[25:]))
    groups = [{"params": [first]}, {"params": [second], "weight_decay": 0.0}]
    peer = getattr(torch.optim, name)(groups, lr=optimizer.lr, **options)
    for step in range(1, 51):
        for group in peer.param_groups:
            group["lr"] = optimizer.lr / step**0.5
        whole = np.concatenate([first.detach().numpy(), second.detach().numpy()])
        gradient = torch.tensor(quadratic(whole, step))
        first.grad, second.grad = gradient[:25], gradient[25:]
        peer.step()
    expected = np.concatenate([first.detach().numpy(), second.detach().numpy()])
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_update_is_in_place_and_keeps_dtype(optimizer: Optimizer, dtype: Any) -> None:
    params, grads = np.ones(5, dtype), np.full(5, 0.5, dtype)
    slots = slots_of(optimizer, params)
    kept = dict(slots)
    view = params[1:3]
    optimizer.update(1, 0.1, params, grads, slots, slice(0, 5))
    assert (view != 1).all() and params.dtype == dtype and grads.dtype == dtype
    assert set(slots) == set(optimizer.used_slots())
    for name, buffer in kept.items():
        assert slots[name] is buffer and buffer.any() and buffer.dtype == dtype


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_touches_its_slice_alone(optimizer: Optimizer) -> None:
    plain = optimizer.model_copy(update={"weight_decay": 0.0})
    decaying = optimizer.model_copy(update={"weight_decay": 0.2})
    start = np.linspace(1, 2, 12)
    expected, found = (trained(o, start, slice(0, 7), 5) for o in (plain, decaying))
    np.testing.assert_array_equal(found[7:], expected[7:])
    assert (found[:7] != expected[:7]).all()
    np.testing.assert_array_equal(trained(decaying, start, slice(0, 0), 5), expected)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_kernels_equal_numpy(
    optimizer: Optimizer, dtype: Any, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = np.random.default_rng(6).standard_normal(1000).astype(dtype)
    found = trained(optimizer, start, slice(0, 700), 10)
    monkeypatch.setattr(_blocks, "kernel_module", lambda module: None)
    expected = trained(optimizer, start, slice(0, 700), 10)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_pieces_change_no_bit(optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_blocks, "kernel_module", lambda module: None)
    start = np.random.default_rng(5).standard_normal(1000).astype(np.float32)
    whole = trained(optimizer, start, slice(0, 700), 5)
    monkeypatch.setattr(_blocks, "BLOCK", 64)
    np.testing.assert_array_equal(trained(optimizer, start, slice(0, 700), 5), whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_zero_gradients_and_no_parameters_are_harmless(optimizer: Optimizer) -> None:
    for size in (0, 3):
        params = np.zeros(size, np.float32)
        slots = slots_of(optimizer, params)
        optimizer.update(1, 0.1, params, np.zeros_like(params), slots, slice(0, size))
        assert not params.any()


def test_slots_follow_the_options() -> None:
    assert SGD(lr=1.0).used_slots() == ()
    assert SGD(lr=1.0, momentum=0.9).used_slots() == ("momentum",)
    assert RMSProp(lr=1.0).used_slots() == ("square",)
    assert RMSProp(lr=1.0, momentum=0.9).used_slots() == ("square", "momentum")
    assert Adam(lr=1.0).used_slots() == AdamW(lr=1.0).used_slots() == ("mean", "square")


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (SGD, {"lr": 0.0}, "greater than 0"),
        (SGD, {"lr": 0.1, "momentum": 1.0}, "less than 1"),
        (SGD, {"lr": 0.1, "nesterov": True}, '"nesterov" needs a "momentum" above 0'),
        (Adam, {"lr": 0.1, "betas": (0.9, 1.0)}, "less than 1"),
        (Adam, {"lr": 0.1, "epsilon": 1e-46}, "greater than or equal to 0.0000"),
        (AdamW, {"lr": 0.1, "weight_decay": -0.1}, "greater than or equal to 0"),
        (RMSProp, {"lr": 0.1, "alpha": 1.5}, "less than 1"),
        (Adagrad, {}, "lr: is missing"),
    ],
)
def test_options_are_bounded(cls: type[Optimizer], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**options)
