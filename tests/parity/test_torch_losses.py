"""Losses and their gradients equal PyTorch's, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity needs torch: pip install rnnkit[parity]")

from loss_cases import context, random_case  # noqa: E402

from rnnkit.builtin.losses.binary_cross_entropy import BinaryCrossEntropy  # noqa: E402
from rnnkit.builtin.losses.huber import Huber  # noqa: E402
from rnnkit.builtin.losses.mae import MAE  # noqa: E402
from rnnkit.builtin.losses.mse import MSE  # noqa: E402
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy  # noqa: E402
from rnnkit.contracts.loss import Loss  # noqa: E402

F = torch.nn.functional


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
@pytest.mark.parametrize("kind", ["labels", "values"])
def test_cross_entropy(kind: str, smoothing: float) -> None:
    ys, targets, weights = random_case(kind)
    zs = torch.tensor(ys.reshape(-1, 6), requires_grad=True)
    wanted = torch.tensor(targets.reshape(-1, *targets.shape[2:]))
    losses = F.cross_entropy(
        zs,
        wanted.long() if kind == "labels" else wanted,
        ignore_index=-1,
        reduction="none",
        label_smoothing=smoothing,
    )
    expected = (losses * torch.tensor(weights.reshape(-1))).sum()
    expected.backward()
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing)
    total, _, backward = loss.forward(ys, targets, weights, context())
    assert total == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(backward().reshape(-1, 6), zs.grad, rtol=0, atol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_means_with_class_weights(smoothing: float) -> None:
    ys, targets, weights = random_case("labels")
    by_class = (1.0, 0.5, 2.0, 3.0, 1.5, 0.25)
    zs = torch.tensor(ys.reshape(-1, 6), requires_grad=True)
    wanted = torch.tensor(targets.reshape(-1)).long()
    expected = F.cross_entropy(
        zs,
        wanted,
        torch.tensor(by_class).double(),
        ignore_index=-1,
        label_smoothing=smoothing,
    )
    expected.backward()
    loss = SoftmaxCrossEntropy(class_weights=by_class, label_smoothing=smoothing)
    total, weight, backward = loss.forward(ys, targets, np.ones(weights.shape), context())
    assert total / weight == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(backward().reshape(-1, 6) / weight, zs.grad, rtol=0, atol=1e-13)


PEERS: list[tuple[Loss, Callable[..., Any]]] = [
    (MSE(), F.mse_loss),
    (MAE(), F.l1_loss),
    (Huber(delta=0.7), lambda *case, **how: F.huber_loss(*case, delta=0.7, **how)),
    (BinaryCrossEntropy(), F.binary_cross_entropy_with_logits),
]
every_peer = pytest.mark.parametrize(
    ("loss", "peer"), PEERS, ids=lambda it: getattr(it, "type", "")
)


@every_peer
def test_means_of_values(loss: Loss, peer: Callable[..., Any]) -> None:
    ys, targets, _ = random_case("values")
    zs = torch.tensor(ys, requires_grad=True)
    expected = peer(zs, torch.tensor(targets))
    expected.backward()
    total, weight, backward = loss.forward(ys, targets, np.ones(ys.shape[:2]), context())
    assert total / weight == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(backward() / weight, zs.grad, rtol=0, atol=1e-15)


@every_peer
def test_weighted_sums_of_values(loss: Loss, peer: Callable[..., Any]) -> None:
    ys, targets, weights = random_case("values")
    zs = torch.tensor(ys, requires_grad=True)
    losses = peer(zs, torch.tensor(targets), reduction="none").mean(dim=-1)
    expected = (losses * torch.tensor(weights)).sum()
    expected.backward()
    total, _, backward = loss.forward(ys, targets, weights, context())
    assert total == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(backward(), zs.grad, rtol=0, atol=1e-15)


def test_two_labels_with_one_output() -> None:
    ys, targets, weights = random_case("binary")
    zs = torch.tensor(ys[..., 0], requires_grad=True)
    given = torch.tensor(np.where(targets < 0, 0, weights))
    wanted = torch.tensor(np.maximum(targets, 0).astype(np.float64))
    expected = F.binary_cross_entropy_with_logits(zs, wanted, weight=given, reduction="sum")
    expected.backward()
    total, _, backward = BinaryCrossEntropy().forward(ys, targets, weights, context())
    assert total == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(backward()[..., 0], zs.grad, rtol=0, atol=1e-14)
