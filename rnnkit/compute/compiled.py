"""What the compiled step of a plugin's cell is written with; importing this module needs numba.

`rnnkit.kernels_available` tells whether steps are compiled here, and `rnnkit.Kernel` holds one.
"""

from __future__ import annotations

from rnnkit.compute.kernels.functions import compiled_sigmoid as compiled_sigmoid
from rnnkit.compute.kernels.functions import compiled_tanh as compiled_tanh
from rnnkit.compute.kernels.jit import jit as jit

__all__ = ["compiled_sigmoid", "compiled_tanh", "jit"]
