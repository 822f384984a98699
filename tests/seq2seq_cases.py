"""Encoders with decoders of every kind, their parameters, and a batch of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from layer_examples import build

from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import parse_block
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import ParamStore
from rnnkit.core.signal import Signal
from rnnkit.network.seq2seq import Seq2Seq, paired

IDS = Signal(7, ids=True)


FLOAT64 = np.dtype(np.float64)


LOSS = parse_block("rnnkit.losses", {"type": "softmax_cross_entropy"}, {"catalog": Registry()})


EMBEDDING = {"type": "embedding", "units": 4}


LSTM = {"type": "lstm", "units": 5}


GRU = {"type": "gru", "units": 5}


AFFINE = {"type": "affine"}


DOT = {"type": "attention"}


ADDITIVE = {"type": "attention", "score": "additive", "units": 3}


BOTH_WAYS = {"type": "bidirectional", "layer": LSTM}


MODELS: dict[str, tuple[list[Any], list[Any], str, bool]] = {
    "plain": ([EMBEDDING, LSTM], [EMBEDDING, LSTM, AFFINE], "all", False),
    "output": ([EMBEDDING, LSTM], [EMBEDDING, LSTM, AFFINE], "output", False),
    "peeky": ([EMBEDDING, LSTM], [EMBEDDING, LSTM, AFFINE], "output", True),
    "deep": ([EMBEDDING, LSTM, GRU], [EMBEDDING, LSTM, GRU, AFFINE], "all", True),
    "dot": ([EMBEDDING, LSTM], [EMBEDDING, LSTM, DOT, AFFINE], "all", False),
    "additive": ([EMBEDDING, GRU], [EMBEDDING, GRU, ADDITIVE, AFFINE], "all", True),
    "both ways": ([EMBEDDING, BOTH_WAYS], [EMBEDDING, LSTM, ADDITIVE, AFFINE], "all", False),
    "attention last": (
        [EMBEDDING, GRU],
        [EMBEDDING, GRU, {**ADDITIVE, "name": "look"}],
        "all",
        False,
    ),
}


def network_of(name: str) -> Seq2Seq:
    encoder, decoder, bridge, peek = MODELS[name]
    targets = Signal(10, ids=True) if name == "attention last" else IDS
    layers = [build(block) for block in encoder], [build(block) for block in decoder]
    return paired(*layers, LOSS, IDS, targets, bridge, peek)  # type: ignore[arg-type]


def batch_of(
    seed: int = 0, sources: tuple[int, ...] = (4, 2, 6), targets: Any = (3, 5, 2)
) -> Batch:
    """Pairs of different lengths: sources end together, targets begin together."""
    random = np.random.default_rng(seed)
    steps, longest, streams = max(targets), max(sources), len(sources)
    valid = np.arange(longest)[:, None] >= longest - np.array(sources)
    resets = np.arange(longest)[:, None] == longest - np.array(sources)
    weights = (np.arange(steps)[:, None] < np.array(targets)).astype(float)
    read = random.integers(7, size=(longest, streams), dtype=np.int32)
    words = random.integers(7, size=(steps + 1, streams), dtype=np.int32)
    return Batch(
        words[:-1],
        words[1:],
        weights,
        np.zeros((steps, streams), bool),
        None,
        encoder=EncoderInputs(read, resets, valid),
    )


def stored(network: Seq2Seq, seed: int = 1) -> ParamStore:
    store = network.store(FLOAT64)
    store.flat[:] = 0.4 * np.random.default_rng(seed).standard_normal(store.flat.size)
    return store


def context() -> Context:
    return Context(train=True, dtype=FLOAT64, step=1, pool=Pool(fill=float("nan")))


def learned(network: Seq2Seq, store: ParamStore, batch: Batch) -> tuple[float, np.ndarray]:
    store.grad.fill(0)
    total, _, states = network.learn(store.values, store.grads, batch, {}, context())
    assert states == {}
    return total, store.grad.copy()
