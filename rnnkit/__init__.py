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
    from rnnkit.cell import Cell as Cell
    from rnnkit.cell import GatedCell as GatedCell
    from rnnkit.cell import StepCell as StepCell
    from rnnkit.cell import sigmoid as sigmoid
    from rnnkit.context import Context as Context
    from rnnkit.dataset import Dataset as Dataset
    from rnnkit.layer import Layer as Layer
    from rnnkit.loss import Loss as Loss
    from rnnkit.model import Model as Model
    from rnnkit.model import load as load
    from rnnkit.optimizer import Optimizer as Optimizer
    from rnnkit.params import ParamSpec as ParamSpec
    from rnnkit.schedule import Schedule as Schedule
    from rnnkit.signal import Signal as Signal
    from rnnkit.tokenizer import Tokenizer as Tokenizer

__version__ = VERSION

_HOMES = {
    "Cell": "cell",
    "Context": "context",
    "Dataset": "dataset",
    "GatedCell": "cell",
    "Layer": "layer",
    "Loss": "loss",
    "Model": "model",
    "Optimizer": "optimizer",
    "ParamSpec": "params",
    "Schedule": "schedule",
    "Signal": "signal",
    "StepCell": "cell",
    "Tokenizer": "tokenizer",
    "build": "api",
    "load": "model",
    "load_spec": "api",
    "sigmoid": "cell",
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
