"""rnnkit: recurrent networks from a JSON file.

The public names below load on first use, so that `import rnnkit` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rnnkit.version import VERSION

if TYPE_CHECKING:
    from rnnkit.api import build as build
    from rnnkit.api import load_spec as load_spec
    from rnnkit.api import train as train
    from rnnkit.contracts.cell import Cell as Cell
    from rnnkit.contracts.cell import GatedCell as GatedCell
    from rnnkit.contracts.cell import StepCell as StepCell
    from rnnkit.contracts.cell import sigmoid as sigmoid
    from rnnkit.contracts.dataset import Dataset as Dataset
    from rnnkit.contracts.layer import Layer as Layer
    from rnnkit.contracts.loss import Loss as Loss
    from rnnkit.contracts.optimizer import Optimizer as Optimizer
    from rnnkit.contracts.schedule import Schedule as Schedule
    from rnnkit.contracts.tokenizer import Tokenizer as Tokenizer
    from rnnkit.core.context import Context as Context
    from rnnkit.core.params import ParamSpec as ParamSpec
    from rnnkit.core.signal import Signal as Signal
    from rnnkit.inference.model import Model as Model
    from rnnkit.inference.model import load as load

__version__ = VERSION

_HOMES = {
    "Cell": "contracts.cell",
    "Context": "core.context",
    "Dataset": "contracts.dataset",
    "GatedCell": "contracts.cell",
    "Layer": "contracts.layer",
    "Loss": "contracts.loss",
    "Model": "inference.model",
    "Optimizer": "contracts.optimizer",
    "ParamSpec": "core.params",
    "Schedule": "contracts.schedule",
    "Signal": "core.signal",
    "StepCell": "contracts.cell",
    "Tokenizer": "contracts.tokenizer",
    "build": "api",
    "load": "inference.model",
    "load_spec": "api",
    "sigmoid": "contracts.cell",
    "train": "api",
}

__all__ = [
    "Cell",
    "Context",
    "Dataset",
    "GatedCell",
    "Layer",
    "Loss",
    "Model",
    "Optimizer",
    "ParamSpec",
    "Schedule",
    "Signal",
    "StepCell",
    "Tokenizer",
    "build",
    "load",
    "load_spec",
    "sigmoid",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"rnnkit has no {name!r}")
    return getattr(importlib.import_module(f"rnnkit.{_HOMES[name]}"), name)
