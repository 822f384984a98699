"""The norm of a flat gradient, and its bounds."""

from __future__ import annotations

import math

import numpy as np

from rnnkit.compute.parallel import MEMORY_BOUND, divided
from rnnkit.spec.model import Clip
from rnnkit.types import Array

BLOCK = 65536
"""Values that are squared and summed by one product."""


def global_norm(gradient: Array) -> float:
    """Return the Euclidean norm of a flat gradient."""

    def squares(first: int, last: int) -> float:
        return float(np.dot(gradient[first:last], gradient[first:last]))

    return math.sqrt(sum(divided(gradient.size, MEMORY_BOUND * gradient.size, squares)))


def fixed_norm(gradient: Array) -> float:
    """Return the norm, the sum formed of fixed blocks: any number of threads gives the same."""
    blocks = (gradient[start : start + BLOCK] for start in range(0, gradient.size, BLOCK))
    return math.sqrt(math.fsum(float(np.dot(block, block)) for block in blocks))


def clip(gradient: Array, norm: float, limits: Clip | None, scale: float = 1.0) -> None:
    """Scale a flat gradient in place and bound it; `norm` is the one after the scaling.

    By norm: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    if limits and limits.norm is not None and norm > limits.norm:
        scale *= limits.norm / (norm + 1e-6)
    if scale != 1:

        def multiply(first: int, last: int) -> None:
            gradient[first:last] *= scale

        divided(gradient.size, MEMORY_BOUND * gradient.size, multiply)
    if limits and limits.value is not None:
        np.clip(gradient, -limits.value, limits.value, out=gradient)
