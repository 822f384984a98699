"""A stretch of flat memory as the arrays of a window: what loops over windows take."""

from __future__ import annotations

from functools import partial
from typing import Any

from rnnkit.compute.kernels.jit import jit


@partial(jit, copied=True)
def cube(x: Any, steps: int, streams: int, units: int) -> Any:
    """Return the start of x as an array (steps, streams, units)."""
    return x[: steps * streams * units].reshape(steps, streams, units)
