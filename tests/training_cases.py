"""Training before its first step, and runs that a signal stops at a chosen scan."""

from __future__ import annotations

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
    return Training(spec, network, windows, store, slots, states, Progress())


def stopped_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spec: JSONObject, where: str, count: int
) -> Path:
    """Run a spec that meets SIGTERM in its count-th scan of training, or of an evaluation."""
    path = write_spec(folder, spec)
    options = RunOptions()
    scan, seen = Network.scan, 0

    def counted(self: Network, params: Any, xs: Any, states: Any, resets: Any, ctx: Any) -> Any:
        nonlocal seen
        seen += ctx.train == (where == "training")
        if seen == count:
            options.stop.number = 15
        return scan(self, params, xs, states, resets, ctx)

    from rnnkit.errors import InterruptedRun

    with monkeypatch.context() as patch:
        patch.setattr(Network, "scan", counted)
        patch.setattr(
            "rnnkit.network.memory.window_bytes", lambda *sizes: 0
        )  # it scans as training does
        read = read_spec(path, Registry())
        with pytest.raises(InterruptedRun) as caught:
            start(read.spec, read.source, folder / "run", folder, Registry(), options)
    assert caught.value.exit_code == 143
    return folder / "run"
