"""One update: a window forward and backward, the gradient clipped, the parameters moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from rnnkit.checkpoint.progress import Progress
from rnnkit.compute.parallel import MEMORY_BOUND, divided, ours
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool, Tally
from rnnkit.core.params import ParamStore
from rnnkit.errors import DivergedError, PluginError
from rnnkit.network.gradient_checkpointing import learn_in_blocks, window_blocks
from rnnkit.network.network import Network, States, copied
from rnnkit.network.truncation import History, learn_truncated
from rnnkit.spec.model import Clip, Spec
from rnnkit.training.nonfinite import all_finite, first_nonfinite
from rnnkit.training.scheduled_sampling import fed
from rnnkit.types import Array


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

    def __post_init__(self) -> None:
        """Take an empty history where the truncation needs one."""
        train = self.spec.train
        if train.bptt.style == "true" and self.history is None:
            inputs, before = self.network.inputs, train.bptt.before
            self.history = History.empty(inputs, before, train.streams)

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

    def context(self, batch: Batch) -> Context:
        """Return the context of the next update, which learns from this batch."""
        return Context(
            train=True,
            dtype=self.store.flat.dtype,
            seed=self.spec.train.seed,
            step=self.progress.step + 1,
            valid=batch.valid,
            pool=self.pool,
        )

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
        clear(store.grad)
        window = self.window(batch)
        tally = Tally()
        total, weight, states = self._learn(window, tally)
        total, weight = float(total), float(weight)  # a plugin may give NumPy's
        divisor = weight if network.loss.reduction == "mean" else batch.weights.shape[1]
        scale = 1 / max(divisor, 1e-30)
        norm = scale * global_norm(store.grad)
        if not (math.isfinite(total) and math.isfinite(norm) and all_finite(states)):
            raise self._diverged(window, total, norm)
        clip(store.grad, norm, train.clip, scale)
        lr = self.learning_rate()
        step = self.progress.step + 1
        train.optimizer.update(step, lr, store.flat, store.grad, self.slots, store.decayed)
        self.states = copied(states)
        self.history = self.history and self.history.after(window)
        self.pool.recycle()
        self.progress = self.progress.stepped(
            self.windows, batch.next_cursor, total, weight, tally, lr, norm
        )
        return Update(total, weight, norm, lr)

    def window(self, batch: Batch) -> Batch:
        """Return what the next update reads: the steps before the window, and guesses in it."""
        given = 0
        if self.history is not None:
            batch = self.history.joined(batch, first=self.progress.step == 0)
            given = self.spec.train.bptt.before
        network, values = self.network, self.store.values
        ctx = self.context(batch)
        return fed(self.spec.train.feed, network, values, batch, self.states, ctx, given)

    def _learn(self, window: Batch, tally: Tally) -> tuple[float, float, States]:
        train, store = self.spec.train, self.store
        ctx = replace(self.context(window), tally=tally)
        given = self.network, store.values, store.grads, window, self.states, ctx
        if train.bptt.steps:
            return learn_truncated(*given, train.bptt.steps)
        return learn_in_blocks(*given) if train.recompute else self.network.learn(*given[1:])

    def ended(self) -> bool:
        """Tell whether no step is left: the epochs are done, or the patience is at its end."""
        train, progress = self.spec.train, self.progress
        patient = train.stop is None or progress.stale < train.stop.patience
        return progress.epoch >= train.epochs or not patient

    def _diverged(self, batch: Batch, total: float, norm: float) -> DivergedError:
        """Name the first tensor that is not finite, in the order in which they are computed."""
        code = "GRAD" if math.isfinite(total) else "LOSS"
        code = "STATE" if math.isfinite(total) and math.isfinite(norm) else code
        step, length = self.progress.step + 1, len(batch.weights)
        cuts = window_blocks(length) if self.spec.train.recompute else (slice(0, length),)
        what = first_nonfinite(
            self.network, self.store, batch, self.states, self.context(batch), cuts
        )
        return DivergedError.of(
            f"NUM_NONFINITE_{code}",
            f"step {step}: {what} is not finite "
            "(a lower learning rate or a lower clip norm usually helps)",
        )


def clear(gradient: Array) -> None:
    """Set a flat gradient to zero."""

    def zero(first: int, last: int) -> None:
        gradient[first:last] = 0

    divided(gradient.size, MEMORY_BOUND * gradient.size, zero)


def global_norm(gradient: Array) -> float:
    """Return the Euclidean norm of a flat gradient."""

    def squares(first: int, last: int) -> float:
        return float(np.dot(gradient[first:last], gradient[first:last]))

    return math.sqrt(sum(divided(gradient.size, MEMORY_BOUND * gradient.size, squares)))


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
