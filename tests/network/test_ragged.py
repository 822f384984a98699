"""A batch of sequences of different lengths has the loss and gradient of each sequence alone.

The conformance kit shows it of every layer (`ragged`); here of whole networks with their loss, on
batches as the datasets make them, empty streams included.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from layer_examples import REGISTRY, build

from rnnkit.builtin.datasets.shared.batches import Order
from rnnkit.builtin.datasets.shared.sequence_source import Examples, WholeSource
from rnnkit.contracts.dataset import Batch, Layout
from rnnkit.contracts.ragged import Ragged
from rnnkit.core.block import parse_block
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import ParamStore
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.types import Array

FLOAT64: Any = np.dtype(np.float64)
LENGTHS = [3, 9, 1, 4, 4, 7, 2]
STACKS = {
    "cells": [
        {"type": "embedding", "units": 4},
        {"type": "lstm", "units": 5},
        {"type": "layer_norm"},
        {"type": "gru", "units": 5},
        {"type": "affine"},
    ],
    "wrappers": [
        {"type": "one_hot"},
        {"type": "bidirectional", "layer": {"type": "gru_reset_before", "units": 3}},
        {
            "type": "residual",
            "layer": {"type": "bidirectional", "layer": {"type": "rnn", "units": 3}},
        },
        {"type": "affine"},
    ],
}


def network(stack: str, loss: str) -> tuple[Network, ParamStore]:
    target = Signal(3, ids=loss == "softmax_cross_entropy")
    found = parse_block("rnnkit.losses", {"type": loss}, {"catalog": REGISTRY})
    layers = [build(block) for block in STACKS[stack]]
    sized = Network.sized(layers, found, Signal(6, ids=True), target)
    store = sized.store(FLOAT64)
    store.initialize(3)
    store.flat += 0.1 * np.random.default_rng(1).standard_normal(store.flat.size)
    return sized, store


def sequences(loss: str, each: bool) -> Examples:
    random = np.random.default_rng(0)
    steps = [n if each else 1 for n in LENGTHS]
    inputs = [random.integers(6, size=n) for n in LENGTHS]
    if loss == "mse":
        return Examples(
            Ragged.of(inputs, np.int32),
            Ragged.of([random.standard_normal((n, 3)) for n in steps], np.float64),
        )
    targets = [random.integers(3, size=n) for n in steps]
    return Examples(Ragged.of(inputs, np.int32), Ragged.of(targets, np.int32))


def learned(network: Network, store: ParamStore, batch: Batch) -> tuple[float, float, Array]:
    """Return loss, weight and gradient, from a state that must not matter."""
    store.grad.fill(0)
    states = network.initial_states(batch.inputs.shape[1], FLOAT64)
    states = {name: tuple(a + 0.7 for a in state) for name, state in states.items()}
    ctx = Context(train=True, dtype=FLOAT64, valid=batch.valid, pool=Pool(fill=math.nan))
    total, weight, _ = network.learn(store.values, store.grads, batch, states, ctx)
    return total, weight, store.grad.copy()


@pytest.mark.parametrize("each", [True, False], ids=["each", "last"])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse"])
@pytest.mark.parametrize("stack", sorted(STACKS))
@pytest.mark.parametrize("streams", [3, 4, 9])
def test_a_ragged_batch_is_its_sequences(stack: str, loss: str, each: bool, streams: int) -> None:
    part, (net, store) = sequences(loss, each), network(stack, loss)

    def parts(width: int) -> list[tuple[float, float, Array]]:
        turns = Order().turns(part.inputs.lengths, Layout(width, 1), None)
        return [learned(net, store, WholeSource.batch_of(part, turn)) for turn in turns]

    alone, together = parts(1), parts(streams)
    assert len(alone) == 7 and len(together) == math.ceil(7 / streams)
    for index in range(3):
        wanted: Any = sum(found[index] for found in alone)
        got: Any = sum(found[index] for found in together)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    assert sum(found[1] for found in alone) == (sum(LENGTHS) if each else 7)
