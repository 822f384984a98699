"""Every hidden state and gate of a network along one text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

import numpy as np

from rnnkit.contracts.checked_layer import run_layer
from rnnkit.contracts.compiled_layer import step_stages
from rnnkit.contracts.layer import Layer, gates_of, sees_future
from rnnkit.core.context import Context, Pool
from rnnkit.network.network import Network
from rnnkit.types import Array, Params, State


@dataclass(frozen=True)
class Activations:
    """The activations (T, n) of the units of one state array, or of one gate, of a layer."""

    layer: str
    name: str
    values: Array
    gate: bool = False

    @property
    def label(self) -> str:
        """Layer and name, such as `1.lstm/c`; a unit is `1.lstm/c/17`."""
        return f"{self.layer}/{self.name}"

    @property
    def size(self) -> int:
        """The number of units."""
        return int(self.values.shape[1])

    @cached_property
    def squashed(self) -> bool:
        """Whether colours show tanh(v), as in the paper: for a state that leaves -1 to 1."""
        bounded = self.name in ("h", "y") and np.abs(self.values).max(initial=0.0) <= 1
        return not (self.gate or bounded)

    def shown(self, unit: int) -> Array:
        """Return the values (T,) of a unit as colours need them, -1 to 1: a gate as 2 v - 1."""
        values = self.values[:, unit]
        if self.gate:
            return 2 * values - 1
        return np.tanh(values) if self.squashed else values

    def formula(self) -> str:
        """Return how `shown` is made of a value, such as `tanh(c)`."""
        if self.gate:
            return f"2 {self.name} - 1"
        return f"tanh({self.name})" if self.squashed else self.name


def record(network: Network, params: Mapping[str, Params], ids: Array) -> list[Activations]:
    """Return the states after each of the ids (T,) and the gates on the way, from a zero state.

    One layer after the other reads the whole text: those with a state step by step. Of a layer
    that reads backwards too, only the outputs y are known. Layers above the last state are not run.
    """
    ctx = Context()
    xs = ids.astype(np.int32)[:, None]
    entering = network.entering()
    stateful = [name for name, layer in network.named if layer.state_sizes(entering[name])]
    found: list[Activations] = []
    for name, layer in network.named:
        if name not in stateful:
            xs, _ = run_layer(layer, params[name], xs, (), None, ctx.at(name))
            continue
        start = layer.initial_state(entering[name], 1, ctx.dtype)
        if sees_future(layer):
            xs, _ = run_layer(layer, params[name], xs, start, None, ctx.at(name))
            found.append(Activations(name, "y", xs[:, 0]))
        else:
            ys, states = _stepped(layer, params[name], xs, start, ctx.at(name))
            found += _parts(name, layer, params[name], xs, start, states)
            xs = ys
        if name == stateful[-1]:
            break
    return found


def _stepped(
    layer: Layer, params: Params, xs: Array, state: State, ctx: Context
) -> tuple[Array, State]:
    """Return the outputs (T, 1, F) and the arrays (T, n) of the state after each step."""
    if known := step_stages(layer, params, xs, state, ctx):
        return known[0], tuple(array[:, 0] for array in known[1])
    own = replace(ctx, pool=Pool())
    outputs, states = [], []
    for t in range(len(xs)):
        ys, state = run_layer(layer, params, xs[t : t + 1], state, None, own.later(t))
        state = tuple(array.copy() for array in state)
        outputs.append(ys.copy())
        states.append(state)
        own.pool.recycle()
    return np.concatenate(outputs), tuple(np.concatenate(a) for a in zip(*states, strict=True))


def _parts(
    name: str, layer: Layer, params: Params, xs: Array, start: State, states: State
) -> Iterator[Activations]:
    for index, (own, values) in enumerate(zip_longest(layer.state_names(), states)):
        if values is not None:
            yield Activations(name, own or f"state{index}", values)
    if xs.ndim == 3:
        before = tuple(np.concatenate([a, b[:-1]]) for a, b in zip(start, states, strict=True))
        for gate, values in gates_of(layer, params, xs[:, 0], before).items():
            yield Activations(name, gate, values, gate=True)


def unit_of(parts: Sequence[Activations], address: str) -> tuple[Activations, int]:
    """Return the part and the unit that `1.lstm/c/17` names, unit 17 of its state c.

    Raises ValueError with what there is instead.
    """
    label, _, number = address.rpartition("/")
    part = next((each for each in parts if each.label == label), None)
    if part is None:
        known = ", ".join(each.label for each in parts)
        raise ValueError(f"expected LAYER/PART/UNIT with one of {known}, received {address!r}")
    size = part.values.shape[1]
    if not (number.isascii() and number.isdigit() and int(number) < size):
        raise ValueError(
            f"expected a unit from {label}/0 to {label}/{size - 1}, received {address!r}"
        )
    return part, int(number)
