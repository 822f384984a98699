"""The generators that all of a process share, which only a stranger draws from or seeds."""

from __future__ import annotations

import random

import numpy as np


def random_states() -> tuple[object, ...]:
    """Return where the generators of Python and of NumPy stand, to be compared."""
    kind, keys, *rest = np.random.get_state()
    return (random.getstate(), kind, np.asarray(keys).tobytes(), *rest)
