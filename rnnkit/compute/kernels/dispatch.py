"""Compiled kernels where there are any, by name; loaded on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.kernel import Kernel


@cache
def cell_kernel(name: str) -> Kernel | None:
    """Return the compiled step of a cell; None where kernels are off."""
    if not kernels_available():
        return None
    from rnnkit.compute.kernels import gru, lstm, rnn

    return {
        "gru": Kernel(gru.forward, gru.backward, split=True),
        "lstm": Kernel(lstm.forward, lstm.backward),
        "rnn_relu": Kernel(rnn.relu_forward, rnn.relu_backward),
        "rnn_tanh": Kernel(rnn.tanh_forward, rnn.tanh_backward),
    }[name]


@cache
def kernel_module(module: str) -> ModuleType | None:
    """Return a module of kernels beside this one; None where kernels are off."""
    return import_module(f"rnnkit.compute.kernels.{module}") if kernels_available() else None
