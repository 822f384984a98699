"""True truncation: the loss at every step flows back exactly k steps, whatever the window.

r2rt 2016, "Styles of truncated backpropagation". The k steps that end in a target are a sequence of
their own here, started from the state that entered them, which is a constant; only its last step
has a loss. A window of T steps and B streams is then T B sequences of k steps, learned some at a
time with the products and kernels of any other window. It costs k windows without their outputs,
of which each step is computed once, and a walk through the window to find the states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network, cut_window, loss_context
from rnnkit.network.states import States, zero_states
from rnnkit.types import Array, Grads, Params


@dataclass(frozen=True)
class History:
    """What the k - 1 steps before a window read, run again before it: a part of the checkpoint.

    `inputs` (k - 1, B, ...) and `resets` (k - 1, B) are float32, as all arrays of a checkpoint;
    ids are exact in it, being below 2^24.
    """

    inputs: Array
    resets: Array

    @classmethod
    def empty(cls, inputs: Signal, steps: int, streams: int) -> History:
        """Return what stands before the first window of all, which starts anew."""
        shape = (steps, streams)
        width = () if inputs.ids else (inputs.known(),)
        return cls(np.zeros((*shape, *width), np.float32), np.zeros(shape, np.float32))

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by the names they are stored under; none where none are needed."""
        named = {"history/inputs": self.inputs, "history/resets": self.resets}
        return named if len(self.inputs) else {}

    def streams(self, part: slice) -> History:
        """Return what some streams read."""
        return History(self.inputs[:, part], self.resets[:, part])

    def copied(self) -> History:
        """Return the same in memory of its own."""
        return History(self.inputs.copy(), self.resets.copy())

    def write(self, part: slice, own: History) -> None:
        """Write what some streams read."""
        self.inputs[:, part], self.resets[:, part] = own.inputs, own.resets

    def joined(self, batch: Batch, first: bool) -> Batch:
        """Return a window with these steps before it, of weight 0; `first`: the first of all."""
        valid, resets = batch.valid, batch.resets
        if first:
            resets = resets.copy()
            resets[0] = True
        if valid is not None:
            valid = np.concatenate([np.ones(self.resets.shape, bool), valid])
        return batch._replace(
            inputs=np.concatenate([self.inputs.astype(batch.inputs.dtype), batch.inputs]),
            targets=_after_zeros(batch.targets, len(self.inputs)),
            weights=_after_zeros(batch.weights, len(self.inputs)),
            resets=np.concatenate([self.resets > 0, resets]),
            valid=valid,
        )

    def after(self, joined: Batch) -> History:
        """Return the last steps of a window that was joined to these."""
        start = len(joined.inputs) - len(self.inputs)
        return History(
            joined.inputs[start:].astype(np.float32), joined.resets[start:].astype(np.float32)
        )


def _after_zeros(array: Array, steps: int) -> Array:
    return np.concatenate([np.zeros((steps, *array.shape[1:]), array.dtype), array])


