"""The same stacks in PyTorch: its own fused operations, fed with rnnkit's weights repacked.

The repacking is part of the graph, so autograd gives the gradients in rnnkit's own layout. Gates of
the LSTM are i, f, o, g here and i, f, g, o in PyTorch; those of the GRU are r, z, n in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from windows import WINDOWS, Arrays, Block

Tensors = dict[str, Tensor]

ORDER = {"lstm": (0, 1, 3, 2), "gru": (0, 1, 2), "rnn": (0,)}


def torch_results(blocks: Sequence[Block], given: Arrays) -> Arrays:
    """Return what PyTorch finds, under the names of windows.py."""
    starts = {n: torch.tensor(a) for n, a in given.items() if n.startswith("start.")}
    found: dict[str, Any] = {}
    outputs, inputs = [], []
    for window in range(WINDOWS):
        params = _leaves(given, "params.")
        starts = {name: start.detach().requires_grad_() for name, start in starts.items()}
        xs = torch.tensor(given["xs"][window])
        xs = xs if xs.dtype == torch.int32 else xs.requires_grad_()
        ys, states = _stack(blocks, params, xs, starts)
        value = (ys * torch.tensor(given["dys"][window])).sum()
        for name, state in states.items():
            value = value + (state * torch.tensor(given[f"dstate.{window}.{name}"])).sum()
            found[f"state.{window}.{name}"] = state
        value.backward()
        found |= {f"grads.{window}.{n.partition('.')[2]}": p.grad for n, p in params.items()}
        found |= {f"dstart.{window}.{n.partition('.')[2]}": s.grad for n, s in starts.items()}
        starts = {f"start.{name}": state for name, state in states.items()}
        outputs.append(ys)
        inputs.append(xs.grad)
    found["ys"] = torch.stack(outputs)
    if inputs[0] is not None:
        found["dxs"] = torch.stack(inputs)
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def _leaves(given: Arrays, prefix: str) -> Tensors:
    return {n: torch.tensor(a).requires_grad_() for n, a in given.items() if n.startswith(prefix)}


def _stack(
    blocks: Sequence[Block], params: Tensors, xs: Tensor, starts: Tensors
) -> tuple[Tensor, Tensors]:
    """Return the outputs and the final state, by LAYER.I."""
    kind = blocks[0]["type"]
    if kind in ORDER or kind == "bidirectional":
        return _recurrent(blocks, params, xs, starts)
    if kind == "gru_reset_before":
        return _gru_reset_before(params, xs, starts)
    if kind == "affine":
        return functional.linear(xs, params["params.0.W"].T, params["params.0.b"]), {}
    if kind == "embedding":
        return functional.embedding(xs, params["params.0.W"]), {}
    gain, bias = params["params.0.gain"], params["params.0.bias"]
    return functional.layer_norm(xs, gain.shape, gain, bias), {}


def _recurrent(
    blocks: Sequence[Block], params: Tensors, xs: Tensor, starts: Tensors
) -> tuple[Tensor, Tensors]:
    """Run `torch.lstm`, `torch.gru` or `torch.rnn_*`, which the modules of torch.nn call."""
    both = blocks[0]["type"] == "bidirectional"
    cell = blocks[0]["layer"] if both else blocks[0]
    kind = cell["type"]
    prefixes = [
        f"params.{k}.{direction}"
        for k in range(len(blocks))
        for direction in (("forward.", "backward.") if both else ("",))
    ]
    weights = [weight for prefix in prefixes for weight in _weights(kind, params, prefix)]
    sizes = 2 if kind == "lstm" else 1
    start = [_start(starts, i, len(blocks), both) for i in range(sizes)]
    options = (weights, True, len(blocks), 0.0, False, both, False)
    if kind == "lstm":
        ys, *end = torch.lstm(xs, start, *options)
    elif kind == "gru":
        ys, *end = torch.gru(xs, start[0], *options)
    else:
        run = torch.rnn_relu if cell.get("activation") == "relu" else torch.rnn_tanh
        ys, *end = run(xs, start[0], *options)
    ends = {
        f"{k}.{i}": end[i][k * (2 if both else 1)] for k in range(len(blocks)) for i in range(sizes)
    }
    return ys, ends


def _start(starts: Tensors, i: int, layers: int, both: bool) -> Tensor:
    """Return h or c as (layers * directions, B, H); the backward direction starts from zeros."""
    rows = []
    for k in range(layers):
        rows.append(starts[f"start.{k}.{i}"])
        if both:
            rows.append(torch.zeros_like(rows[-1]))
    return torch.stack(rows)


def _weights(kind: str, params: Tensors, prefix: str) -> list[Tensor]:
    """Return weight_ih, weight_hh, bias_ih, bias_hh."""
    Wx, Wh, b = (_reordered(kind, params[prefix + name]) for name in ("Wx", "Wh", "b"))
    recurrent = torch.zeros_like(b)
    if kind == "gru":
        recurrent = torch.cat([recurrent[: 2 * len(Wh)], params[prefix + "bn"]])
    return [Wx.T, Wh.T, b, recurrent]


def _reordered(kind: str, packed: Tensor) -> Tensor:
    gates = torch.chunk(packed, len(ORDER[kind]), dim=-1)
    return torch.cat([gates[k] for k in ORDER[kind]], dim=-1)


def _gru_reset_before(params: Tensors, xs: Tensor, starts: Tensors) -> tuple[Tensor, Tensors]:
    """Cho et al. 2014, eq. 5 to 8, written out; PyTorch has no such cell."""
    Wxr, Wxz, Wxn = torch.chunk(params["params.0.Wx"], 3, dim=1)
    Whr, Whz, Whn = torch.chunk(params["params.0.Wh"], 3, dim=1)
    br, bz, bn = torch.chunk(params["params.0.b"], 3)
    h, ys = starts["start.0.0"], []
    for x in xs:
        r = torch.sigmoid(x @ Wxr + h @ Whr + br)
        z = torch.sigmoid(x @ Wxz + h @ Whz + bz)
        n = torch.tanh(x @ Wxn + (r * h) @ Whn + bn)
        h = (1 - z) * n + z * h
        ys.append(h)
    return torch.stack(ys), {"0.0": h}
