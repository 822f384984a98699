"""What each library implements for each kind of work, and where it is found."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Literal, Protocol

from benchmarks.workloads import Workload
from rnnkit.types import Array

Kind = Literal["Train", "Sample", "Step", "Forward", "Score", "Product"]
ASKED: tuple[Kind, ...] = ("Step", "Forward", "Score")
"""What `benchmarks.inference` has sides for."""
LIBRARIES = {
    "rnnkit": ("rnnkit",),
    "rnnkit_int8": ("rnnkit",),
    "torch": ("torch",),
    "onnx": ("onnx", "onnxruntime"),
    "numpy": ("numpy",),
}
"""The modules that a side imports, by its name; each side is a module `with_NAME`."""

TITLES = {
    "rnnkit": "rnnkit",
    "rnnkit_int8": "rnnkit int8",
    "torch": "PyTorch",
    "onnx": "ONNX Runtime",
    "numpy": "NumPy by hand",
}
BY_HAND = "numpy"
"""No peer: what a user would have without a library."""
ABLE: dict[Kind, tuple[str, ...]] = {
    "Train": ("rnnkit", "torch", BY_HAND),
    "Sample": ("rnnkit", "rnnkit_int8", "torch", "onnx"),
    "Step": ("rnnkit", "torch", "onnx"),
    "Forward": ("rnnkit", "torch", "onnx"),
    "Score": ("rnnkit", "torch"),
    "Product": ("rnnkit", "torch"),
}
CHECKED = 4
"""Training steps whose losses and gradient norms must be equal on every side."""
TOKENS = 100
"""Ids that one step of sampling draws."""


Found = dict[str, list[float]]
"""What a check found, by what it is; `measure.TOLERANCES` says how equal it must be."""


class Side(Protocol):
    """One library at one kind of work.

    One that infers runs a little once it is built: what is loaded by then counts as loaded.
    """

    def check(self) -> Found:
        """Work a little; return what must be equal on every side."""
        ...

    def step(self) -> object:
        """Do what is timed."""
        ...


def installed(kind: Kind) -> list[str]:
    """Return the sides that can do this kind of work here, rnnkit first."""
    return [
        name
        for name in ABLE[kind]
        if all(importlib.util.find_spec(module) for module in LIBRARIES[name])
    ]


def missing() -> list[str]:
    """Return the sides that some kind of work asks for and that are not installed."""
    return sorted({name for kind in ABLE for name in set(ABLE[kind]) - set(installed(kind))})


def side(library: str, kind: Kind, workload: Workload, arrays: dict[str, Array]) -> Side:
    """Build a side from the weights of the workload."""
    made: Side = getattr(module(library, kind), kind)(workload, arrays)
    return made


def module(library: str, kind: Kind = "Train") -> ModuleType:
    """Import the module of a side; the library's own comes with it."""
    package = "benchmarks.inference" if kind in ASKED else "benchmarks"
    return importlib.import_module(f"{package}.with_{library}")
