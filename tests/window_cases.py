"""Stacks of every kind, and a window with restarts in it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from layer_examples import build

from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import ParamStore
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array

Block = dict[str, Any]

STEPS, STREAMS, VOCABULARY = 23, 4, 7


EMBED: Block = {"type": "embedding", "name": "table", "units": 6}


ONE_MASK: Block = {"type": "dropout", "rate": 0.5, "locked": True}


LAST: Block = {"type": "affine"}


STACKS: dict[str, list[Block]] = {
    "rnn": [EMBED, {"type": "rnn", "units": 5}, LAST],
    "lstm": [EMBED, {"type": "lstm", "units": 5}, {"type": "lstm", "units": 4}, LAST],
    "gru": [EMBED, {"type": "gru", "units": 5}, LAST],
    "gru_reset_before": [EMBED, {"type": "gru_reset_before", "units": 5}, LAST],
    "wrapper": [EMBED, {"type": "residual", "layer": {"type": "gru", "units": 6}}, LAST],
    "norm": [EMBED, {"type": "lstm", "units": 5}, {"type": "layer_norm"}, LAST],
    "tied": [EMBED, {"type": "rnn", "units": 6}, {"type": "affine", "tie": "table"}],
    "a cell last": [EMBED, {"type": "rnn", "units": 5}, {"type": "lstm", "units": VOCABULARY}],
    "no cell": [EMBED, LAST],
    "one mask": [EMBED, {"type": "rnn", "units": 5}, ONE_MASK, LAST],
}


DROPOUT: list[Block] = [
    EMBED,
    {"type": "dropout", "rate": 0.5},
    {"type": "gru", "units": 5},
    {"type": "dropout", "rate": 0.3},
    LAST,
]


class Case:
    """A network with random parameters, entering states, and a window with restarts in it."""

    def __init__(
        self, stack: list[Block], dtype: Any, loss: Any = None, steps: int = STEPS
    ) -> None:
        self.random = np.random.default_rng(5)
        ids = Signal(VOCABULARY, ids=True)
        layers = [build(block) for block in stack]
        self.network = Network.sized(layers, loss or SoftmaxCrossEntropy(), ids, ids)
        self.dtype = np.dtype(dtype)
        self.store: ParamStore = self.network.store(self.dtype)
        self.store.flat[:] = self.random.normal(0, 0.5, self.store.flat.size)
        self.states: States = {
            name: tuple(self.random.normal(0, 0.5, a.shape).astype(dtype) for a in state)
            for name, state in self.network.initial_states(STREAMS, self.dtype).items()
        }
        self.batch = self._batch(steps)

    def _batch(self, steps: int) -> Batch:
        inputs, targets = (
            self.random.integers(0, VOCABULARY, (steps, STREAMS)).astype(np.int32) for _ in "it"
        )
        weights = self.random.uniform(0.5, 2, (steps, STREAMS)).astype(np.float32)
        resets = np.zeros((steps, STREAMS), bool)
        for step, stream in ((0, 1), (3, 0), (5, 2), (12, 3), (steps - 1, 1)):
            resets[step, stream] = True  # 5 begins a block of 23 steps
        weights[2, 1], targets[4, 0] = 0, -1
        return Batch(inputs, targets, weights, resets, None)

    def learned(self, learn: Any) -> dict[str, Array]:
        """Return everything that a window gives."""
        self.store.grad.fill(1)
        ctx = Context(train=True, dtype=self.dtype, step=3, pool=Pool(fill=math.nan))
        values, grads = self.store.values, self.store.grads
        total, weight, after = learn(self.network, values, grads, self.batch, self.states, ctx)
        found = {"total": np.array(total), "weight": np.array(weight)}
        found["gradient"] = self.store.grad.copy()
        for name, state in after.items():
            found |= {f"{name}.{i}": array.copy() for i, array in enumerate(state)}
        return found
