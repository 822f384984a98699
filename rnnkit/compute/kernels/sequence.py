"""The time loop of a gated cell, compiled around its step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.kernel import Kernel
from rnnkit.compute.kernels.product import multiply_rows


class Loops(NamedTuple):
    """The whole window forward and backward, for the streams from `first` to `last`."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]


@cache
def loops(kernel: Kernel) -> Loops:
    """Return the time loops around the steps of a kernel; compiled once for each kernel."""
    forward_step, backward_step, split = kernel

    def forward(
        window: Any,
        Wx: Any,
        ids: Any,
        Wh: Any,
        b: Any,
        initial: Any,
        resets: Any,
        stride: int,
        first: int,
        last: int,
    ) -> None:
        zxs, zhs, _, states = window
        batch = zxs.shape[1]
        for t in range(len(zxs)):
            old = t * stride
            if t > 0 and stride == 2:
                for array in states:
                    array[old, first:last] = array[old - 1, first:last]
            if len(resets) > 0:
                for array, start in zip(states, initial):  # noqa: B905 (compiled)
                    for row in range(first, last):
                        if resets[t, row]:
                            array[old, row] = start[row]
            multiply_rows(states[0][old], Wh, zhs[t if split else 0], first, last)
            for row in range(first, last):
                if len(ids) > 0:
                    weights = Wx[ids[t * batch + row]]
                    for k in range(len(b)):
                        zxs[t, row, k] = weights[k] + b[k]
                else:
                    for k in range(len(b)):
                        zxs[t, row, k] += b[k]
            forward_step(window, t, old, old + 1, first, last)

    def backward(
        window: Any,
        adjoint: Any,
        db: Any,
        WhT: Any,
        resets: Any,
        stride: int,
        first: int,
        last: int,
    ) -> None:
        _, product, carry, dzxs, dzhs, _ = adjoint
        for t in range(len(dzhs) - 1, -1, -1):
            old = t * stride
            backward_step(window, adjoint, t, old, old + 1, first, last)
            for row in range(first, last):
                for k in range(len(db)):
                    db[k] += dzxs[t, row, k]
            multiply_rows(dzhs[t], WhT, product, first, last)
            if len(resets) > 0:
                for row in range(first, last):
                    if resets[t, row]:
                        product[row] = 0
                        for array in carry:
                            array[row] = 0

    return Loops(jit(forward), jit(backward))
