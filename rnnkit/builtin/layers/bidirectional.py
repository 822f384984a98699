"""A layer run forwards and backwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from rnnkit.contracts.checked_declarations import signal_after
from rnnkit.contracts.checked_layer import run_layer, scanned
from rnnkit.contracts.layer import Layer, LayerBlock, prefixed, signal_of
from rnnkit.core.context import Context
from rnnkit.core.params import Declaration
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, DType, Grads, Params, State


class Bidirectional(Layer):
    """ys = [layer(xs), reverse(layer(reverse(xs)))] side by side (Schuster and Paliwal 1997).

    Each direction has parameters of its own. Only the forward direction carries its state to the
    next window; the backward one starts anew at the window's end, and at every reset.
    """

    type: Literal["bidirectional"] = "bidirectional"
    causal: ClassVar[bool] = False
    layer: LayerBlock

    def inner(self) -> Mapping[str, Layer]:
        """Hold one layer for each direction."""
        return {"forward": self.layer, "backward": self.layer}

    def output(self, inputs: Signal) -> Signal:
        """Give twice the width of the inner layer."""
        width = signal_after(self.layer, inputs).values().width
        return Signal(None if width is None else 2 * width)

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters of the inner layer under `forward.` and `backward.`."""
        return {
            f"{direction}.{name}": spec
            for direction in ("forward", "backward")
            for name, spec in self.layer.declared(inputs).items()
        }

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep the state of the forward direction."""
        return self.layer.state_sizes(inputs)

    def state_names(self) -> tuple[str, ...]:
        """Call the state as the inner layer does."""
        return self.layer.state_names()

    def initial_state(self, inputs: Signal, batch: int, dtype: DType) -> State:
        """Start as the inner layer."""
        return self.layer.initial_state(inputs, batch, dtype)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the sequence without resets."""
        return self.scan(params, xs, state, None, ctx)

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run both directions; the backward one restarts at the same boundaries."""
        start = self.layer.initial_state(signal_of(xs), xs.shape[1], ctx.dtype)
        own = ctx.at("forward", learns_below=ctx.learns_below)
        ahead, state, ahead_backward = scanned(
            self.layer, prefixed(params, "forward"), xs, state, resets, own
        )
        own = ctx.at("backward", learns_below=ctx.learns_below)
        back, end, back_backward = scanned(
            self.layer, prefixed(params, "backward"), _reversed(xs), start, _mirrored(resets), own
        )
        width = ahead.shape[2]

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
            dahead = np.ascontiguousarray(dys[:, :, :width])
            dxs, dstate = ahead_backward(dahead, dstate, prefixed(grads, "forward"))
            dback = _reversed(dys[:, :, width:])
            unused = tuple(np.zeros_like(array) for array in end)
            dreversed, _ = back_backward(dback, unused, prefixed(grads, "backward"))
            if dxs is None or dreversed is None:
                return None, dstate
            return dxs + dreversed[::-1], dstate

        return np.concatenate([ahead, back[::-1]], axis=2), state, backward

    def run(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State]:
        """Run both directions without a way back."""
        ahead, state = run_layer(
            self.layer, prefixed(params, "forward"), xs, state, resets, ctx.at("forward")
        )
        start = self.layer.initial_state(signal_of(xs), xs.shape[1], ctx.dtype)
        views, turned = prefixed(params, "backward"), _mirrored(resets)
        own = ctx.at("backward")
        back, _ = run_layer(self.layer, views, _reversed(xs), start, turned, own)
        return np.concatenate([ahead, back[::-1]], axis=2), state


def _reversed(sequence: Array) -> Array:
    return np.ascontiguousarray(sequence[::-1])


def _mirrored(resets: Array | None) -> Array | None:
    """Return the resets of the reversed sequence: a boundary before step t lies after T - 1 - t."""
    if resets is None:
        return None
    mirrored = np.zeros_like(resets)
    mirrored[1:] = resets[1:][::-1]
    return mirrored
