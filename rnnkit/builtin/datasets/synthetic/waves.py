"""Series that a generator makes up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from rnnkit.types import Array

SETTLE = 500
"""Units of time that Mackey and Glass's equation runs before its first value."""


def sine(random: np.random.Generator, count: int, period: float) -> Array:
    """Return sin(2 pi t / period + phase) (N, 1) for a random phase."""
    phase = random.uniform(0, 2 * np.pi)
    found: Array = np.sin(2 * np.pi * np.arange(count) / period + phase)[:, None]
    return found


def mackey_glass(random: np.random.Generator, count: int, delay: float) -> Array:
    """Return dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x(t), a value a unit (N, 1).

    Mackey and Glass 1977; chaotic for delays of 17 and more. Runge-Kutta of fourth order with steps
    of 0.1, the delayed value held during a step; the first 500 units are left out.
    """
    per_unit = 10
    lag = round(delay * per_unit)
    total = (count + SETTLE) * per_unit
    x = np.empty(lag + total + 1)
    x[: lag + 1] = 1.2 + 0.1 * random.uniform(-1, 1, lag + 1)
    step = 1 / per_unit
    for t in range(lag, lag + total):
        past = x[t - lag]
        gain, now = 0.2 * past / (1 + past**10), x[t]
        k1 = gain - 0.1 * now
        k2 = gain - 0.1 * (now + step / 2 * k1)
        k3 = gain - 0.1 * (now + step / 2 * k2)
        k4 = gain - 0.1 * (now + step * k3)
        x[t + 1] = now + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[lag + 1 + SETTLE * per_unit :: per_unit][:count, None].copy()


class Wave(NamedTuple):
    """A series: `make(random, N, T)` gives its values (N, 1), `bytes(N, T)` what that takes."""

    make: Callable[[np.random.Generator, int, int], Array]
    bytes: Callable[[int, int], int]


WAVES: Mapping[str, Wave] = {
    "sine": Wave(sine, lambda count, length: 32 * count),
    "mackey_glass": Wave(mackey_glass, lambda count, length: 96 * (count + SETTLE) + 320 * length),
}
