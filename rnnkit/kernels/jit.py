"""How kernels are compiled: cached on disk, vectorized, NaN kept.

`error_model="numpy"` drops the check of divisions that stops vectorization. The fast-math flags
allow what a sum in another order does, but not what assumes that there is no NaN: a clamp would
then turn NaN into a number, and a divergence would pass unseen.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

FLAGS = {"contract", "reassoc", "nsz", "arcp"}
OPTIONS: Any = {"nogil": True, "error_model": "numpy", "fastmath": FLAGS}


def available() -> bool:
    """Tell whether kernels are compiled here."""
    wanted = os.environ.get("RNNKIT_KERNELS", "") != "numpy"
    return wanted and importlib.util.find_spec("numba") is not None


def kernel_set() -> str:
    """Return which kernels compute here, for the fingerprint of the arithmetic."""
    return f"numba {importlib.metadata.version('numba')}" if available() else "numpy"


def jit(function: F) -> F:
    """Compile a function at its first call with each set of types.

    The result is cached on disk, beside the source or in the user's cache directory; where neither
    can be written, it is compiled anew by each process. A compilation on a terminal says so.
    """
    import numba

    try:
        compiled = numba.njit(function, cache=True, **OPTIONS)
    except RuntimeError:
        compiled = numba.njit(function, **OPTIONS)
    compile_types = compiled.compile

    def compile_and_tell(signature: Any) -> Any:
        hits = sum(compiled.stats.cache_hits.values())
        result = compile_types(signature)
        if sum(compiled.stats.cache_hits.values()) == hits and sys.stderr.isatty():
            name = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}"
            print(f"compiled the kernel {name} (the next run loads it)", file=sys.stderr)
        return result

    compiled.compile = compile_and_tell
    found: F = compiled
    return found
