"""Text from a trained network, token by token, and the windows in which it reads ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.stack.sampler import Plan, make_plan, tokens
from rnnkit.core.block import Record
from rnnkit.core.context import Context, keyed_generator
from rnnkit.core.validation import options_error
from rnnkit.inference.finite import finite_scores, not_finite
from rnnkit.inference.stream_state import StreamState
from rnnkit.network.network import Network
from rnnkit.network.states import States, copied
from rnnkit.types import Array, Params

WINDOW = 256
"""Steps that are run at once at most: a long text needs no more memory than a short one."""

ROWS = 2**12
"""Steps of streams that are run at once at most: many streams need no more memory than one."""

LOGITS = 2**22
"""Logits that are held at once at most, however large the vocabulary."""

BLOCK = 32
"""Tokens that one call of the compiled sampler makes."""

SKIPPED = 2**16
"""Random numbers that are passed over at once, where a sample goes on from an earlier one."""

FEW = 4
"""Samples up to which compiled code, one after the other, is faster than a batch in NumPy."""


class Sampling(Record):
    """How the next token is drawn from the logits.

    The logits are divided by `temperature`; only the `top_k` largest, then only the smallest set
    whose probabilities reach `top_p` (Holtzman et al. 2020), may be drawn. `greedy` takes the
    largest.
    """

    temperature: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    greedy: bool = False
    top_k: Annotated[int, Field(ge=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1

    def limits(self, vocabulary: int) -> tuple[int, float]:
        """Return how many ids may be drawn, and what they need to reach, as plain numbers."""
        top_k = 1 if self.greedy else min(self.top_k or vocabulary, vocabulary)
        return top_k, self.top_p or 1.0


def sampling_of(options: Mapping[str, object]) -> Sampling:
    """Return options of a sample; raises ValueError with a line for each that is wrong."""
    try:
        return Sampling.model_validate(options)
    except ValidationError as error:
        raise options_error(error, "sample", Sampling.model_fields) from None


def choose_ids(logits: Array, sampling: Sampling, drawn: Array) -> Array:
    """Return an id for each row of logits (B, V), from numbers `drawn` (B,) uniform in [0, 1).

    It is the first id at which the sum of the probabilities, in the order of the vocabulary, passes
    the number; 0 where a logit is NaN.
    """
    if kernels_available():
        from rnnkit.compute.kernels.sample_choice import choose_rows

        options = sampling.temperature, *sampling.limits(logits.shape[1])
        return np.asarray(choose_rows(logits, *options, drawn))
    return choose_in_numpy(logits, sampling, drawn)


def choose_in_numpy(logits: Array, sampling: Sampling, drawn: Array) -> Array:
    """Do the same without compiled code."""
    if sampling.greedy:
        return np.asarray(logits.argmax(axis=1))
    scaled = logits.astype(np.float64) / sampling.temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    if sampling.top_k is not None or sampling.top_p is not None:
        weights *= _kept(logits, weights, sampling)
    reached = np.cumsum(weights, axis=1)
    return np.asarray((reached > drawn[:, None] * reached[:, -1:]).argmax(axis=1))


def _kept(logits: Array, weights: Array, sampling: Sampling) -> Array:
    """Return which ids (B, V) may be drawn; of equal logits the lower id comes first."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, : sampling.top_k]
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    likely = np.ones(order.shape, bool)
    if sampling.top_p is not None:
        likely[:, 1:] = reached[:, :-1] < sampling.top_p * reached[:, -1:]
    kept = np.zeros(logits.shape, bool)
    np.put_along_axis(kept, order, likely, axis=1)
    return kept


