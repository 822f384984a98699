"""Compiled kernels where there are any, by name; loaded on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from rnnkit.compute.kernels.jit import kernels_available


@cache
def kernels_compute() -> bool:
    """Tell whether kernels compute here; asked once, for a look for a package takes 60 us."""
    return kernels_available()


@cache
def kernel_module(module: str) -> ModuleType | None:
    """Return a module of kernels beside this one; None where kernels are off."""
    return import_module(f"rnnkit.compute.kernels.{module}") if kernels_available() else None
