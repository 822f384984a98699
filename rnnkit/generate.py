"""Text from a trained network, token by token, and the probability of text that is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from rnnkit.block import Record
from rnnkit.context import Context, Pool, keyed_generator
from rnnkit.network import Network, States, copied
from rnnkit.types import Array, Params

WINDOW = 256
"""Steps that are run at once: a long text needs no more memory than this many rows of logits."""


class Sampling(Record):
    """How the next token is drawn from the logits.

    The logits are divided by `temperature`; only the `top_k` largest, then only the smallest set
    whose probabilities reach `top_p` (Holtzman et al. 2020), may be drawn. `greedy` takes the
    largest.
    """

    temperature: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    greedy: bool = False
    top_k: Annotated[int, Field(ge=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1


def choose(logits: Array, sampling: Sampling, drawn: Array) -> Array:
    """Return an id for each row of logits (B, V), from numbers `drawn` (B,) uniform in [0, 1)."""
    if sampling.greedy:
        return np.asarray(logits.argmax(axis=1))
    scaled = logits.astype(np.float64) / sampling.temperature
    order = np.argsort(-scaled, axis=1, kind="stable")
    ranked = np.take_along_axis(scaled, order, axis=1)
    probabilities = np.exp(ranked - ranked[:, :1])
    if sampling.top_k is not None:
        probabilities[:, sampling.top_k :] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if sampling.top_p is not None:
        before = np.cumsum(probabilities, axis=1) - probabilities
        probabilities[before >= sampling.top_p] = 0
    reached = np.cumsum(probabilities, axis=1)
    rank = (reached <= drawn[:, None] * reached[:, -1:]).sum(axis=1)
    last = (probabilities > 0).sum(axis=1) - 1
    return np.take_along_axis(order, np.minimum(rank, last)[:, None], axis=1)[:, 0]


def generate(
    network: Network,
    params: Mapping[str, Params],
    prompt: Array,
    count: int,
    sampling: Sampling,
    states: States | None = None,
) -> Iterator[Array]:
    """Yield the next ids (count,), one step at a time, for ever.

    Every sample starts from the same prompt ids (T,) and draws from a generator of its own, so the
    first of many samples equals the only one.
    """
    pool = Pool()
    ctx = Context(pool=pool)
    random = [keyed_generator(sampling.seed, "sample", step=k) for k in range(count)]
    xs = np.repeat(prompt.astype(np.int32)[:, None], count, axis=1)
    states = states or network.initial_states(count, ctx.dtype)
    while True:
        for start in range(0, len(xs), WINDOW):
            ys, after, _ = network.scan(params, xs[start : start + WINDOW], states, None, ctx)
            logits, states = ys[-1].copy(), copied(after)
            pool.recycle()
        ids = choose(logits, sampling, np.array([r.random() for r in random]))
        yield ids
        xs = ids.astype(np.int32)[None]


def log_probabilities(network: Network, params: Mapping[str, Params], ids: Array) -> Array:
    """Return log p (N - 1,) in nats of each id after the first, given those before it."""
    pool = Pool()
    ctx = Context(pool=pool)
    states = network.initial_states(1, ctx.dtype)
    xs, found = ids[:-1].astype(np.int32)[:, None], []
    for start in range(0, len(xs), WINDOW):
        ys, after, _ = network.scan(params, xs[start : start + WINDOW], states, None, ctx)
        logits, states = ys[:, 0].astype(np.float64), copied(after)
        pool.recycle()
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        found.append(logits[np.arange(len(logits)), ids[start + 1 : start + 1 + len(logits)]])
    return np.concatenate(found)
