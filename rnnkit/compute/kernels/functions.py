"""tanh and sigmoid inside compiled loops.

libm's tanh is a call for each number and stops vectorization. In float32 a rational function of
degree 13 over 6, clamped where float32 has reached 1, is within 5e-7; float64 takes libm's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from rnnkit.compute.kernels.jit import OPTIONS, jit

F = np.float32
BOUND = F(7.90531110763549805)
P = tuple(
    map(
        F,
        (
            -2.76076847742355e-16,
            2.00018790482477e-13,
            -8.60467152213735e-11,
            5.12229709037114e-08,
            1.48572235717979e-05,
            6.37261928875436e-04,
            4.89352455891786e-03,
        ),
    )
)
Q = tuple(
    map(F, (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03))
)


def is_float32(x: Any) -> bool:
    """Tell whether the type of a compiled argument is float32, for which there are own forms."""
    return isinstance(x, types.Float) and x.bitwidth == 32


def compiled_tanh(x: float) -> float:
    """Return tanh(x); within compiled code in the type of x."""
    return math.tanh(x)


@overload(compiled_tanh, jit_options=OPTIONS)
def _tanh(x: Any) -> Any:
    return _tanh32 if is_float32(x) else _tanh64


def _tanh64(x: Any) -> Any:
    return math.tanh(x)


def _tanh32(x: Any) -> Any:
    # Comparisons that are false for NaN keep it, where min and max might not.
    v = BOUND if x > BOUND else x
    v = -BOUND if v < -BOUND else v
    s = v * v
    p = P[0] * s + P[1]
    p = p * s + P[2]
    p = p * s + P[3]
    p = p * s + P[4]
    p = p * s + P[5]
    p = p * s + P[6]
    q = Q[0] * s + Q[1]
    q = q * s + Q[2]
    q = q * s + Q[3]
    return v * p / q


@jit
def compiled_sigmoid(x: Any, half: Any) -> Any:
    """Return 1 / (1 + exp(-x)); `half` is 0.5 in the type of x, so that nothing is widened."""
    return half * compiled_tanh(half * x) + half
