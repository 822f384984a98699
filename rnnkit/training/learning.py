"""A window learned: what is read there and what its gradient is, whole or shard by shard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnkit.compute.parallel import MEMORY_BOUND, divided
from rnnkit.compute.shard_tree import even_ranges
from rnnkit.compute.workers import Workers
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool, Tally
from rnnkit.core.params import ParamStore
from rnnkit.network.gradient_checkpointing import learn_in_blocks, window_blocks
from rnnkit.network.network import Network
from rnnkit.network.states import States, copied
from rnnkit.network.truncation import History, learn_truncated
from rnnkit.spec.model import Train
from rnnkit.training.clipping import clip, fixed_norm, global_norm
from rnnkit.training.nonfinite import (
    all_finite,
    diverged,
    nonfinite_gradient,
    nonfinite_in_window,
)
from rnnkit.training.scheduled_sampling import fed
from rnnkit.types import Array, Grads


@dataclass(frozen=True)
class Part:
    """All streams of a window, or those of a shard, and what enters it."""

    batch: Batch
    states: States
    history: History | None
    ctx: Context

    def shard(self, number: int, streams: slice, pool: Pool) -> Part:
        """Return some of the streams as a shard, which draws random numbers of its own."""
        return Part(
            self.batch.streams(streams),
            {name: tuple(a[streams] for a in state) for name, state in self.states.items()},
            self.history and self.history.streams(streams),
            self.ctx.but(shard=number, pool=pool),
        )


@dataclass(frozen=True)
class Leaving:
    """What leaves a window, written shard by shard over copies of what entered it."""

    states: States
    history: History | None

    @classmethod
    def of(cls, part: Part) -> Leaving:
        """Return what leaves a window that nobody has learned."""
        return cls(copied(part.states), part.history and part.history.copied())

    def write(self, streams: slice, states: States, history: History | None) -> None:
        """Write what leaves the window of some streams."""
        for name, state in states.items():
            for whole, own in zip(self.states[name], state, strict=True):
                whole[streams] = own
        if self.history and history:
            self.history.write(streams, history)


class LearnedWindow(NamedTuple):
    """Summed loss and its weight, what leaves the window, what was decided right, is it finite."""

    total: float
    weight: float
    states: States
    history: History | None
    tally: Tally
    finite: bool


@dataclass(frozen=True)
class Learner:
    """How the windows of a run are learned, and who computes their shards."""

    train: Train
    network: Network
    store: ParamStore
    workers: Workers

    def learn(self, part: Part) -> LearnedWindow:
        """Write the gradient of a window over what the store holds."""
        if self.train.shards > 1:
            return self._learn_shards(part)
        clear(self.store.grad)
        return self._learn(part, self.store.grads)

    def nonfinite(self, part: Part) -> str:
        """Return what is not finite in the window that left its gradient in the store, in words.

        "" where only a sum over what is finite is not.
        """
        if self.train.shards == 1:
            found = self._nonfinite(part)
        else:
            own = range(*self.workers.own(self.train.shards))
            mine = next(filter(None, (self._nonfinite_in_shard(part, n) for n in own)), "")
            found = next(filter(None, self.workers.ranks.collect(mine)), "")
        return found or nonfinite_gradient(self.network, self.store)

    def descend(
        self, part: Part, found: LearnedWindow, lr: float, slots: Mapping[str, Array], who: str = ""
    ) -> float:
        """Move the parameters by the gradient in the store; return its norm before clipping.

        `who` learned the part, in words. Raises DivergedError, with nothing changed, where loss,
        gradient or state is not finite.
        """
        train, store, mean = self.train, self.store, self.network.loss.reduction == "mean"
        scale = 1 / max(found.weight if mean else part.batch.weights.shape[1], 1e-30)
        norm = scale * (fixed_norm if train.shards > 1 else global_norm)(store.grad)
        step = part.ctx.step
        if not (math.isfinite(found.total) and math.isfinite(norm) and found.finite):
            raise diverged(step, found.total, norm, self.nonfinite(part), who)
        clip(store.grad, norm, train.clip, scale)
        for place, rate, decayed in store.stretches:
            whole = len(store.stretches) == 1
            own = slots if whole else {name: slot[place] for name, slot in slots.items()}
            moved = store.flat[place], store.grad[place]
            train.optimizer.update(step, rate * lr, *moved, own, decayed)
        return norm

    def gather(self, states: States, history: History | None) -> None:
        """Bring what leaves the window of every stream here, where ranks hold some each."""
        ranks, rows = self.workers.ranks, self.rows()
        held = even_ranges(self.train.shards, ranks.size)
        streams = [(rows[first][0], rows[last - 1][1]) for first, last in held]
        for state in states.values():
            for array in state:
                ranks.join(array, streams)
        for array in history.arrays().values() if history else ():
            ranks.join(array.swapaxes(0, 1), streams)

    def _learn_shards(self, part: Part) -> LearnedWindow:
        rows, workers, leaving = self.rows(), self.workers, Leaving.of(part)

        def learn(number: int, gradient: Array, pool: Pool) -> tuple[float, float, Tally, bool]:
            streams = slice(*rows[number])
            one = part.shard(number, streams, pool)
            found = self._learn(one, self.store.views(gradient))
            leaving.write(streams, found.states, found.history)
            return found.total, found.weight, found.tally, found.finite

        own = workers.run(self.train.shards, learn, self.store.grad, part.ctx.pool)
        each = [one for rank in workers.ranks.collect(own) for one in rank]
        totals, weights, tallies, finite = zip(*each, strict=True)
        sums = sum(totals), sum(weights), leaving.states, leaving.history
        return LearnedWindow(*sums, sum_of_tallies(tallies), all(finite))

    def _learn(self, part: Part, grads: Mapping[str, Grads]) -> LearnedWindow:
        """Add the gradient of some streams to `grads`."""
        train, window, tally = self.train, self.window(part), Tally()
        ctx = part.ctx.but(valid=window.valid, tally=tally)
        grads = self._with_dropped(grads, ctx)
        given = self.network, self.store.values, grads, window, part.states, ctx
        if train.bptt.steps:
            total, weight, states = learn_truncated(*given, train.bptt.steps)
        elif train.recompute:
            total, weight, states = learn_in_blocks(*given)
        else:
            total, weight, states = self.network.learn(*given[1:])
        history = part.history and part.history.after(window)
        finite = all_finite(states)
        # A plugin may give NumPy's numbers.
        return LearnedWindow(float(total), float(weight), states, history, tally, finite)

    def _with_dropped(self, grads: Mapping[str, Grads], ctx: Context) -> Mapping[str, Grads]:
        """Return gradients with scratch memory for those of frozen layers, which are dropped."""
        dropped = self.network.dropped
        found = {layer: dict(views) for layer, views in grads.items()} if dropped else grads
        for layer, name, shape in dropped:
            found[layer][name] = ctx.empty(shape)
        return found

    def window(self, part: Part) -> Batch:
        """Return what is read: the steps before the window, and guesses in it."""
        batch, given = part.batch, 0
        if part.history is not None:
            batch = part.history.joined(batch, first=part.ctx.step == 1)
            given = self.train.bptt.before
        ctx = part.ctx.but(valid=batch.valid)
        values = self.store.values
        return fed(self.train.feed, self.network, values, batch, part.states, ctx, given)

    def _nonfinite_in_shard(self, part: Part, number: int) -> str:
        first, last = self.rows()[number]
        pool = part.ctx.pool.another()
        found = self._nonfinite(part.shard(number, slice(first, last), pool))
        return found and f"{found} (streams {first} to {last - 1})"

    def _nonfinite(self, part: Part) -> str:
        window = self.window(part)
        length = len(window.weights)
        blocks = window_blocks(length) if self.train.recompute else (slice(0, length),)
        ctx = part.ctx.but(valid=window.valid)
        values = self.store.values
        return nonfinite_in_window(self.network, values, window, part.states, ctx, blocks)

    def rows(self) -> list[tuple[int, int]]:
        """Return the streams of each shard."""
        return even_ranges(self.train.streams, self.train.shards)


def sum_of_tallies(tallies: Sequence[Tally]) -> Tally:
    """Return what is decided right in all of some windows."""
    return Tally(sum(t.right for t in tallies), sum(t.weight for t in tallies))


def clear(gradient: Array) -> None:
    """Set a flat gradient to zero."""

    def zero(first: int, last: int) -> None:
        gradient[first:last] = 0

    divided(gradient.size, MEMORY_BOUND * gradient.size, zero)