def sequences_at_once(window: int, streams: int, steps: int) -> int:
    """Return how many sequences of `steps` steps take about as much memory as the window."""
    return -(-window // steps) * streams


def learn_truncated(
    network: Network,
    params: Mapping[str, Params],
    grads: Mapping[str, Grads],
    batch: Batch,
    states: States,
    ctx: Context,
    steps: int,
) -> tuple[float, float, States]:
    """Add the gradient in which each loss flows back `steps` steps; return (total, weight, states).

    The first `steps` - 1 steps of the batch stand before the window and have no loss. `states`
    enter the first of them, and those returned enter the step that many steps before the end, where
    the next window starts. Layers that draw random numbers draw them for each target anew. Every
    layer must be causal. What is returned is no scratch memory.
    """
    window = _Window(network, params, grads, batch, ctx.but(learns_below=False), steps)
    entering = window.walk(states)
    total = weight = 0.0
    for index, (ts, bs) in enumerate(window.lanes()):
        part, own = window.learn(index, ts, bs, entering)
        total, weight = total + part, weight + own
    return total, weight, {n: tuple(a[-1].copy() for a in s) for n, s in entering.items()}


class _Window:
    """What all sequences of a window share, and the scratch memory of those at hand."""

    def __init__(
        self,
        network: Network,
        params: Mapping[str, Params],
        grads: Mapping[str, Grads],
        batch: Batch,
        ctx: Context,
        steps: int,
    ) -> None:
        self.params, self.grads, self.batch, self.steps = params, grads, batch, steps
        self.ctx, self.pool = ctx, ctx.pool.another()
        sizes = network.state_shapes(1)
        # What stands above the last state need not be run but where a loss is.
        cut = max((i + 1 for i, name in enumerate(network.names) if name in sizes), default=0)
        self.below = replace(network, layers=network.layers[:cut])
        self.above = network.above(cut)
        self.length = len(batch.weights) - (steps - 1)

    def walk(self, states: States) -> States:
        """Return the states that enter each of the first T steps and the next (T + 1, B, n)."""
        ctx, steps = replace(self.ctx, pool=self.pool.another()), cut_window(self.length, 1)
        walk = self.below.run_in_pieces(self.params, self.batch, steps, states, ctx)
        entering = [states, *(after for _, _, after in walk)]
        return {
            name: tuple(map(np.stack, zip(*(each[name] for each in entering), strict=True)))
            for name in states
        }

    def lanes(self) -> Iterator[tuple[Array, Array]]:
        """Yield the targets that count as (steps, streams), as many as are learned at once."""
        ts, bs = np.nonzero(self.batch.weights[self.steps - 1 :])
        size = sequences_at_once(self.length, self.batch.resets.shape[1], self.steps)
        for start in range(0, len(ts), size):
            yield ts[start : start + size], bs[start : start + size]

    def learn(self, index: int, ts: Array, bs: Array, entering: States) -> tuple[float, float]:
        """Learn the sequences that end in some targets; return (total, weight)."""
        batch, steps = self.batch, self.steps
        places = ts + np.arange(steps)[:, None], bs
        first = {name: tuple(a[ts, bs] for a in state) for name, state in entering.items()}
        # Other random numbers than the walk, and than the targets before.
        ctx = self._context((index + 1) * len(batch.weights), places)
        ys, after, backward = self.below.scan(
            self.params, batch.inputs[places], first, batch.resets[places], ctx
        )
        ends = (ts[None] + steps - 1, bs[None])
        last = batch._replace(
            inputs=ys[-1:],
            targets=batch.targets[ends],
            weights=batch.weights[ends],
            resets=batch.resets[ends],
            valid=None if batch.valid is None else batch.valid[ends],
        )
        total, weight, slope = self._loss(last, ctx.later(steps - 1))
        if slope is not None:
            dys = np.zeros_like(ys)
            dys[-1:] = slope
            backward(dys, zero_states(after), self.grads)
        return total, weight

    def _loss(self, last: Batch, ctx: Context) -> tuple[float, float, Array | None]:
        """Return (total, weight, slope of the inputs) of the last step of all sequences."""
        ctx = ctx.but(valid=last.valid, learns_below=bool(self.below.reached))
        if self.above.layers:
            found = self.above.learn_piece(self.params, self.grads, last, {}, None, ctx)
            return found.total, found.weight, found.dxs
        loss = self.above.loss
        own = loss_context(ctx, last)
        total, weight, backward = loss.counted(last.inputs, last.targets, last.weights, own)
        return total, weight, backward()

    def _context(self, time: int, places: Any) -> Context:
        """Return the context of some steps, in the memory of those before."""
        self.pool.recycle()
        valid = None if self.batch.valid is None else self.batch.valid[places]
        return self.ctx.later(time).but(pool=self.pool, valid=valid)
