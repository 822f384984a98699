"""One update: a window forward and backward, the gradient clipped, the parameters moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from rnnkit.checkpoint.progress import Progress
from rnnkit.compute.parallel import MEMORY_BOUND, divided, ours
from rnnkit.compute.workers import Workers
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import ParamStore
from rnnkit.errors import DivergedError, PluginError
from rnnkit.network.network import Network, States, copied
from rnnkit.network.truncation import History
from rnnkit.spec.model import Clip, Spec
from rnnkit.training.learning import Learner, Part
from rnnkit.types import Array

BLOCK = 65536
"""Values that are squared and summed by one product."""


@dataclass(frozen=True)
class Update:
    """What one update did: the summed loss and its weight, the norm before clipping, the rate."""

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
            {name: np.zeros_like(store.flat) for name in spec.train.optimizer.used_slots()},
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

    def learning_rate(self) -> float:
        """Return the rate of the next update."""
        train = self.spec.train
        if train.schedule is None:
            return train.optimizer.lr
        moment = self.progress.moment(self.windows, train.epochs)
        factor = float(train.schedule.factor(moment, self.progress.schedule))
        if not 0 <= factor < math.inf:
            raise PluginError.of(
                "PLUGIN_CONTRACT",
                f"schedule {train.schedule.type}, step {self.progress.step + 1}: expected a finite "
                f"factor not below 0, received {factor} (tell its author)",
            )
        return train.optimizer.lr * factor

    def step(self, batch: Batch) -> Update:
        """Learn from one window; raises DivergedError, with nothing changed, where it overflows."""
        with ours():
            return self._step(batch)

    def _step(self, batch: Batch) -> Update:
        network, store, train = self.network, self.store, self.spec.train
        batch.check(train.streams)
        part = self.part(batch)
        found = self.learner.learn(part)
        divisor = found.weight if network.loss.reduction == "mean" else train.streams
        scale = 1 / max(divisor, 1e-30)
        norm = scale * (fixed_norm if train.shards > 1 else global_norm)(store.grad)
        if not (math.isfinite(found.total) and math.isfinite(norm) and found.finite):
            raise self._diverged(part, found.total, norm)
        clip(store.grad, norm, train.clip, scale)
        lr = self.learning_rate()
        step = self.progress.step + 1
        train.optimizer.update(step, lr, store.flat, store.grad, self.slots, store.decayed)
        self.states = copied(found.states)
        self.history = found.history
        self.pool.recycle()
        self.progress = self.progress.stepped(
            self.windows, batch.next_cursor, found.total, found.weight, found.tally, lr, norm
        )
        return Update(found.total, found.weight, norm, lr)

    def gather(self) -> None:
        """Bring the state of all streams here, before it is saved."""
        self.learner.gather(self.states, self.history)

    def ended(self) -> bool:
        """Tell whether no step is left: the epochs are done, or the patience is at its end."""
        train, progress = self.spec.train, self.progress
        patient = train.stop is None or progress.stale < train.stop.patience
        return progress.epoch >= train.epochs or not patient

    def _diverged(self, part: Part, total: float, norm: float) -> DivergedError:
        """Name the first tensor that is not finite, in the order in which they are computed."""
        code = "GRAD" if math.isfinite(total) else "LOSS"
        code = "STATE" if math.isfinite(total) and math.isfinite(norm) else code
        what = self.learner.nonfinite(part)
        what = what or ("the gradient norm" if math.isfinite(total) else "the loss")
        return DivergedError.of(
            f"NUM_NONFINITE_{code}",
            f"step {part.ctx.step}: {what} is not finite "
            "(a lower learning rate or a lower clip norm usually helps)",
        )


def global_norm(gradient: Array) -> float:
    """Return the Euclidean norm of a flat gradient."""

    def squares(first: int, last: int) -> float:
        return float(np.dot(gradient[first:last], gradient[first:last]))

    return math.sqrt(sum(divided(gradient.size, MEMORY_BOUND * gradient.size, squares)))


def fixed_norm(gradient: Array) -> float:
    """Return the norm, the sum formed of fixed blocks: any number of threads gives the same."""
    blocks = (gradient[start : start + BLOCK] for start in range(0, gradient.size, BLOCK))
    return math.sqrt(math.fsum(float(np.dot(block, block)) for block in blocks))


def clip(gradient: Array, norm: float, limits: Clip | None, scale: float = 1.0) -> None:
    """Scale a flat gradient in place and bound it; `norm` is the one after the scaling.

    By norm: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    if limits and limits.norm is not None and norm > limits.norm:
        scale *= limits.norm / (norm + 1e-6)
    if scale != 1:

        def multiply(first: int, last: int) -> None:
            gradient[first:last] *= scale

        divided(gradient.size, MEMORY_BOUND * gradient.size, multiply)
    if limits and limits.value is not None:
        np.clip(gradient, -limits.value, limits.value, out=gradient)
