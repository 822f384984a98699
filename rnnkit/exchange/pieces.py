"""A trained network in pieces that any other program can be told of: types, settings, arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnkit.compute.equations.trace import StepGraph, StepProduct
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.layer import Layer, prefixed
from rnnkit.contracts.returned import is_own
from rnnkit.core.block import stands_for
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.types import Array, Params


@dataclass(frozen=True)
class Piece:
    """A layer with its parameters: all that is needed to write it down elsewhere.

    `settings` are the keys of its block. `arrays` holds its parameters by name, float32 and
    contiguous, what is shared with another layer as this one reads it; those of the layers that a
    wrapper holds are in `held`, by the prefix of their names. `states` gives the width of each
    array of the state by name, in order. `step` is the graph of a cell that is its equations.
    """

    name: str
    type: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, Array]
    reads: Signal
    gives: Signal
    states: Mapping[str, int]
    held: Mapping[str, Piece]
    own: bool
    """True for a type of rnnkit's own, whose equations are known from its name."""
    step: StepGraph | None
    starts_at_zero: bool

    def walk(self) -> Iterator[Piece]:
        """Yield the piece and all that it holds."""
        yield self
        for piece in self.held.values():
            yield from piece.walk()

    def innermost(self) -> Piece:
        """Return the layer that wrappers hold, of two directions the forward one."""
        return next(iter(self.held.values())).innermost() if self.held else self


def pieces_of(network: Network, params: Mapping[str, Params]) -> tuple[Piece, ...]:
    """Return the layers of a network in their order, an encoder's before its decoder's."""
    entering = network.entering()
    return tuple(_piece(name, each, params[name], entering[name]) for name, each in network.named)


def _piece(name: str, layer: Layer, params: Params, reads: Signal) -> Piece:
    widths = layer.state_sizes(reads)
    return Piece(
        name,
        layer.type,
        layer.model_dump(mode="json"),
        {key: _plain(array) for key, array in params.items() if "." not in key},
        reads,
        layer.output(reads),
        dict(zip(layer.state_names(), widths, strict=True)) if widths else {},
        {
            key: _piece(f"{name}.{key}", inner, prefixed(params, key), reads)
            for key, inner in layer.inner().items()
        },
        is_own(layer),
        _step_of(layer),
        not any(map(np.any, layer.initial_state(reads, 1, np.dtype(np.float32)))),
    )


def _step_of(layer: Layer) -> StepGraph | None:
    """Return the graph of a step; None for what is no cell by equations, or computes others."""
    if isinstance(layer, EquationCell) and stands_for(layer, "equations", "forward", "scan"):
        return layer.step_graph()
    return None


def attribute_names(pieces: Iterable[Piece], called: Mapping[str, str]) -> dict[str, str]:
    """Return a name for each layer that is no wrapper: its type, numbered where there are several.

    `called` has the names of types that go by another. The two directions of a layer share a name.
    """
    inner = [piece.innermost() for piece in pieces]
    types = [called.get(piece.type, piece.type) for piece in inner]
    numbered = [
        name if types.count(name) == 1 else f"{name}_{types[: at + 1].count(name)}"
        for at, name in enumerate(types)
    ]
    return {piece.name: name for piece, name in zip(inner, numbered, strict=True)}


def in_order(array: Array, order: Sequence[int]) -> Array:
    """Return the gates (..., gates * units) of a parameter in another order, by places of ours."""
    gates = np.split(array, len(order), axis=-1)
    return np.concatenate([gates[at] for at in order], axis=-1)


def matrix_of(piece: Piece, step: StepGraph, product: StepProduct) -> Array:
    """Return the columns of a matrix that a product of a cell by equations reads."""
    array = piece.arrays[product.matrix]
    width = array.shape[1] // max(len(step.symbols.matrices[product.matrix][2]), 1)
    return array[:, product.first * width : (product.first + len(product.dots)) * width]


def second_bias(piece: Piece) -> Array:
    """Return the bias of the recurrent product, which programs with two of them want: zeros.

    A GRU's candidate alone has one of its own, our `bn`, in the last part.
    """
    found = np.zeros_like(piece.arrays["b"])
    if "bn" in piece.arrays:
        found[-len(piece.arrays["bn"]) :] = piece.arrays["bn"]
    return found


def _plain(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32)


def refusals(
    pieces: Iterable[Piece], reason: Callable[[Piece], str | None], *, equations: bool = False
) -> list[str]:
    """Return a sentence for every layer that cannot be expressed, with the layer's name.

    `reason` tells why one of rnnkit's own types cannot be; `equations`: whatever its type, a cell
    by equations can.
    """
    found = []
    for outer in pieces:
        for piece in outer.walk():
            why = reason(piece) if piece.own else _of_a_plugin(piece)
            if equations and piece.step:
                why = None if piece.starts_at_zero else ELSEWHERE
            if why:
                found.append(f"layer {outer.name}: {why}")
    return list(dict.fromkeys(found))


def _of_a_plugin(piece: Piece) -> str:
    return (
        f"the type {piece.type!r} is a plugin's "
        "(of those, --to onnx and --to c take every EquationCell)"
    )


ELSEWHERE = (
    "its state does not begin with zeros, as the exported model's does (write the equations "
    "so that it does)"
)
"""Why a cell by equations cannot be expressed."""
