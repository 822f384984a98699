"""Local SGD: each shard trains a model of its own for some steps, then the models are averaged.

Stich 2019, "Local SGD converges fast and communicates little"; McMahan, Moore, Ramage, Hampson and
Agüera y Arcas 2017, "Communication-efficient learning of deep networks from decentralized data".
A model is the parameters and the optimizer's slots: both are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Pool, Tally
from rnnkit.network.states import States, copied
from rnnkit.network.truncation import History
from rnnkit.training.learning import Learner, Leaving, Part, sum_of_tallies
from rnnkit.types import Array


class LocalStep(NamedTuple):
    """Summed loss and its weight, what was decided right, the norm before clipping.

    Of one shard, or of all: then the norm is the root mean square of theirs.
    """

    total: float
    weight: float
    tally: Tally
    norm: float


class LocalSteps(NamedTuple):
    """What each step did, and what leaves the last window."""

    steps: list[LocalStep]
    states: States
    history: History | None


@dataclass(frozen=True)
class LocalSgd:
    """How shards train apart, from the model of a learner and its slots."""

    learner: Learner
    slots: Mapping[str, Array]

    def learn(self, part: Part, batches: Sequence[Batch], rates: Sequence[float]) -> LocalSteps:
        """Train each shard on its streams of some windows, then write the mean over the model.

        `part` enters the first of them; every step has a learning rate. Raises DivergedError, with
        nothing changed, where a shard overflows.
        """
        workers, rows, leaving = self.learner.workers, self.learner.rows(), Leaving.of(part)

        def train(number: int, model: Array, pool: Pool) -> list[LocalStep]:
            streams = slice(*rows[number])
            shard = self._shard(part.shard(number, streams, pool), model, streams)
            steps = [
                shard.step(batch.streams(streams), lr)
                for batch, lr in zip(batches, rates, strict=True)
            ]
            leaving.write(streams, shard.part.states, shard.part.history)
            return steps

        flat = self.learner.store.flat
        mean = np.empty((1 + len(self.slots)) * flat.size, flat.dtype)
        own = workers.run(len(rows), train, mean, part.ctx.pool)
        mean /= len(rows)
        for array, averaged in zip(self._model(), self._arrays(mean), strict=True):
            array[...] = averaged
        shards = [one for rank in workers.ranks.collect(own) for one in rank]
        steps = [_of_all(steps) for steps in zip(*shards, strict=True)]
        return LocalSteps(steps, leaving.states, leaving.history)

    def _model(self) -> list[Array]:
        """Return the parameters and the slots."""
        return [self.learner.store.flat, *self.slots.values()]

    def _arrays(self, model: Array) -> list[Array]:
        """Return the same of a model in one piece of memory."""
        return list(model.reshape(1 + len(self.slots), -1))

    def _shard(self, part: Part, model: Array, streams: slice) -> _Shard:
        """Return a shard with a copy of the model in its memory."""
        arrays = self._arrays(model)
        for array, shared in zip(arrays, self._model(), strict=True):
            array[...] = shared
        alone = self.learner.train.model_copy(update={"shards": 1})
        store = self.learner.store.replica(arrays[0])
        slots = dict(zip(self.slots, arrays[1:], strict=True))
        who = f" (streams {streams.start} to {streams.stop - 1})"
        return _Shard(replace(self.learner, train=alone, store=store), slots, who, part)


@dataclass
class _Shard:
    """A shard that trains a model of its own, and what enters its next window."""

    learner: Learner
    slots: Mapping[str, Array]
    who: str
    part: Part

    def step(self, batch: Batch, lr: float) -> LocalStep:
        """Learn from the next window."""
        part = replace(self.part, batch=batch)
        found = self.learner.learn(part)
        norm = self.learner.descend(part, found, lr, self.slots, self.who)
        following = replace(part.ctx, step=part.ctx.step + 1)
        self.part = Part(batch, copied(found.states), found.history, following)
        part.ctx.pool.recycle()
        return LocalStep(found.total, found.weight, found.tally, norm)


def _of_all(steps: Sequence[LocalStep]) -> LocalStep:
    """Return what a step did in all shards together."""
    totals, weights, tallies, norms = zip(*steps, strict=True)
    norm = math.sqrt(sum(norm * norm for norm in norms) / len(norms))
    return LocalStep(sum(totals), sum(weights), sum_of_tallies(tallies), norm)
