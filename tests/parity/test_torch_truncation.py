"""True truncation equals a sum over the targets, written out with PyTorch's autograd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="parity needs torch: pip install rnnkit[parity]")

import torch
from helpers import small_spec
from training_cases import fresh, opened

from rnnkit.training.step import Training

STREAMS, WINDOW, UNITS = 3, 4, 5
Tensors = dict[str, Any]


def rnn(p: Tensors, x: Any, state: Any) -> Any:
    """One step of h' = tanh(x Wx + h Wh + b)."""
    return (torch.tanh(x @ p["Wx"] + state[0] @ p["Wh"] + p["b"]),)


def lstm(p: Tensors, x: Any, state: Any) -> Any:
    """One step; gates i, f, o, g."""
    i, f, o, g = (x @ p["Wx"] + state[0] @ p["Wh"] + p["b"]).split(UNITS, dim=1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru(p: Tensors, x: Any, state: Any) -> Any:
    """One step; gates r, z, n, the reset after the product."""
    (h,) = state
    xr, xz, xn = (x @ p["Wx"] + p["b"]).split(UNITS, dim=1)
    hr, hz, hn = (h @ p["Wh"]).split(UNITS, dim=1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * (hn + p["bn"])).tanh()
    return ((1 - z) * n + z * h,)


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def gradient(cell: str, training: Training, batch: Any, k: int) -> tuple[float, Any]:
    """Return (summed loss, gradient) of a window: for each target, k steps from a constant.

    The steps before the window, from the state that was saved there, under today's parameters.
    """
    names = ("0.embedding", f"1.{cell}", f"2.{cell}", "3.affine")
    leaves = {
        name: {n: torch.tensor(v).requires_grad_() for n, v in training.store.values[name].items()}
        for name in names
    }
    read = training.learner.window(training.part(batch))
    xs = torch.tensor(read.inputs).long()

    def step(t: int, states: Any) -> Any:
        fresh = torch.tensor(read.resets[t])[:, None]
        x, after = leaves["0.embedding"]["W"][xs[t]], []
        for name, state in zip(names[1:3], states, strict=True):
            state = tuple(torch.where(fresh, torch.zeros_like(a), a) for a in state)
            after.append(CELLS[cell](leaves[name], x, state))
            x = after[-1][0]
        return after

    entering = [[tuple(map(torch.tensor, training.states[name])) for name in names[1:3]]]
    with torch.no_grad():
        for t in range(WINDOW):
            entering.append(step(t, entering[-1]))
    total = 0.0
    for target in range(WINDOW):
        states = entering[target]
        for t in range(target, target + k):
            states = step(t, states)
        logits = states[-1][0] @ leaves["3.affine"]["W"] + leaves["3.affine"]["b"]
        wanted = torch.tensor(batch.targets[target]).long()
        loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
        loss.backward()
        total += loss.item()
    return total, {name: {n: v.grad.numpy() for n, v in p.items()} for name, p in leaves.items()}


@pytest.mark.parametrize("k", [1, 3, 4, 7, 11])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reset", ["epoch", "document"])
def test_every_window_of_a_run(tmp_path: Path, cell: str, k: int, reset: str) -> None:
    state = {"reset": reset} | ({"separator": "\n"} if reset == "document" else {})
    spec = small_spec(
        bptt={"style": "true", "steps": k},
        clip=None,
        schedule=None,
        optimizer={"type": "sgd", "lr": 0.5},
        state=state,
    )
    recurrent = {"type": cell, "units": UNITS}
    embedding, affine = {"type": "embedding", "units": 4}, {"type": "affine"}
    spec["model"]["layers"] = [embedding, recurrent, recurrent, affine]
    resolved, source = opened(tmp_path, spec)
    training = fresh(resolved, source)
    for batch in source.batches("train", resolved.train.layout(), None):
        total, wanted = gradient(cell, training, batch, k)
        update = training.step(batch)
        assert abs(update.total - total) < 1e-10
        for name, arrays in wanted.items():
            for parameter, array in arrays.items():
                found = training.store.grads[name][parameter] * update.weight
                np.testing.assert_allclose(found, array, 1e-9, 1e-12, err_msg=f"{name}.{parameter}")
    assert training.progress.epoch == 1
