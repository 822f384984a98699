"""Environment variables that make a BLAS slower than the processor is, and what they cost here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that choose the kernel of OpenBLAS in place of the processor's own."""

SIZE = 1000
PROBE = f"""
import time
import numpy as np
a = np.ones(({SIZE}, {SIZE}), np.float32)
times = []
for _ in range(8):
    start = time.perf_counter()
    a @ a
    times.append(time.perf_counter() - start)
print(min(times[2:]))
"""


def pins(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that are set."""
    return {name: environment[name] for name in PINS if name in environment}


def cost() -> float | None:
    """Return how many times longer a product takes with the pins than without; None: unknown.

    Two processes each, in turn, multiply matrices of 1000 x 1000 in float32; some two seconds.
    """
    free = {name: value for name, value in os.environ.items() if name not in PINS}
    try:
        rounds = [(_seconds(dict(os.environ)), _seconds(free)) for _ in range(2)]
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    pinned, unpinned = (min(times) for times in zip(*rounds, strict=True))
    return float(pinned / unpinned)


def _seconds(environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return float(done.stdout)
