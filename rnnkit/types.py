"""Names for the arrays that move between layers.

Axes: T steps, B streams, F features. Sequences are time-major and C-contiguous: (T, B, F), token
ids (T, B).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

STORED_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What a parameter, or a slot of an optimizer, may be called, so that a checkpoint can hold it."""

MAX_RANK = 8
"""Axes of an array that a checkpoint can hold."""

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = np.dtype[Any]

State: TypeAlias = tuple[Array, ...]
"""The hidden state of one layer: arrays of shape (B, n), passed in and returned, never kept."""

Params: TypeAlias = Mapping[str, Array]
"""The parameters of one layer by name: views of one flat buffer."""

Grads: TypeAlias = dict[str, Array]
"""Gradients by the names of the parameters. Backward adds to them in place."""

JSON: TypeAlias = Any
"""A value that `json` can write and read back unchanged."""


class Backward(Protocol):
    """The gradient of one `forward` call, closed over exactly what it needs.

    `dys` has the shape of the outputs, `dstate` that of the returned state. Adds parameter
    gradients to `grads` in place, changes none of its inputs, and may be called again with an equal
    result. Returns the gradients of the inputs (None for ids; it may be None where nothing below
    learns, see Context) and of the initial state.
    """

    def __call__(self, dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        """Return (dxs, dstate0)."""
        ...


class MixBackward(Protocol):
    """The gradient of one `mix` call; may add to the gradients of pointwise parameters."""

    def __call__(self, dstate: State, grads: Grads) -> tuple[Array, Array, State]:
        """Return (dzx, dzh, dstate) for the gradient of the new state."""
        ...


class StepBackward(Protocol):
    """The gradient of one `step` call; adds to the gradients of the parameters."""

    def __call__(self, dy: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
        """Return (dx, dstate) for the gradients of the output and the new state."""
        ...
