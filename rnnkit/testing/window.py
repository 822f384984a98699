"""One window of a layer as named arrays: what goes in, and what comes out of both directions.

In: xs, resets, dys, params.NAME, state.0, ..., dstate.0, ...
Out: ys, dxs (none for ids), state.0, ..., dstate.0, ..., grads.NAME
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from rnnkit.contracts.layer import Layer, prefixed
from rnnkit.core.context import Context
from rnnkit.types import Array, Backward, Grads, State

NamedArrays: TypeAlias = dict[str, Array]

_STREAM_AXIS = {"xs": 1, "resets": 1, "dys": 1, "ys": 1, "dxs": 1, "state": 0, "dstate": 0}


def _stream_axis(name: str) -> int | None:
    """Return the axis of streams; an encoder's outputs have one although they are named."""
    kind, _, rest = name.partition(".")
    return 1 if rest == "memory" else _STREAM_AXIS.get(kind)


@dataclass(frozen=True)
class Window:
    """What one call of `scan` and its backward read."""

    arrays: NamedArrays
    ctx: Context

    def __getitem__(self, name: str) -> Array:
        """Return one array."""
        return self.arrays[name]

    def parts(self, name: str) -> State:
        """Return state or dstate as a tuple."""
        return tuple(prefixed(self.arrays, name).values())

    def params(self) -> NamedArrays:
        """Return the parameters by their own names."""
        return prefixed(self.arrays, "params")

    def zero_grads(self) -> Grads:
        """Return zeros for the gradients of the parameters."""
        return {name: np.zeros_like(array) for name, array in self.params().items()}

    def having(self, arrays: Mapping[str, Array]) -> Window:
        """Return the window with some arrays replaced."""
        return replace(self, arrays={**self.arrays, **arrays})

    def streams(self, index: Sequence[int]) -> Window:
        """Return the window of some streams, in the given order."""
        return self.having(pick_streams(self.arrays, index))

    def steps(self, start: int, stop: int) -> Window:
        """Return a piece of the window; the states stay as they are."""
        pieces = {name: self[name][start:stop] for name in ("xs", "resets", "dys")}
        return replace(self.having(pieces), ctx=self.ctx.later(start))


def pick_streams(arrays: Mapping[str, Array], index: Sequence[int]) -> NamedArrays:
    """Return the arrays that have an axis of streams, cut to some of them."""
    axes = {name: _stream_axis(name) for name in arrays}
    return {
        name: np.ascontiguousarray(np.take(arrays[name], index, axis))
        for name, axis in axes.items()
        if axis is not None
    }


def join_streams(columns: Sequence[Mapping[str, Array]]) -> NamedArrays:
    """Return the results of single streams side by side, their parameter gradients summed."""
    axes = {name: _stream_axis(name) for name in columns[0]}
    return {
        name: np.concatenate([column[name] for column in columns], axis)
        if axis is not None
        else np.sum([column[name] for column in columns], axis=0)
        for name, axis in axes.items()
    }


def numbered(prefix: str, arrays: Iterable[Array]) -> NamedArrays:
    """Return arrays as prefix.0, prefix.1, ..."""
    return {f"{prefix}.{index}": array for index, array in enumerate(arrays)}


def scan_window(layer: Layer, window: Window) -> tuple[Array, State, Backward]:
    """Call `scan` with what the window holds; without resets where none is true."""
    resets = window["resets"] if window["resets"].any() else None
    return layer.scan(window.params(), window["xs"], window.parts("state"), resets, window.ctx)


def ahead(layer: Layer, window: Window) -> NamedArrays:
    """Return a copy of the outputs and the final state."""
    ys, state, _ = scan_window(layer, window)
    return {name: array.copy() for name, array in {"ys": ys, **numbered("state", state)}.items()}


def behind(backward: Backward, window: Window, grads: Grads | None = None) -> NamedArrays:
    """Return a copy of the gradients that one call of backward gives."""
    grads = window.zero_grads() if grads is None else grads
    dxs, dstate = backward(window["dys"], window.parts("dstate"), grads)
    found = numbered("dstate", dstate) | {f"grads.{name}": grad for name, grad in grads.items()}
    if dxs is not None:
        found["dxs"] = dxs
    return {name: array.copy() for name, array in found.items()}


def forward_backward(layer: Layer, window: Window) -> NamedArrays:
    """Return a copy of everything that one window gives."""
    ys, state, backward = scan_window(layer, window)
    forward = {"ys": ys.copy(), **{k: v.copy() for k, v in numbered("state", state).items()}}
    return forward | behind(backward, window)
