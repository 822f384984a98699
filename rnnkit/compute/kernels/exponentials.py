"""exp, log and softplus inside compiled loops, over their whole range.

A call of libm stops the vectorization of its loop. In float32 exp is that of `exp_below_zero` with
2^k put together in two factors, for 2^128 is no number; log takes x = m 2^e apart and is a
polynomial of m - 1 (Cephes, `logf`); softplus is max(x, 0) + log(1 + exp(-|x|)), with Kahan's form
of log(1 + u). All are within 2e-7; float64 takes libm's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload

from rnnkit.compute.kernels.exp_below_zero import LN2_HIGH, LN2_LOW, LOG2_E, ORDERED, P
from rnnkit.compute.kernels.functions import is_float32

F = np.float32
LARGEST, SMALLEST = F(89), F(-104)
UNDERFLOW = F(-86.6)
"""Below it a factor of two parts would not be a normal number."""

IN_LOW_BITS = F(12582912 + 126)
MANTISSA, HALF = np.int32(0x007FFFFF), np.int32(0x3F000000)
ROOT_HALF = F(0.70710678)
L = tuple(
    map(
        F,
        (
            7.0376836292e-2,
            -1.1514610310e-1,
            1.1676998740e-1,
            -1.2420140846e-1,
            1.4249322787e-1,
            -1.6668057665e-1,
            2.0000714765e-1,
            -2.4999993993e-1,
            3.3333331174e-1,
        ),
    )
)


def compiled_exp(x: float) -> float:
    """Return exp(x); within compiled code in the type of x."""
    return math.exp(x)


def compiled_log(x: float) -> float:
    """Return log(x); within compiled code in the type of x, NaN below 0."""
    return math.log(x)


def compiled_softplus(x: float) -> float:
    """Return log(1 + exp(x)); within compiled code in the type of x."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@overload(compiled_exp, jit_options=ORDERED)
def _exp(x: Any) -> Any:
    return _exp32 if is_float32(x) else _exp64


@overload(compiled_log, jit_options=ORDERED)
def _log(x: Any) -> Any:
    return _log32 if is_float32(x) else _log64


@overload(compiled_softplus, jit_options=ORDERED)
def _softplus(x: Any) -> Any:
    return _softplus32 if is_float32(x) else _softplus64


def _exp64(x: Any) -> Any:
    return math.exp(x)


def _log64(x: Any) -> Any:
    return math.log(x)


def _softplus64(x: Any) -> Any:
    return (x if x > 0 else x * 0) + math.log1p(math.exp(-abs(x)))


def _exp32(x: Any) -> Any:
    # Comparisons that are false for NaN keep it.
    y = LARGEST if x > LARGEST else x
    y = SMALLEST if y < SMALLEST else y
    k = np.rint(y * LOG2_E)
    r = y - k * LN2_HIGH - k * LN2_LOW
    p = P[0] * r + P[1]
    p = p * r + P[2]
    p = p * r + P[3]
    p = p * r + P[4]
    p = p * r + P[5]
    half = np.int32(F(k + IN_LOW_BITS).view(np.int32) << np.int32(23)).view(F)
    value = (p * r * r + r + F(1)) * half * F(2)
    return F(0) if x < UNDERFLOW else value


def _log32(x: Any) -> Any:
    bits = F(x).view(np.int32)
    e = (bits >> np.int32(23)) - np.int32(126)
    m = np.int32((bits & MANTISSA) | HALF).view(F)
    low = m < ROOT_HALF
    k = F(e - (np.int32(1) if low else np.int32(0)))
    m = (m + m if low else m) - F(1)
    z = m * m
    p = L[0] * m + L[1]
    p = p * m + L[2]
    p = p * m + L[3]
    p = p * m + L[4]
    p = p * m + L[5]
    p = p * m + L[6]
    p = p * m + L[7]
    p = p * m + L[8]
    y = m * z * p + k * LN2_LOW - F(0.5) * z
    y = m + y + k * LN2_HIGH
    y = F(-np.inf) if x == F(0) else y
    y = y if x < F(np.inf) else x
    return F(np.nan) if x < F(0) else y


def _softplus32(x: Any) -> Any:
    u = compiled_exp(-abs(x))
    y: Any = F(1) + u
    d = y - F(1)
    tail = compiled_log(y) * (u / (d if d != F(0) else F(1)))
    return (x if x > F(0) else F(0)) + (u if d == F(0) else tail)
