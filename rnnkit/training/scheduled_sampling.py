"""What a network that predicts its next input reads in training: the data, or its own guesses.

Bengio, Vinyals, Jaitly and Shazeer 2015, "Scheduled sampling for sequence prediction with recurrent
neural networks". Which steps read a guess is drawn for each of them; the window is walked through
without a gradient, as far at a time as all streams read the data, and every guess is made from the
output of the step before. Ids carry no gradient, so what follows is an ordinary window, with
other inputs: learning does not know where they came from.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, keyed_generator
from rnnkit.inference.generate import Sampling, choose_ids
from rnnkit.network.network import Network
from rnnkit.network.states import States, copied
from rnnkit.spec.regime import Feed
from rnnkit.types import Array, Params


def fed(
    feed: Feed,
    network: Network,
    params: Mapping[str, Params],
    batch: Batch,
    states: States,
    ctx: Context,
    given: int = 0,
) -> Batch:
    """Return the window with some inputs replaced by guesses, under the parameters as they are.

    The window's first step after `given` others, and every step at a reset, read the data. A guess
    is made as in sampling, without dropout. All draws follow from (seed, step, shard of `ctx`).
    """
    chance = feed.chance(ctx.step - 1)
    if chance == 0:
        return batch
    random = keyed_generator(ctx.seed, "feedback", step=ctx.step, shard=ctx.shard)
    coins, numbers = random.random((2, *batch.resets.shape))
    guessed = (coins < chance) & ~batch.resets
    guessed[: given + 1] = False
    if not guessed.any():
        return batch
    walk = ctx.but(train=False)
    inputs = _walked(feed, network, params, batch, states, walk, guessed, numbers)
    return batch._replace(inputs=inputs)


def _walked(
    feed: Feed,
    network: Network,
    params: Mapping[str, Params],
    batch: Batch,
    states: States,
    ctx: Context,
    guessed: Array,
    numbers: Array,
) -> Array:
    """Return the inputs (T, B) with a guess where `guessed`, drawn with `numbers` in [0, 1)."""
    inputs, sampling = batch.inputs.copy(), Sampling(greedy=feed.type == "greedy")
    states, read = network.reader(params, batch, states, ctx)
    pool = ctx.pool.another()  # what the source became must outlive the steps
    stops = np.flatnonzero(guessed.any(axis=1))
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        valid = None if ctx.valid is None else ctx.valid[start:stop]
        here = ctx.later(int(start)).but(pool=pool, valid=valid)
        ys, states = read(inputs[start:stop], states, batch.resets[start:stop], here)
        streams = np.flatnonzero(guessed[stop])
        scores = network.token_scores.of(ys[-1, streams])
        inputs[stop, streams] = choose_ids(scores, sampling, numbers[stop, streams])
        states = copied(states)
        pool.recycle()
    return inputs