def generate(
    network: Network,
    params: Mapping[str, Params],
    prompt: Array,
    count: int,
    sampling: Sampling,
    begun: StreamState | None = None,
    int8: bool = False,
) -> Iterator[Array]:
    """Yield the next ids (count,), one step at a time, for ever.

    Every sample reads the same prompt ids (T,) from the state `begun`, one stream for all of them
    or one for each (None: a zero hidden state), and draws from a generator of its own, so the first
    of many samples equals the only one. A few of a stack that `compiled` knows are made in blocks
    by compiled code: the same ids, but where the rounding of a logit decides. With `int8` the
    parameters are quantized, and that code reads them in 8 bits. Raises DivergedError at the first
    token of which the scores are not finite.
    """
    begun = begun or StreamState.zero(network)
    draws = _draws(sampling.seed, begun.spread(count).drawn.tolist())
    one = begun.rows(np.zeros(1, np.intp)).states
    if count <= FEW and (plan := compiled(network, params, one, int8)):
        after = seen(network, params, prompt, begun).spread(count)
        yield from _in_blocks(network, plan, after, sampling, draws)
    ctx = Context()
    ys, states = _read(network, params, begun.before(prompt), begun.states, ctx)
    ys = np.repeat(ys, count // begun.streams, axis=0)
    states = StreamState(states, begun.streams, drawn=begun.drawn).spread(count).states
    for number, drawn in enumerate(chain.from_iterable(draws), 1):
        ids = choose_ids(finite_scores(network, ys, number), sampling, drawn)
        yield ids
        ys, states = _read(network, params, ids.astype(np.int32)[None], states, ctx)


def compiled(
    network: Network, params: Mapping[str, Params], states: States, int8: bool = False
) -> Plan | None:
    """Return what the compiled sampler runs from states of one stream.

    None where a layer has no such form, the outputs are no logits, or the kernels are off.
    """
    if not (kernels_available() and network.token_scores.are_outputs):
        return None
    table = network.sections[0].table
    if table is None or len(network.sections) > 1:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # the sampler tells of it
        return make_plan(table, params, tuple(chain.from_iterable(states.values())), int8)


def following(
    network: Network, params: Mapping[str, Params], ids: Array, begun: StreamState
) -> tuple[Array, StreamState]:
    """Return the outputs (B, F) for what follows ids (T,), and the streams when all are read.

    Raises DivergedError where they are not finite.
    """
    xs = begun.before(ids)
    ys, states = _read(network, params, xs, begun.states, Context())
    finite_scores(network, ys[:1], len(xs))
    return ys, replace(begun, states=states, last=None)


def seen(
    network: Network, params: Mapping[str, Params], ids: Array, begun: StreamState
) -> StreamState:
    """Return the streams once they have seen ids (T,), the last of which they do not yet read."""
    ctx, states, xs = Context(), begun.states, begun.before(ids)
    for _, _, after in windows(network, params, xs[:-1], states, ctx):
        states = after
    return replace(begun, states=states, last=xs[-1].astype(np.int64)) if len(xs) else begun


def _read(
    network: Network, params: Mapping[str, Params], xs: Array, states: States, ctx: Context
) -> tuple[Array, States]:
    """Return the outputs (B, F) after the last of the ids (T, B), and the states there."""
    for _, ys, after in windows(network, params, xs, states, ctx):
        last, states = ys[-1].copy(), after
    return last, states


def rows_at_once(network: Network) -> int:
    """Return how many steps, of all streams together, are run at once at most."""
    return max(min(ROWS, LOGITS // network.outputs.known()), 1)


def windows(
    network: Network,
    params: Mapping[str, Params],
    xs: Array,
    states: States,
    ctx: Context,
    lengths: Array | None = None,
) -> Iterator[tuple[int, Array, States]]:
    """Yield (start, outputs, states after it) of each window of ids (T, B).

    Streams of `lengths` (B,), the longest first, are left out of the windows after their ends. The
    outputs lie in scratch memory until the next one.
    """
    start, streams = 0, xs.shape[1]
    while start < len(xs):
        if lengths is not None:
            streams = np.count_nonzero(lengths > start)
            states = {name: tuple(a[:streams] for a in state) for name, state in states.items()}
        stop = start + max(min(WINDOW, rows_at_once(network) // streams), 1)
        window = np.ascontiguousarray(xs[start:stop, :streams])
        with np.errstate(over="ignore", invalid="ignore"):  # what asks for the outputs looks
            ys, after = network.forward(params, window, states, None, ctx)
        states = copied(after)
        yield start, ys, states
        ctx.pool.recycle()
        start = stop


def _draws(seed: int, used: Sequence[int]) -> Iterator[Array]:
    """Yield blocks (n, B) of numbers, the first of one row; a sample has its own generator.

    `used` says how many numbers of each generator were drawn before.
    """
    random = [keyed_generator(seed, "sample", step=k) for k in range(len(used))]
    for generator, count in zip(random, used, strict=True):
        for start in range(0, count, SKIPPED):
            generator.random(min(SKIPPED, count - start))
    for size in chain([1], repeat(BLOCK)):
        yield np.stack([r.random(size) for r in random], axis=1)


def _in_blocks(
    network: Network,
    plan: Plan,
    after: StreamState,
    sampling: Sampling,
    draws: Iterator[Array],
) -> Iterator[Array]:
    """Yield the ids (B,) that follow B streams, made by compiled code.

    Raises DivergedError at the first token of which the scores are not finite.
    """
    assert after.last is not None
    plans = [plan.with_state(tuple(_arrays_of(after, k))) for k in range(after.streams)]
    options, step = (sampling.temperature, *sampling.limits(plan.table.outputs)), 1
    ids = after.last
    for drawn in draws:
        found = tokens(plans, ids, drawn, options)
        ids = found[-1]
        # One look for a block: one for each token took 6 % of the time of a small model.
        finite = found if ids.min() >= 0 else found[found.min(axis=1) >= 0]
        yield from finite
        step += len(finite)
        if len(finite) < len(found):
            raise not_finite(network, f"step {step}")


def _arrays_of(after: StreamState, stream: int) -> Iterator[Array]:
    for state in after.states.values():
        yield from (array[stream] for array in state)
