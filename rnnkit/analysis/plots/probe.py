"""Layers replaced inside a network, and one replacement that measures what flows back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnkit.contracts.cell import Cell
from rnnkit.contracts.checked_layer import scanned
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.core.params import Declaration
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.types import Array, Backward, DType, Grads, Params, State


def replaced(network: Network, change: Callable[[Cell], Layer]) -> Network:
    """Return the network with every cell exchanged, also those inside other layers."""

    def exchanged(layer: Layer) -> Layer:
        return change(layer) if isinstance(layer, Cell) else layer

    return _replaced(network, exchanged)


def stateful_layers(network: Network) -> list[Layer]:
    """Return every layer with a state of its own, in the order of the network.

    One that a wrapper runs twice stands once.
    """
    found: list[Layer] = []

    def note(layer: Layer) -> Layer:
        found.extend([layer] * has_state(layer))
        return layer

    _replaced(network, note)
    return found


def has_state(layer: Layer) -> bool:
    """Tell whether a layer carries a state from step to step that is not that of an inner one."""
    keeps = type(layer).state_sizes is not Layer.state_sizes
    return keeps and layer.causal and not layer.inner()


def _replaced(network: Network, change: Callable[[Layer], Layer]) -> Network:
    return replace(network, layers=tuple(_changed(layer, change) for layer in network.layers))


def _changed(layer: Layer, change: Callable[[Layer], Layer]) -> Layer:
    held = {name: getattr(layer, name) for name in type(layer).model_fields}
    inner = {name: _changed(v, change) for name, v in held.items() if isinstance(v, Layer)}
    return layer.model_copy(update=inner) if inner else change(layer)


@dataclass(frozen=True)
class Trace:
    """What one layer saw: the norm of dL/dh of each stream after each step, and its resets."""

    norms: Array
    resets: Array | None


@dataclass
class Tape:
    """The traces of all layers with a state, by their paths."""

    traces: dict[str, Trace] = field(default_factory=dict)

    def probe(self, layer: Layer) -> Layer:
        """Return a layer that does what one with a state does, and writes to this tape."""
        if not has_state(layer):
            return layer
        return Probe.model_construct(type=layer.type, name=layer.name, layer=layer, tape=self)


class Probe(Layer):
    """A layer that runs step by step, and notes the gradient of each state on its way back.

    The output of a cell is state[0], so the whole derivative of the loss by the state after step t
    is what the layers above send to that step, plus what the layer sends back from step t + 1. The
    state of another layer is no output: what is sent back is all, over all its arrays.
    """

    type: str
    layer: Any
    tape: Any

    def output(self, inputs: Signal) -> Signal:
        """Give what the layer gives."""
        signal: Signal = self.layer.output(inputs)
        return signal

    def declared(self, inputs: Signal) -> Declaration:
        """Declare what the layer declares."""
        declaration: Declaration = self.layer.declared(inputs)
        return declaration

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep what the layer keeps."""
        sizes: tuple[int, ...] = self.layer.state_sizes(inputs)
        return sizes

    def initial_state(self, inputs: Signal, batch: int, dtype: DType) -> State:
        """Start as the layer."""
        state: State = self.layer.initial_state(inputs, batch, dtype)
        return state

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the sequence without resets."""
        return self.scan(params, xs, state, None, ctx)

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the layer in windows of one step."""
        outputs, backwards = [], []
        for t in range(len(xs)):
            step = None if resets is None else resets[t : t + 1]
            ys, state, backward = scanned(
                self.layer, params, xs[t : t + 1], state, step, ctx.later(t)
            )
            outputs.append(ys)
            backwards.append(backward)

        def backward_steps(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
            norms, parts = np.zeros(dys.shape[:2]), list[Array]()
            for t in range(len(xs) - 1, -1, -1):
                if isinstance(self.layer, Cell):
                    norms[t] = np.linalg.norm(dys[t] + dstate[0], axis=1)
                elif dstate:
                    norms[t] = np.linalg.norm(np.concatenate(dstate, axis=1), axis=1)
                dx, dstate = backwards[t](dys[t : t + 1], dstate, grads)
                parts += [] if dx is None else [dx]
            self.tape.traces[ctx.path] = Trace(norms, resets)
            return (np.concatenate(parts[::-1]) if parts else None), dstate

        return np.concatenate(outputs), state, backward_steps


def traced(network: Network, learn: Callable[[Network], object]) -> Mapping[str, Trace]:
    """Return what `learn` lets flow back through each layer with a state, by its path."""
    tape = Tape()
    learn(_replaced(network, tape.probe))
    return tape.traces
