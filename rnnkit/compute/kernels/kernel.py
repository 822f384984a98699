"""What a compiled step of a gated cell is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rnnkit.types import Array


class WindowArrays(NamedTuple):
    """A window in memory: zx (T, B, G) and zh (T or 1, B, G), pointwise parameters, all states.

    `states[k]` (steps, B, n) holds what enters a step at index `old` and what it gives at `new`.
    """

    zxs: Array
    zhs: Array
    params: tuple[Array, ...]
    states: tuple[Array, ...]


class Adjoint(NamedTuple):
    """The gradients of a window.

    That of h' is dys[t] + product + carry[0], that of the k-th other state carry[k]; `product` is
    what came back through Wh. dzhs is dzxs for a cell that uses only zx + zh.
    """

    dys: Array
    product: Array
    carry: tuple[Array, ...]
    dzxs: Array
    dzhs: Array
    dparams: tuple[Array, ...]


class Kernel(NamedTuple):
    """The pointwise part of one step, over whole windows, a step index and a range of streams.

    `forward(window, t, old, new, first, last)` reads zxs[t] (the bias is in it), zhs[t] and
    states[k][old], writes states[k][new], and may overwrite zxs[t] and zhs[t] with what `backward`
    needs, all for the streams from `first` to `last`.

    `backward(window, adjoint, t, old, new, first, last)` writes dzxs[t] and dzhs[t], turns carry
    into the gradient of the old states but for what passes zh, and adds to dparams.

    A cell that uses only zx + zh has `split` false: then zhs holds one step, at index 0.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    split: bool = False
