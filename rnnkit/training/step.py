"""One update: a window forward and backward, the gradient clipped, the parameters moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnkit.checkpoint.progress import Progress
from rnnkit.compute.parallel import ours
from rnnkit.compute.workers import Workers
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import ParamStore
from rnnkit.errors import PluginError, printable
from rnnkit.network.network import Network
from rnnkit.network.states import States, copied
from rnnkit.network.stored_arrays import first_slots
from rnnkit.network.truncation import History
from rnnkit.spec.model import Spec
from rnnkit.training.learning import Learner, Part
from rnnkit.training.local_sgd import LocalSgd
from rnnkit.types import Array


@dataclass(frozen=True)
class Update:
    """What one update did: the summed loss and its weight, the norm before clipping, the rate.

    With `sync`, all up to an averaging did it; norm and rate are those of the last.
    """

    total: float
    weight: float
    gradient_norm: float
    lr: float


@dataclass
class Training:
    """All that changes while a model is trained; a checkpoint is this and nothing else.

    `states` enter the next window; with true truncation the steps of `history` before it.
    """

    spec: Spec
    network: Network
    windows: int
    store: ParamStore
    slots: dict[str, Array]
    states: States
    progress: Progress
    pool: Pool = field(default_factory=Pool)
    history: History | None = None
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        """Take an empty history where the truncation needs one."""
        train = self.spec.train
        if train.bptt.style == "true" and self.history is None:
            inputs, before = self.network.inputs, train.bptt.before
            self.history = History.empty(inputs, before, train.streams)

    @property
    def learner(self) -> Learner:
        """How windows are learned."""
        return Learner(self.spec.train, self.network, self.store, self.workers)

    @classmethod
    def started(cls, spec: Spec, network: Network, windows: int) -> Training:
        """Return the state before the first step."""
        store = network.store(np.dtype(np.float32))
        store.initialize(spec.train.seed)
        schedule = spec.train.schedule
        return cls(
            spec,
            network,
            windows,
            store,
            first_slots(spec, store),
            network.initial_states(spec.train.streams, store.flat.dtype),
            Progress(schedule=schedule.start() if schedule else None),
        )

    def part(self, batch: Batch) -> Part:
        """Return what enters the next update, which learns from this batch."""
        ctx = Context(
            train=True,
            dtype=self.store.flat.dtype,
            seed=self.spec.train.seed,
            step=self.progress.step + 1,
            pool=self.pool,
        )
        return Part(batch, self.states, self.history, ctx)

    def learning_rate(self, later: int = 0) -> float:
        """Return the rate of the next update, or of one so many steps later."""
        train, step = self.spec.train, self.progress.step + later
        if train.schedule is None:
            return train.optimizer.lr
        moment = self.progress.changed(step=step).moment(self.windows, train.epochs)
        factor: object = train.schedule.factor(moment, self.progress.schedule)
        if not isinstance(factor, int | float | np.floating) or not 0 <= factor < math.inf:
            raise PluginError.of(
                "PLUGIN_CONTRACT",
                f"schedule {train.schedule.type}, step {step + 1}: expected a finite "
                f"factor not below 0, received {printable(factor)} (tell its author)",
            )
        return train.optimizer.lr * float(factor)

    def windows_at_once(self) -> int:
        """Return the windows of the next update: with `sync` all up to the next averaging."""
        sync, progress = self.spec.train.sync, self.progress
        if sync is None:
            return 1
        return min(sync.every - progress.step % sync.every, self.windows - progress.window)

    def step(self, *batches: Batch) -> Update:
        """Learn from one window, or from all `windows_at_once`.

        Raises DivergedError, with nothing changed, where it overflows.
        """
        with ours():
            for batch in batches:
                batch.check(self.spec.train.streams)
            return self._local_steps(batches) if self.spec.train.sync else self._step(*batches)

    def _step(self, batch: Batch) -> Update:
        part, lr = self.part(batch), self.learning_rate()
        found = self.learner.learn(part)
        norm = self.learner.descend(part, found, lr, self.slots)
        self.states = copied(found.states)
        self.history = found.history
        self.pool.recycle()
        self.progress = self.progress.stepped(
            self.windows, batch.next_cursor, found.total, found.weight, found.tally, lr, norm
        )
        return Update(found.total, found.weight, norm, lr)

    def _local_steps(self, batches: Sequence[Batch]) -> Update:
        """Let every shard learn from some windows on its own, and average what they learned."""
        rates = [self.learning_rate(later) for later in range(len(batches))]
        found = LocalSgd(self.learner, self.slots).learn(self.part(batches[0]), batches, rates)
        self.states, self.history = found.states, found.history
        for batch, rate, one in zip(batches, rates, found.steps, strict=True):
            sums = one.total, one.weight, one.tally
            self.progress = self.progress.stepped(
                self.windows, batch.next_cursor, *sums, rate, one.norm
            )
        total, weight = (sum(sums) for sums in zip(*(one[:2] for one in found.steps), strict=True))
        return Update(total, weight, one.norm, rate)

    def gather(self) -> None:
        """Bring the state of all streams here, before it is saved."""
        self.learner.gather(self.states, self.history)

    def ended(self) -> bool:
        """Tell whether no step is left: the epochs are done, or the patience is at its end."""
        return self.spec.train.ended(self.progress.epoch, self.progress.stale)
