"""Recurrent cells replaced inside a network, and one replacement that measures what flows back."""

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
    return replace(network, layers=tuple(_changed(layer, change) for layer in network.layers))


def cells(network: Network) -> list[Cell]:
    """Return every cell of a network, in its order; one that a wrapper runs twice stands once."""
    found: list[Cell] = []

    def note(cell: Cell) -> Cell:
        found.append(cell)
        return cell

    replaced(network, note)
    return found


def _changed(layer: Layer, change: Callable[[Cell], Layer]) -> Layer:
    if isinstance(layer, Cell):
        return change(layer)
    held = {name: getattr(layer, name) for name in type(layer).model_fields}
    inner = {name: _changed(v, change) for name, v in held.items() if isinstance(v, Layer)}
    return layer.model_copy(update=inner) if inner else layer


@dataclass(frozen=True)
class Trace:
    """What one cell saw: the norm of dL/dh of each stream after each step, and its resets."""

    norms: Array
    resets: Array | None


@dataclass
class Tape:
    """The traces of all cells, by the path of the cell."""

    traces: dict[str, Trace] = field(default_factory=dict)

    def probe(self, cell: Cell) -> Probe:
        """Return a layer that does what the cell does, and writes to this tape."""
        return Probe.model_construct(type=cell.type, name=cell.name, cell=cell, tape=self)


class Probe(Layer):
    """A cell that runs step by step, and notes the gradient of each hidden state on its way back.

    The output of a cell is state[0], so the whole derivative of the loss by the state after step t
    is what the layers above send to that step, plus what the cell sends back from step t + 1.
    """

    type: str
    cell: Any
    tape: Any

    def output(self, inputs: Signal) -> Signal:
        """Give what the cell gives."""
        signal: Signal = self.cell.output(inputs)
        return signal

    def declared(self, inputs: Signal) -> Declaration:
        """Declare what the cell declares."""
        declaration: Declaration = self.cell.declared(inputs)
        return declaration

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep what the cell keeps."""
        sizes: tuple[int, ...] = self.cell.state_sizes(inputs)
        return sizes

    def initial_state(self, inputs: Signal, batch: int, dtype: DType) -> State:
        """Start as the cell."""
        state: State = self.cell.initial_state(inputs, batch, dtype)
        return state

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the sequence without resets."""
        return self.scan(params, xs, state, None, ctx)

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the cell in windows of one step."""
        outputs, backwards = [], []
        for t in range(len(xs)):
            step = None if resets is None else resets[t : t + 1]
            ys, state, backward = scanned(
                self.cell, params, xs[t : t + 1], state, step, ctx.later(t)
            )
            outputs.append(ys)
            backwards.append(backward)

        def backward_steps(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dxs = np.empty_like(xs)
            norms = np.empty(dys.shape[:2])
            for t in range(len(xs) - 1, -1, -1):
                norms[t] = np.linalg.norm(dys[t] + dstate[0], axis=1)
                dxs[t : t + 1], dstate = backwards[t](dys[t : t + 1], dstate, grads)
            self.tape.traces[ctx.path] = Trace(norms, resets)
            return dxs, dstate

        return np.concatenate(outputs), state, backward_steps


def traced(network: Network, learn: Callable[[Network], object]) -> Mapping[str, Trace]:
    """Return what `learn` lets flow back through each cell of a network, by its path."""
    tape = Tape()
    learn(replaced(network, tape.probe))
    return tape.traces
