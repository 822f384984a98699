"""How far back a gradient reaches: the norm of dL/dh by distance in time, exact.

For each stream b of a batch, L is the loss at the last step T that has a target, and nothing else.
At distance d stands the mean over the streams of

    || dL / dh_(T-d) ||_2

where h is the output of a recurrent layer, and the derivative is the whole one: through the layer's
own later steps and through all layers above, at every step between. A stream counts as far back as
its last reset, where it takes its initial state. All is computed in float64 without dropout.

Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks",
equations 5 to 7; Hochreiter 1991, "Untersuchungen zu dynamischen neuronalen Netzen".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rnnkit.analysis.plots.panel import Curve, Panel
from rnnkit.analysis.plots.probe import Trace, traced
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context
from rnnkit.core.params import ParamStore
from rnnkit.network.network import Network
from rnnkit.types import Array, Params

LEFT = 0.01
"""The share of the gradient below which none is said to be left."""

DTYPE = np.dtype(np.float64)


@dataclass(frozen=True)
class Flow:
    """The mean norm of dL/dh of one recurrent layer at the distances 0, 1, 2, ..."""

    name: str
    norms: tuple[float, ...]

    @property
    def horizon(self) -> int | None:
        """The least distance from which on less than 1 % is left; None within what was seen."""
        bound = LEFT * self.norms[0]
        beyond = [d for d, norm in enumerate(self.norms) if not norm < bound]
        first = beyond[-1] + 1 if beyond else 0
        return first if first < len(self.norms) else None

    def sentence(self) -> str:
        """Return what the curve says."""
        steps, share = len(self.norms) - 1, self.norms[-1] / self.norms[0] if self.norms[0] else 0.0
        if not self.norms[0]:
            return f"{self.name}: no gradient of the last step reaches it"
        if not all(map(math.isfinite, self.norms)):
            return f"{self.name}: within {steps} steps the gradient outgrows float64"
        if self.horizon is not None:
            text = f"after {_steps(self.horizon)} less than 1 % of the gradient is left"
            return f"{self.name}: {text}"
        if share > 1:
            return f"{self.name}: over {_steps(steps)} the gradient grows to {share:.3g} times"
        return f"{self.name}: after {_steps(steps)} {100 * share:.0f} % of the gradient is left"


def flows(
    network: Network, params: Mapping[str, Params], batch: Batch, steps: int | None = None
) -> list[Flow]:
    """Return the flow of every recurrent layer, up to a distance of `steps`.

    `params` are float64. Of a layer run in both directions only the forward one is given. What
    training freezes is measured as all else.
    """
    network = replace(network, rates={})
    last = _last_targets(batch.weights)
    asked = _at_the_end(batch, last)

    def learn(probed: Network) -> None:
        ctx = Context(dtype=DTYPE)
        grads = ParamStore(network.declared(), DTYPE).grads
        states = network.initial_states(batch.weights.shape[1], DTYPE)
        with np.errstate(all="ignore"):  # a gradient that outgrows float64 is a result
            probed.learn(params, grads, asked, states, ctx)

    found = traced(network, learn)
    return [
        Flow(path, tuple(_by_distance(trace, _end(path, trace, last)).tolist()[: _most(steps)]))
        for path, trace in found.items()
        if "backward" not in path.split(".")
    ][::-1]


def panel(flows: list[Flow]) -> Panel:
    """Return the curves of flows on a logarithmic scale; the title says what a single one does."""
    several = "gradient of the last loss through time"
    return Panel(
        flows[0].sentence() if len(flows) == 1 else several,
        "distance (steps before the last target)",
        "norm of dL/dh (L2, mean over streams)",
        tuple(
            Curve(flow.name, tuple(map(float, range(len(flow.norms)))), flow.norms, group)
            for group, flow in enumerate(flows)
        ),
        log=True,
    )


def _last_targets(weights: Array) -> Array:
    """Return the last step (B,) of each stream that has a target, -1 where it has none."""
    steps = np.arange(len(weights))[:, None]
    last: Array = np.where(weights > 0, steps, -1).max(axis=0)
    return last


def _at_the_end(batch: Batch, last: Array) -> Batch:
    """Return the batch in float64, with one target for each stream, its last."""
    weights = (np.arange(len(batch.weights))[:, None] == last).astype(DTYPE)
    encoder = batch.encoder
    if encoder is not None:
        encoder = encoder._replace(inputs=_precise(encoder.inputs))
    return batch._replace(
        inputs=_precise(batch.inputs),
        targets=_precise(batch.targets),
        weights=weights,
        encoder=encoder,
    )


def _precise(array: Array) -> Array:
    return array.astype(DTYPE) if array.dtype.kind == "f" else array


def _end(path: str, trace: Trace, last: Array) -> Array:
    """Return the step that each stream's distance counts from; -1 for one that does not count.

    What an encoder reads ends at its last step, wherever the decoder's last target is.
    """
    if path.startswith("encoder."):
        return np.where(last < 0, -1, len(trace.norms) - 1)
    return last


def _by_distance(trace: Trace, end: Array) -> Array:
    """Return the mean norm (D,) over the streams that reach as far back."""
    sums, counts = np.zeros(len(trace.norms)), np.zeros(len(trace.norms))
    for stream in np.flatnonzero(end >= 0):
        stop = int(end[stream]) + 1
        begin = 0
        if trace.resets is not None:
            begin = max(np.flatnonzero(trace.resets[:stop, stream]).tolist(), default=0)
        back = trace.norms[begin:stop, stream][::-1]
        sums[: len(back)] += back
        counts[: len(back)] += 1
    reached = counts > 0
    return sums[reached] / counts[reached]


def _most(steps: int | None) -> int | None:
    return None if steps is None else steps + 1


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"
