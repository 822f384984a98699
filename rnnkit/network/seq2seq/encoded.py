"""What passes from an encoder to a decoder, and the gradients that come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array, Grads


class Encoded(NamedTuple):
    """What a decoder knows of its source.

    The encoder's outputs `memory` (S, B, F) and their steps with data `valid` (S, B); the decoder's
    first `states`; the output `last` (B, H) of the encoder's last recurrent layer.
    """

    memory: Array
    valid: Array
    states: States
    last: Array

    def slope(self) -> Encoded:
        """Return zeros for the gradients of `memory` and `last`."""
        return self._replace(memory=np.zeros_like(self.memory), last=np.zeros_like(self.last))


EncoderBackward: TypeAlias = Callable[[Encoded, Mapping[str, Grads]], None]
"""`backward(dencoded, grads)` adds the encoder's gradients to grads."""

DecoderBackward: TypeAlias = Callable[
    [Array, States, Mapping[str, Grads], Encoded], tuple[Array | None, States]
]
"""`backward(dys, dstates, grads, dencoded)` gives (dxs, dstates0) and adds to the last two."""


def source_of(batch: Batch) -> EncoderInputs:
    """Return what the encoder reads; raises ShapeError for data without sources."""
    if batch.encoder is None:
        raise ShapeError("has an encoder, but the data gives it no source (data of pairs does)")
    return batch.encoder


def layer_context(layer: Layer, ctx: Context, valid: Array) -> Context:
    """Return the context of a decoder's layer; one that reads the source knows its steps."""
    return ctx.but(valid=valid) if layer.reads_memory else ctx


def last_output(encoder: Network) -> Signal:
    """Return the signal that peeks: the first state of the last recurrent layer."""
    shapes = list(encoder.state_shapes(1).values())
    if not shapes:
        message = "the encoder has no recurrent layer (give it one, such as lstm)"
        raise ShapeError(message, "encoder")
    return Signal(shapes[-1][0][1])


def with_memory(layer: Layer, views: Mapping[str, Array], memory: Array) -> dict[str, Array]:
    """Return the parameters of a layer, or their gradients, with the named input it reads."""
    return {**views, "memory": memory} if layer.reads_memory else dict(views)
