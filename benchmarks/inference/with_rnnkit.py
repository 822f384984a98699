"""rnnkit's side: a checkpoint loaded as users load it, and asked by what `rnnkit.Model` has."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import rnnkit
from benchmarks.inference.rows import COMPARED, characters, check_windows, lines
from benchmarks.side import Found
from benchmarks.workloads import Workload
from rnnkit.types import Array


class Forward:
    """Windows of ids, the hidden state carried from each to the next."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.model = loaded(workload, arrays)
        self.ids = arrays["ids"][:-1]
        self.targets = arrays["ids"][-1]
        self.model.forward(self.ids[:1, :1])
        self.state = self.model.start(workload.batch)

    def check(self) -> Found:
        """Return log-probabilities after the first windows."""
        return check_windows(self.step, self.targets)

    def step(self) -> Array:
        """Run one window; return the logits (T, B, V)."""
        ys, self.state = self.model.forward(self.ids, self.state)
        return ys


class Step(Forward):
    """One stream, a step at a time."""

    def step(self) -> Array:
        """Run one step; return the logits (1, 1, V)."""
        y, self.state = self.model.step(self.ids[0, 0], self.state)
        return y[None, None]


class Score:
    """The log-probability of many lines."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.model = loaded(workload, arrays)
        self.lines = lines(workload, arrays["ids"])
        list(self.model.scores([self.lines[0][:1]]))

    def check(self) -> Found:
        """Return the log-probability of the first lines."""
        return {"log p": [float(p.sum()) for _, p in self.model.scores(self.lines[:COMPARED])]}

    def step(self) -> None:
        """Score all lines."""
        for _ in self.model.scores(self.lines):
            pass


def loaded(workload: Workload, arrays: dict[str, Array]) -> rnnkit.Model:
    """Return the model of a checkpoint with these weights."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.h5"
        built(workload, arrays).save(file)
        return rnnkit.load(file)


def built(workload: Workload, arrays: dict[str, Array]) -> rnnkit.Model:
    """Return a model of text with these weights, as if it had learned them."""
    size = {"units": workload.units}
    cells = [{"type": workload.cell, **size}] * workload.layers
    layers = [{"type": workload.reads, **size}, *cells, {"type": "affine"}]
    spec: dict[str, Any] = {
        "name": "model",
        "model": {"layers": layers, "loss": {"type": "softmax_cross_entropy"}},
        "train": {"epochs": 1, "streams": 1, "window": 1, "optimizer": {"type": "sgd", "lr": 1.0}},
    }
    text = characters(workload.vocabulary) * 2
    model = rnnkit.build(spec, data=rnnkit.Arrays(text=text))
    table, *recurrent, affine = model.store.values.values()
    table["W"][...] = arrays["E"]
    for k, values in enumerate(recurrent):
        for name, value in values.items():
            value[...] = arrays[f"{name}{k}"]
    for name, value in affine.items():
        value[...] = arrays[name]
    return model
