"""What a few small windows say of a large one, against the large one itself."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from layer_examples import build

from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.states import copied
from rnnkit.network.window_memory import Sizes, _TrialWindow, window_bytes

Block = dict[str, Any]

VOCABULARY = 60
FIRST: Block = {"type": "embedding", "name": "table", "units": 24}
LAST: Block = {"type": "affine"}


def cell(kind: str, units: int = 24) -> Block:
    return {"type": kind, "units": units}


STACKS: dict[str, list[Block]] = {
    "rnn": [FIRST, cell("rnn"), LAST],
    "lstm": [{"type": "one_hot"}, cell("lstm"), cell("lstm"), LAST],
    "gru": [FIRST, cell("gru"), LAST],
    "gru_reset_before": [FIRST, cell("gru_reset_before"), LAST],
    "dropout": [FIRST, {"type": "dropout", "rate": 0.3}, cell("lstm"), LAST],
    "norm": [FIRST, cell("lstm"), {"type": "layer_norm"}, LAST],
    "bidirectional": [FIRST, {"type": "bidirectional", "layer": cell("gru")}, LAST],
    "residual": [FIRST, {"type": "residual", "layer": cell("lstm")}, LAST],
    "tied": [FIRST, cell("lstm"), {"type": "affine", "tie": "table"}],
}
SMALL_WORK = 100_000
"""Four streams or fewer, eight steps or fewer: less than a fiftieth of the window."""


def network(stack: list[Block]) -> Network:
    ids = Signal(VOCABULARY, ids=True)
    return Network.sized([build(b) for b in stack], SoftmaxCrossEntropy(), ids, ids)


def measured(net: Network, steps: int, streams: int, restarts: bool) -> int:
    """Return the most memory that two windows of random ids take."""
    random, dtype = np.random.default_rng(2), np.dtype(np.float32)
    store = net.store(dtype)
    store.initialize(1)
    ids = random.integers(0, VOCABULARY, (2, steps, streams)).astype(np.int32)
    resets = random.random((steps, streams)) < (0.02 if restarts else 0)
    batch = Batch(ids[0], ids[1], np.ones((steps, streams), dtype), resets, None)
    states = net.initial_states(streams, dtype)

    def window(pool: Pool) -> None:
        ctx = Context(train=True, step=1, pool=pool)
        copied(net.learn(store.values, store.grads, batch, states, ctx)[2])
        pool.recycle()

    window(Pool())
    tracemalloc.start()
    try:
        pool = Pool()
        window(pool)
        window(pool)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_the_large_window_is_within_a_fifth(stack: list[Block], restarts: bool) -> None:
    net = network(stack)
    wanted = measured(net, 60, 40, restarts)
    found = window_bytes(net, 60, 40, restarts, SMALL_WORK)
    assert abs(found - wanted) < 0.2 * wanted, f"{found:,} predicted, {wanted:,} measured"


def test_a_window_that_is_small_itself_is_measured_as_it_is() -> None:
    net = network(STACKS["lstm"])
    found, wanted = window_bytes(net, 3, 2, False), measured(net, 3, 2, False)
    assert abs(found - wanted) < 0.05 * wanted


def test_sizes_stay_below_the_window_and_the_rows() -> None:
    for steps in (1, 3, 35, 2000):
        for streams in (1, 2, 3, 500):
            for rows in (0, 3, 16, 200, 10**6):
                sizes = Sizes.below(steps, streams, rows)
                assert sizes.steps[-1] <= steps and sizes.streams[-1] <= streams
                assert sizes.steps[-1] * sizes.streams[-1] <= max(8, rows)
                assert sizes.steps[0] >= min(2, steps)
                assert list(sizes.steps) == sorted(set(sizes.steps))
                assert list(sizes.streams) == sorted(set(sizes.streams))


def test_little_is_allocated_for_a_large_model() -> None:
    net = network([{"type": "one_hot"}, *[cell("lstm", 256)] * 6, LAST])
    store = net.store(np.dtype(np.float32))
    largest = max(a.nbytes for layer in store.values.values() for a in layer.values())
    tracemalloc.start()
    try:
        trial = _TrialWindow(net, restarts=False)
        held = tracemalloc.get_traced_memory()[0]
        window_bytes(net, 4, 2, False)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert store.flat.nbytes > 10 * largest
    assert held < 2 * largest + 50_000
    shapes = {n: {k: a.shape for k, a in layer.items()} for n, layer in store.values.items()}
    for views in (trial.params, trial.grads):
        assert {n: {k: a.shape for k, a in layer.items()} for n, layer in views.items()} == shapes


def test_tracing_is_off_afterwards() -> None:
    window_bytes(network(STACKS["rnn"]), 5, 5, False)
    assert not tracemalloc.is_tracing()
