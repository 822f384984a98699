"""What four moments of training take in memory beside what is held.

A start draws parameters one by one in float64, the trial of a plugin copies those of its layer, an
update may make arrays as long as all of them, and a checkpoint is one piece of memory before it is
written.
"""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Mapping, Sequence

import numpy as np

from rnnkit.contracts.checked_declarations import stranger
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.optimizer import Optimizer, slot_names
from rnnkit.contracts.returned import is_own
from rnnkit.core.initializers import Orthogonal
from rnnkit.core.params import Declaration, ParamSpec, count, named_parameters
from rnnkit.network.window_memory import memory_traced

DRAWN = 9
"""Bytes of a number that is drawn, and of what says whether it is finite."""

FACTORED = 33
"""Bytes of a number of an orthogonal start: the matrix, two factors and what LAPACK works on."""

COPIED = 20
"""Bytes of a parameter of a layer that is tried: two copies, and what compares one of them."""

TRIED = 1 << 16
"""Parameters that an update is measured on."""


def start_bytes(declared: Mapping[str, Declaration]) -> int:
    """Return the most that the start of one parameter takes."""
    return max((_drawn(spec) for _, _, spec in named_parameters(declared)), default=0)


def _drawn(spec: ParamSpec) -> int:
    size = math.prod(spec.shape)
    gates = spec.gates if len(spec.shape) > 1 else 1
    part = FACTORED * size // gates if isinstance(spec.init, Orthogonal) else 0
    return max(DRAWN * size, part + (8 * size if gates > 1 else 0))


def trial_bytes(layers: Sequence[Layer], declared: Mapping[str, Declaration]) -> int:
    """Return the most that a trial of a plugin's layer takes for its parameters."""
    named = zip(declared.items(), layers, strict=True)
    return COPIED * max((count(dict([own])) for own, layer in named if stranger(layer)), default=0)


def update_bytes(optimizer: Optimizer, learned: int) -> int:
    """Return what an update of so many parameters takes, measured on a few; rnnkit's own take none.

    Where the update fails it is 0, as its trial will tell.
    """
    if is_own(optimizer):
        return 0
    params = np.linspace(-1, 1, TRIED, dtype=np.float32)
    slots = {name: np.zeros_like(params) for name in slot_names(optimizer)}
    try:
        grads = params * np.float32(0.5)
        with np.errstate(all="ignore"), memory_traced() as begin:
            optimizer.update(1, optimizer.lr, params, grads, slots, slice(0, TRIED))
            peak = tracemalloc.get_traced_memory()[1] - begin
    except MemoryError:
        raise
    except (Exception, SystemExit):
        return 0
    return peak * learned // TRIED
