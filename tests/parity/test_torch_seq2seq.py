"""An encoder-decoder equals PyTorch's, in float64: loss and every gradient, over two updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity needs torch: pip install rnnkit[parity]")

from seq2seq_cases import MODELS, batch_of, learned, network_of, stored  # noqa: E402

from rnnkit.contracts.dataset import Batch  # noqa: E402
from rnnkit.network.seq2seq import Seq2Seq  # noqa: E402

F = torch.nn.functional
GATES = [0, 1, 3, 2]  # i f o g here, i f g o there


def lstm(params: dict[str, Any], xs: Any, state: tuple[Any, Any]) -> tuple[Any, tuple[Any, Any]]:
    """Run PyTorch's LSTM over (T, 1, F)."""

    def arranged(a: Any) -> Any:
        return torch.cat([a.chunk(4, dim=-1)[g] for g in GATES], dim=-1)

    wx, wh, b = (arranged(params[name]) for name in ("Wx", "Wh", "b"))
    weights = [wx.T.contiguous(), wh.T.contiguous(), b, torch.zeros_like(b)]
    h, c = (a[None] for a in state)
    ys, h, c = torch._VF.lstm(xs, (h, c), weights, True, 1, 0.0, False, False, False)
    return ys, (h[0], c[0])


def attended(params: dict[str, Any], asked: Any, memory: Any) -> Any:
    """Context beside what asked (T, 1, F), by the equations of the papers."""
    if "v" in params:
        hidden = torch.tanh((asked @ params["Wx"])[:, None] + (memory @ params["Wm"])[None])
        scores = (hidden @ params["v"])[..., 0, 0]
    else:
        scores = asked[:, 0] @ memory[:, 0].T
    return torch.cat([(torch.softmax(scores, dim=1) @ memory[:, 0])[:, None], asked], dim=2)


def loss_of(network: Seq2Seq, params: dict[str, dict[str, Any]], batch: Batch) -> Any:
    """Sum the losses of each pair alone, without padding."""
    assert batch.encoder is not None
    total = torch.zeros((), dtype=torch.float64)
    for stream in range(batch.inputs.shape[1]):
        source = batch.encoder.inputs[batch.encoder.valid[:, stream], stream]
        steps = int(batch.weights[:, stream].sum())
        xs = params["encoder.0.embedding"]["W"][source.astype(int)][:, None]
        zero = torch.zeros((1, 5), dtype=torch.float64)
        memory, (h, c) = lstm(params["encoder.1.lstm"], xs, (zero, zero))
        state = (h, c if network.bridge == "all" else zero)
        xs = params["decoder.0.embedding"]["W"][batch.inputs[:steps, stream].astype(int)][:, None]
        beside = h[None].expand(steps, 1, 5)
        if network.peek:
            xs = torch.cat([xs, beside], dim=2)
        ys, _ = lstm(params["decoder.1.lstm"], xs, state)
        if "decoder.2.attention" in params:
            ys = attended(params["decoder.2.attention"], ys, memory)
        if network.peek:
            ys = torch.cat([ys, beside], dim=2)
        last = params[network.names[-1]]
        logits = (ys @ last["W"] + last["b"])[:, 0]
        wanted = torch.tensor(batch.targets[:steps, stream]).long()
        total = total + F.cross_entropy(logits, wanted, reduction="sum")
    return total


SAME = {
    name: parts for name, parts in MODELS.items() if name in ("plain", "output", "peeky", "dot")
}


@pytest.mark.parametrize("name", [*SAME, "additive lstm"])
def test_two_batches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, decoder, _, _ = MODELS["dot"]
    additive = {"type": "attention", "score": "additive", "units": 3}
    wired = (encoder, [*decoder[:2], additive, decoder[3]], "output", True)
    monkeypatch.setitem(MODELS, "additive lstm", wired)
    network = network_of(name)
    store = stored(network)
    for seed in (0, 1):
        batch = batch_of(seed)
        total, gradient = learned(network, store, batch)
        params = {
            layer: {n: torch.tensor(a.copy(), requires_grad=True) for n, a in views.items()}
            for layer, views in store.values.items()
        }
        expected = loss_of(network, params, batch)
        expected.backward()
        assert total == pytest.approx(expected.item(), rel=1e-12)
        for layer, views in store.views(gradient).items():
            for parameter, found in views.items():
                wanted = params[layer][parameter].grad.numpy()
                np.testing.assert_allclose(
                    found, wanted, rtol=1e-9, atol=1e-11, err_msg=f"{layer}/{parameter}"
                )
        store.flat -= 0.1 * gradient
