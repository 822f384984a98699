"""What a model may be given from Python: numbers of things, inputs and states of its shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnkit.core.signal import Signal
from rnnkit.errors import wrong_type
from rnnkit.network.states import States
from rnnkit.types import Array

REAL = "biuf"
"""The kinds of arrays that become float32 without a loss of more than digits."""


def checked_count(name: str, count: int, least: int = 1) -> int:
    """Return how many are asked for; TypeError for what is no whole number, ValueError for less."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise wrong_type(name, "a whole number", count, f"give one from {least} on")
    if count < least:
        raise ValueError(f"{name}: expected at least {least}, received {count}")
    return int(count)


def given_array(given: Any) -> Array:
    """Return numbers as an array; raises ValueError for lists of different lengths."""
    try:
        return np.asarray(given)
    except ValueError:
        message = "expected numbers in equal lists, received lists of different lengths "
        raise ValueError(f"{message}(run each by itself, or fill up the shorter)") from None


def checked(xs: Array, inputs: Signal, to_scale: Callable[[Array], Array]) -> Array:
    """Return inputs in the type, and values on the scale, that layers read.

    Raises ValueError for what they cannot read.
    """
    width = inputs.known()
    if not inputs.ids:
        if xs.ndim != 3 or xs.shape[2] != width or xs.size == 0:
            raise ValueError(f"expected values of shape (T, B, {width}), received {_form(xs)}")
        if xs.dtype.kind not in REAL:
            raise ValueError(f"expected real numbers, received {_form(xs)}")
        return to_scale(xs).astype(np.float32)
    if xs.ndim != 2 or xs.dtype.kind not in "iu" or xs.size == 0:
        raise ValueError(f"expected integer ids of shape (T, B), received {_form(xs)}")
    for value in (xs.item(),) if xs.size == 1 else (xs.min(), xs.max()):
        if not 0 <= value < width:
            raise ValueError(f"expected ids from 0 to {width - 1}, received {value}")
    return xs.astype(np.int32)


def checked_state(state: States, sizes: Mapping[str, tuple[int, ...]], streams: int) -> States:
    """Return a state in the type that layers read; ValueError for one of other shapes or numbers.

    `sizes` has the numbers of each array of one stream.
    """
    advice = "give the one that start, step or forward returned"
    if not isinstance(state, Mapping):
        raise ValueError(f"expected a state by layer, received {type(state).__name__} ({advice})")
    for name, arrays in state.items():
        if not isinstance(arrays, tuple | list):
            kind = type(arrays).__name__
            raise ValueError(f"expected a tuple of arrays of {name}, received {kind} ({advice})")
    state = {name: tuple(map(given_array, arrays)) for name, arrays in state.items()}
    received = {name: tuple(a.shape for a in arrays) for name, arrays in state.items()}
    shapes = {name: tuple((streams, n) for n in widths) for name, widths in sizes.items()}
    if received != shapes:
        raise ValueError(f"expected a state of the shapes {shapes}, received {received}")
    if odd := [a for arrays in state.values() for a in arrays if a.dtype.kind not in REAL]:
        raise ValueError(f"expected a state of real numbers, received {_form(odd[0])}")
    return {n: tuple(np.asarray(a, np.float32) for a in arrays) for n, arrays in state.items()}


def _form(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"
