"""A model whose matrices are held in 8 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from rnnkit.compute.quantize import quantized
from rnnkit.errors import CheckpointError
from rnnkit.inference.bound_network import BoundNetwork

M = TypeVar("M", bound=BoundNetwork)
NONE = "no parameter is a matrix, so none can be held in 8 bits"
HELP = "leave out --weights int8, in Python quantized()"


def quantized_model(model: M) -> M:
    """Return a model that computes with what 8 bits can hold of each matrix; vectors stay.

    Raises CheckpointError where there is no matrix.
    """
    stored = model.store.stored()
    if all(array.ndim != 2 for array in stored.values()):
        raise CheckpointError.of("CKPT_NO_MATRIX", f"{NONE} ({HELP})", model.path)
    store = model.network.store(np.dtype(np.float32))
    for name, into in store.stored().items():
        into[...] = quantized(stored[name]).floats() if into.ndim == 2 else stored[name]
    return replace(model, store=store, int8=True)
