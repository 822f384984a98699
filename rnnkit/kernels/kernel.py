"""What a compiled step of a gated cell is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Kernel(NamedTuple):
    """The pointwise part of one step, over whole arrays and a step index.

    `forward(zxs, zhs, params, states, t, old, new)` reads zxs[t] (B, G), zhs[t] and states[k][old],
    writes states[k][new], and may overwrite zxs[t] with what `backward` needs.

    `backward(zxs, zhs, params, states, dys, product, carry, dzxs, dzhs, dparams, t, old, new)` is
    given the gradient of h' as dys[t] + product + carry[0], that of the other states in carry[k].
    It writes dzxs[t] and dzhs[t], turns carry into the gradient of the old states but for what
    passes zhs, and adds to dparams.

    A cell that uses only zx + zh has `split` false: then dzhs is dzxs, and zhs holds one step.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    split: bool = False
