"""What a window takes in memory, measured on small ones with parameters of zeros.

The largest amount of memory in use is linear in steps and in streams: arrays of parameters, states,
steps and both. Four small windows give it at every size. It falls short, by less than a fifth in
all stacks that were tried, where a large window has its peak at another moment than a small one,
and where threads hold sums of their own.

Widths are the real ones. One buffer of the size of the largest parameter stands for all of them,
and one for their gradients.
"""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import count, named_parameters
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.states import States, copied
from rnnkit.types import Array, DType, Grads

WORK = 60_000_000
"""Rows times parameters of the largest trial window: all of them take about a tenth of a second."""

MOST_STEPS = 32


@dataclass(frozen=True)
class Sizes:
    """The windows that are measured: one or two lengths, one or two numbers of streams."""

    steps: tuple[int, ...]
    streams: tuple[int, ...]

    @classmethod
    def below(cls, steps: int, streams: int, rows: int) -> Sizes:
        """Return sizes up to those of a window, of about so many rows at most."""
        long = min(MOST_STEPS, max(4, math.isqrt(rows)))
        wide = max(2, rows // long)
        return cls(
            (steps,) if steps <= long else (long // 2, long),
            (streams,) if streams <= wide else (wide // 2, wide),
        )


def window_bytes(
    network: Network, steps: int, streams: int, restarts: bool, work: int = WORK
) -> int:
    """Return the most memory that learning a window takes, besides parameters and gradients.

    `restarts` tells that streams may start anew in the middle of a window. The trial itself
    takes twice the largest parameter, and what a window of a few rows takes. Raises what a layer
    raises.
    """
    sizes = Sizes.below(steps, streams, work // max(1, count(network.declared())))
    trial = _TrialWindow(network, restarts)
    # Threads would wait for each other longer than they take for products as small as these.
    with threadpool_limits(1, user_api="blas"):
        trial.window(sizes.steps[0], sizes.streams[0])  # loads kernels, which is not counted
        peaks = [[trial.peak(t, b) for b in sizes.streams] for t in sizes.steps]
    lines = [_line(sizes.streams, along, streams) for along in peaks]
    return math.ceil(_line(sizes.steps, lines, steps))


def _line(xs: tuple[int, ...], ys: list[float], x: int) -> float:
    """Return the value at x of the line through one or two points; level through one."""
    if len(xs) == 1:
        return ys[0]
    return ys[0] + (ys[1] - ys[0]) * (x - xs[0]) / (xs[1] - xs[0])


class _TrialWindow:
    """A network with parameters of zeros that share their memory."""

    def __init__(self, network: Network, restarts: bool) -> None:
        self.network, self.restarts = network, restarts
        self.dtype: DType = np.dtype(np.float32)
        self.params, self.grads = self._views(), self._views()

    def _views(self) -> dict[str, Grads]:
        declared = self.network.declared()
        largest = max(
            (math.prod(spec.shape) for _, _, spec in named_parameters(declared)), default=0
        )
        buffer = np.zeros(largest, self.dtype)

        def view(shape: tuple[int, ...]) -> Array:
            return buffer[: math.prod(shape)].reshape(shape)

        return {
            layer: {name: view(spec.shape) for name, spec in declaration.items()}
            for layer, declaration in declared.items()
        }

    def window(self, steps: int, streams: int, pool: Pool | None = None) -> States:
        """Learn from a window of zeros."""
        network = self.network
        batch = self._batch(steps, streams)
        states = network.initial_states(streams, self.dtype)
        pool = pool or Pool()
        ctx = Context(train=True, dtype=self.dtype, step=1, pool=pool)
        with np.errstate(all="ignore"):
            found = copied(network.learn(self.params, self.grads, batch, states, ctx)[2])
        pool.recycle()
        return found

    def peak(self, steps: int, streams: int) -> float:
        """Return the most memory that a window takes, with the scratch of the one before it."""
        pool = Pool()
        with memory_traced() as begin:
            self.window(steps, streams, pool)
            self.window(steps, streams, pool)
            return float(tracemalloc.get_traced_memory()[1] - begin)

    def _batch(self, steps: int, streams: int) -> Batch:
        network, shape = self.network, (steps, streams)
        resets = np.zeros(shape, bool)
        if self.restarts and steps > 1:
            resets[steps // 2, 0] = True
        xs = _zeros(network.inputs, shape, self.dtype)
        batch = Batch(
            xs,
            _zeros(network.targets, shape, self.dtype),
            np.ones(shape, self.dtype),
            resets,
            None,
        )
        # A source as long as the window.
        source = EncoderInputs(xs, resets, np.ones(shape, bool))
        return batch._replace(encoder=source) if network.reads_source else batch


def _zeros(signal: Signal, shape: tuple[int, int], dtype: DType) -> Array:
    return np.zeros(shape, np.int32) if signal.ids else np.zeros((*shape, signal.known()), dtype)


@contextmanager
def memory_traced() -> Iterator[int]:
    """Trace allocations, NumPy's among them; give what is traced at the start."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        yield tracemalloc.get_traced_memory()[0]
    finally:
        if not tracing:
            tracemalloc.stop()
