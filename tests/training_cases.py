"""Training before its first step, and runs that a signal stops at a chosen scan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    JSONObject,
    write_spec,
)

from rnnkit.checkpoint.progress import Progress
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.network.builder import build_network
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec
from rnnkit.spec.read import read_spec
from rnnkit.training.start import RunOptions, start
from rnnkit.training.step import Training
from rnnkit.types import Array

Params = dict[str, Array]


def opened(folder: Path, spec: JSONObject, content: str | None = None) -> tuple[Spec, Source]:
    """Return a resolved spec and its data."""
    read = read_spec(write_spec(folder, spec, content), Registry()).spec
    source = read.data.open(folder)
    return build_network(read, source.inputs, source.targets)[0], source


def fresh(spec: Spec, source: Source, dtype: Any = np.float64) -> Training:
    """Return the state before the first step, in float64 for comparisons."""
    spec, network = build_network(spec, source.inputs, source.targets)
    store = network.store(np.dtype(dtype))
    store.initialize(spec.train.seed)
    slots = {n: np.zeros_like(store.flat) for n in spec.train.optimizer.used_slots()}
    states = network.initial_states(spec.train.streams, store.flat.dtype)
    windows = source.windows("train", spec.train.layout())
    schedule = spec.train.schedule
    progress = Progress(schedule=schedule.start() if schedule else None)
    return Training(spec, network, windows, store, slots, states, progress)


def stopped_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spec: JSONObject, where: str, count: int
) -> Path:
    """Run a spec that meets SIGTERM in its count-th scan of training, or of an evaluation."""
    path = write_spec(folder, spec)
    options = RunOptions()
    method = "scan" if where == "training" else "forward"
    run, seen = getattr(Network, method), 0

    def counted(self: Network, params: Any, xs: Any, states: Any, resets: Any, ctx: Any) -> Any:
        nonlocal seen
        seen += ctx.train == (where == "training")
        if seen == count:
            options.stop.number = 15
        return run(self, params, xs, states, resets, ctx)

    from rnnkit.errors import InterruptedRun

    with monkeypatch.context() as patch:
        patch.setattr(Network, method, counted)
        patch.setattr(
            "rnnkit.network.memory.window_bytes", lambda *sizes: 0
        )  # it scans as training does
        read = read_spec(path, Registry())
        with pytest.raises(InterruptedRun) as caught:
            start(read.spec, read.source, folder / "run", folder, Registry(), options)
    assert caught.value.exit_code == 143
    return folder / "run"


# An implementation of its own: loops over steps, streams kept apart, no batch of rows anywhere.


def plain_gradient(
    p: Mapping[str, Array], ids: Array, targets: Array, h: Array
) -> tuple[float, Params, Array]:
    """Return (total loss, summed gradient, last h) of one stream: embedding, tanh cell, affine."""
    g = {name: np.zeros_like(value) for name, value in p.items()}
    hs, total = [h], 0.0
    probabilities = []
    for x in ids:
        hs.append(np.tanh(p["E"][x] @ p["Wx"] + hs[-1] @ p["Wh"] + p["b"]))
        logits = hs[-1] @ p["W"] + p["c"]
        q = np.exp(logits - logits.max())
        probabilities.append(q / q.sum())
    dh = np.zeros_like(h)
    for t in reversed(range(len(ids))):
        total -= math.log(probabilities[t][targets[t]])
        dy = probabilities[t].copy()
        dy[targets[t]] -= 1
        g["W"] += np.outer(hs[t + 1], dy)
        g["c"] += dy
        dz = (dh + p["W"] @ dy) * (1 - hs[t + 1] ** 2)
        g["Wx"] += np.outer(p["E"][ids[t]], dz)
        g["Wh"] += np.outer(hs[t], dz)
        g["b"] += dz
        g["E"][ids[t]] += p["Wx"] @ dz
        dh = p["Wh"] @ dz
    return total, g, hs[-1]


NAMES = {
    "E": ("0.embedding", "W"),
    "Wx": ("1.rnn", "Wx"),
    "Wh": ("1.rnn", "Wh"),
    "b": ("1.rnn", "b"),
    "W": ("2.affine", "W"),
    "c": ("2.affine", "b"),
}
