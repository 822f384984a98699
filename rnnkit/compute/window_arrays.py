"""What every window has: resets, flat sequences, indicators of ids, gradients that fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.types import Array, Shape, State


def check_gradients(dys: Array, dstate: State, xs: Array, state: State) -> None:
    """Raise ValueError for gradients of other shapes than the outputs and the state."""
    expect_shape("dys", dys.shape, (*xs.shape[:2], state[0].shape[1]))
    for given, array in zip(dstate, state, strict=True):
        expect_shape("dstate", given.shape, array.shape)


def expect_shape(name: str, found: Shape, wanted: Shape) -> None:
    """Raise ValueError for an array of another shape."""
    if found != wanted:
        raise ValueError(f"{name}: expected the shape {wanted}, received {found}")


def restarts(resets: Array | None, batch: int) -> tuple[Array, int]:
    """Return `resets` (T, B), (0, B) where none is true, and the places of a step's states.

    A step has two where streams restart in the middle: what enters it, and what it gives.
    """
    if resets is None or not resets.any():
        return np.zeros((0, batch), bool), 1
    return resets, 2 if resets[1:].any() else 1


def flat(sequence: Array) -> Array:
    """Return a (T, B, F) sequence as the (T B, F) matrix that one product takes."""
    return sequence.reshape(-1, sequence.shape[-1])


def one_hot_ids(xs: Array) -> Array:
    """Return where the 1 of each row stands; () where not every row is 0 but for one 1.

    A product with such a row is a row of the matrix.
    """
    ids = np.empty(xs.shape[0] * xs.shape[1], np.int32)
    rows: Any = kernel_module("rows")
    return ids if rows.indicated(flat(xs), ids) else ids[:0]
