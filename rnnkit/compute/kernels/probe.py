"""A small compiled loop whose last bits depend on what LLVM made of it."""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.functions import compiled_sigmoid, compiled_tanh
from rnnkit.compute.kernels.jit import jit


@jit
def probe(values: Any, half: Any, found: Any) -> Any:
    """Fill `found` from `values` (N,), `half` 0.5 in their type; return the sum of products.

    The order of a sum, and whether a product is fused with its sum, are LLVM's choice for the
    processor: that is what a fingerprint has to see.
    """
    total = half * values[0]
    for i in range(len(values)):
        found[i] = values[i] * compiled_tanh(values[i]) + compiled_sigmoid(values[i], half)
    for i in range(len(values)):
        total += values[i] * found[i]
    return total
