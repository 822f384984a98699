"""exp of numbers up to 0 inside compiled loops, as a softmax takes it.

libm's exp is a call for each number and stops vectorization. In float32, x = k ln 2 + r with k a
whole number (Cody and Waite 1980), exp(r) is a polynomial of degree 7 (Cephes, `expf`), and 2^k is
put together from its bits; within 2e-7. Below -87.33, where float32 has no normal number left, it
is 0. float64 takes libm's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload

from rnnkit.compute.kernels.functions import is_float32
from rnnkit.compute.kernels.jit import OPTIONS

F = np.float32
SMALLEST = F(-87.33)
LOG2_E = F(1.44269504)
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)
P = tuple(
    map(
        F,
        (
            1.9875691500e-4,
            1.3981999507e-3,
            8.3334519073e-3,
            4.1665795894e-2,
            1.6666665459e-1,
            5.0000001201e-1,
        ),
    )
)
# A whole number added to 1.5 * 2^23 stands in the low bits of the sum; 127 is the exponent's bias.
IN_LOW_BITS = F(12582912 + 127)
# Regrouping would undo the two parts of ln 2.
ORDERED: Any = {**OPTIONS, "fastmath": {"contract", "nsz"}}


def exp_below_zero(x: float) -> float:
    """Return exp(x) for x <= 0; within compiled code in the type of x."""
    return math.exp(x)


@overload(exp_below_zero, jit_options=ORDERED)
def _exp(x: Any) -> Any:
    return _exp32 if is_float32(x) else _exp64


def _exp64(x: Any) -> Any:
    return math.exp(x)


def _exp32(x: Any) -> Any:
    k = np.rint(x * LOG2_E)
    r = x - k * LN2_HIGH - k * LN2_LOW
    p = P[0] * r + P[1]
    p = p * r + P[2]
    p = p * r + P[3]
    p = p * r + P[4]
    p = p * r + P[5]
    power = np.int32(F(k + IN_LOW_BITS).view(np.int32) << np.int32(23)).view(F)
    # The comparison is false for NaN, which the polynomial keeps.
    return F(0) if x < SMALLEST else (p * r * r + r + F(1)) * power
