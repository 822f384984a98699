"""rnnkit: recurrent networks from a JSON file.

The public names below load on first use, so that `import rnnkit` costs nothing. They are all that
is promised to stay, with `rnnkit.types`, `rnnkit.testing` and `rnnkit.compute.equations`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rnnkit.version import VERSION

if TYPE_CHECKING:  # the same table, for type checkers and editors
    from rnnkit.api import build as build
    from rnnkit.api import forecast as forecast
    from rnnkit.api import import_weights as import_weights
    from rnnkit.api import load_spec as load_spec
    from rnnkit.api import predict as predict
    from rnnkit.api import train as train
    from rnnkit.builtin.cells.gru import GRU as GRU
    from rnnkit.builtin.cells.gru_reset_before import GRUResetBefore as GRUResetBefore
    from rnnkit.builtin.cells.lstm import LSTM as LSTM
    from rnnkit.builtin.cells.rnn import RNN as RNN
    from rnnkit.builtin.datasets.arrays.arrays import Arrays as Arrays
    from rnnkit.builtin.datasets.pairs.pairs import Pairs as Pairs
    from rnnkit.builtin.datasets.series.series import Series as Series
    from rnnkit.builtin.datasets.synthetic.synthetic import Synthetic as Synthetic
    from rnnkit.builtin.datasets.tables.input_fields import Reads as Reads
    from rnnkit.builtin.datasets.tables.sequences import Sequences as Sequences
    from rnnkit.builtin.datasets.tables.target_fields import Predicts as Predicts
    from rnnkit.builtin.datasets.text.text import Text as Text
    from rnnkit.builtin.layers.affine import Affine as Affine
    from rnnkit.builtin.layers.attention import Attention as Attention
    from rnnkit.builtin.layers.bidirectional import Bidirectional as Bidirectional
    from rnnkit.builtin.layers.dropout import Dropout as Dropout
    from rnnkit.builtin.layers.embedding import Embedding as Embedding
    from rnnkit.builtin.layers.layer_norm import LayerNorm as LayerNorm
    from rnnkit.builtin.layers.one_hot import OneHot as OneHot
    from rnnkit.builtin.layers.residual import Residual as Residual
    from rnnkit.builtin.losses.binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
    from rnnkit.builtin.losses.huber import Huber as Huber
    from rnnkit.builtin.losses.mae import MAE as MAE
    from rnnkit.builtin.losses.mse import MSE as MSE
    from rnnkit.builtin.losses.quantile import Quantile as Quantile
    from rnnkit.builtin.losses.softmax_cross_entropy import (
        SoftmaxCrossEntropy as SoftmaxCrossEntropy,
    )
    from rnnkit.builtin.optimizers.adagrad import Adagrad as Adagrad
    from rnnkit.builtin.optimizers.adam import Adam as Adam
    from rnnkit.builtin.optimizers.adamw import AdamW as AdamW
    from rnnkit.builtin.optimizers.rmsprop import RMSProp as RMSProp
    from rnnkit.builtin.optimizers.sgd import SGD as SGD
    from rnnkit.builtin.schedules.constant import ConstantRate as ConstantRate
    from rnnkit.builtin.schedules.cosine import Cosine as Cosine
    from rnnkit.builtin.schedules.exponential import Exponential as Exponential
    from rnnkit.builtin.schedules.stall import Stall as Stall
    from rnnkit.builtin.schedules.step import StepDecay as StepDecay
    from rnnkit.builtin.tokenizers.byte import Byte as Byte
    from rnnkit.builtin.tokenizers.char import Char as Char
    from rnnkit.builtin.tokenizers.word import Word as Word
    from rnnkit.compute.equations.functions import sigmoid as sigmoid
    from rnnkit.compute.kernels.jit import kernels_available as kernels_available
    from rnnkit.contracts.cell import Cell as Cell
    from rnnkit.contracts.cell import GatedCell as GatedCell
    from rnnkit.contracts.cell import StepCell as StepCell
    from rnnkit.contracts.checked_layer import run_layer as run_layer
    from rnnkit.contracts.dataset import Batch as Batch
    from rnnkit.contracts.dataset import Dataset as Dataset
    from rnnkit.contracts.dataset import EncoderInputs as EncoderInputs
    from rnnkit.contracts.dataset import Layout as Layout
    from rnnkit.contracts.dataset import Source as Source
    from rnnkit.contracts.dataset import Split as Split
    from rnnkit.contracts.dataset import Units as Units
    from rnnkit.contracts.equation_cell import EquationCell as EquationCell
    from rnnkit.contracts.forecast_inputs import ForecastRequest as ForecastRequest
    from rnnkit.contracts.forecast_inputs import Outlook as Outlook
    from rnnkit.contracts.forecast_inputs import Past as Past
    from rnnkit.contracts.inference_inputs import Question as Question
    from rnnkit.contracts.inference_inputs import Questions as Questions
    from rnnkit.contracts.layer import Layer as Layer
    from rnnkit.contracts.layer import LayerBlock as LayerBlock
    from rnnkit.contracts.layer import gates_of as gates_of
    from rnnkit.contracts.layer import initial_rows as initial_rows
    from rnnkit.contracts.layer import prefixed as prefixed
    from rnnkit.contracts.layer import stopped_rows as stopped_rows
    from rnnkit.contracts.loss import Loss as Loss
    from rnnkit.contracts.optimizer import Optimizer as Optimizer
    from rnnkit.contracts.schedule import Moment as Moment
    from rnnkit.contracts.schedule import Schedule as Schedule
    from rnnkit.contracts.table import MemoryTable as MemoryTable
    from rnnkit.contracts.target_info import Meaning as Meaning
    from rnnkit.contracts.tokenizer import Tokenizer as Tokenizer
    from rnnkit.contracts.tokenizer import Vocabulary as Vocabulary
    from rnnkit.core.block import Rate as Rate
    from rnnkit.core.block import Size as Size
    from rnnkit.core.block import nested as nested
    from rnnkit.core.context import Context as Context
    from rnnkit.core.initializers import Constant as Constant
    from rnnkit.core.initializers import GateValues as GateValues
    from rnnkit.core.initializers import Glorot as Glorot
    from rnnkit.core.initializers import He as He
    from rnnkit.core.initializers import Identity as Identity
    from rnnkit.core.initializers import Normal as Normal
    from rnnkit.core.initializers import Orthogonal as Orthogonal
    from rnnkit.core.initializers import Uniform as Uniform
    from rnnkit.core.initializers import Zeros as Zeros
    from rnnkit.core.params import Declaration as Declaration
    from rnnkit.core.params import ParamSpec as ParamSpec
    from rnnkit.core.params import Shared as Shared
    from rnnkit.core.signal import Signal as Signal
    from rnnkit.errors import CheckpointError as CheckpointError
    from rnnkit.errors import DataError as DataError
    from rnnkit.errors import DivergedError as DivergedError
    from rnnkit.errors import InterruptedRun as InterruptedRun
    from rnnkit.errors import PluginError as PluginError
    from rnnkit.errors import RefusedError as RefusedError
    from rnnkit.errors import ResourceError as ResourceError
    from rnnkit.errors import RnnkitError as RnnkitError
    from rnnkit.errors import ShapeError as ShapeError
    from rnnkit.errors import SpecError as SpecError
    from rnnkit.errors import StorageError as StorageError
    from rnnkit.errors import ThresholdError as ThresholdError
    from rnnkit.inference.generate import Sampling as Sampling
    from rnnkit.inference.model import Model as Model
    from rnnkit.inference.model import load as load
    from rnnkit.inference.states import load_states as load_states
    from rnnkit.inference.states import save_states as save_states
    from rnnkit.inference.stream_state import StreamState as StreamState
    from rnnkit.spec.model import Best as Best
    from rnnkit.spec.model import Clip as Clip
    from rnnkit.spec.model import Evaluate as Evaluate
    from rnnkit.spec.model import Every as Every
    from rnnkit.spec.model import ModelSpec as ModelSpec
    from rnnkit.spec.model import PairSpec as PairSpec
    from rnnkit.spec.model import Spec as Spec
    from rnnkit.spec.model import StackSpec as StackSpec
    from rnnkit.spec.model import StateReset as StateReset
    from rnnkit.spec.model import Stop as Stop
    from rnnkit.spec.model import Sync as Sync
    from rnnkit.spec.model import Train as Train
    from rnnkit.spec.model import TrainingSample as TrainingSample
    from rnnkit.spec.regime import Feed as Feed
    from rnnkit.spec.regime import Ramp as Ramp
    from rnnkit.spec.regime import Truncation as Truncation
    from rnnkit.spec.start import Start as Start
    from rnnkit.training.reporter import Reporter as Reporter

__version__ = VERSION

_PUBLIC = {
    "api": ("build", "forecast", "import_weights", "load_spec", "predict", "train"),
    "builtin.datasets.arrays.arrays": ("Arrays",),
    "builtin.cells.gru": ("GRU",),
    "builtin.cells.gru_reset_before": ("GRUResetBefore",),
    "builtin.cells.lstm": ("LSTM",),
    "builtin.cells.rnn": ("RNN",),
    "builtin.datasets.pairs.pairs": ("Pairs",),
    "builtin.datasets.series.series": ("Series",),
    "builtin.datasets.synthetic.synthetic": ("Synthetic",),
    "builtin.datasets.tables.input_fields": ("Reads",),
    "builtin.datasets.tables.sequences": ("Sequences",),
    "builtin.datasets.tables.target_fields": ("Predicts",),
    "builtin.datasets.text.text": ("Text",),
    "builtin.layers.affine": ("Affine",),
    "builtin.layers.attention": ("Attention",),
    "builtin.layers.bidirectional": ("Bidirectional",),
    "builtin.layers.dropout": ("Dropout",),
    "builtin.layers.embedding": ("Embedding",),
    "builtin.layers.layer_norm": ("LayerNorm",),
    "builtin.layers.one_hot": ("OneHot",),
    "builtin.layers.residual": ("Residual",),
    "builtin.losses.binary_cross_entropy": ("BinaryCrossEntropy",),
    "builtin.losses.huber": ("Huber",),
    "builtin.losses.mae": ("MAE",),
    "builtin.losses.mse": ("MSE",),
    "builtin.losses.quantile": ("Quantile",),
    "builtin.losses.softmax_cross_entropy": ("SoftmaxCrossEntropy",),
    "builtin.optimizers.adagrad": ("Adagrad",),
    "builtin.optimizers.adam": ("Adam",),
    "builtin.optimizers.adamw": ("AdamW",),
    "builtin.optimizers.rmsprop": ("RMSProp",),
    "builtin.optimizers.sgd": ("SGD",),
    "builtin.schedules.constant": ("ConstantRate",),
    "builtin.schedules.cosine": ("Cosine",),
    "builtin.schedules.exponential": ("Exponential",),
    "builtin.schedules.stall": ("Stall",),
    "builtin.schedules.step": ("StepDecay",),
    "builtin.tokenizers.byte": ("Byte",),
    "builtin.tokenizers.char": ("Char",),
    "builtin.tokenizers.word": ("Word",),
    "compute.equations.functions": ("sigmoid",),
    "compute.kernels.jit": ("kernels_available",),
    "contracts.cell": ("Cell", "GatedCell", "StepCell"),
    "contracts.checked_layer": ("run_layer",),
    "contracts.equation_cell": ("EquationCell",),
    "contracts.dataset": (
        "Batch",
        "Dataset",
        "EncoderInputs",
        "Layout",
        "Source",
        "Split",
        "Units",
    ),
    "contracts.forecast_inputs": ("ForecastRequest", "Outlook", "Past"),
    "contracts.inference_inputs": ("Question", "Questions"),
    "contracts.layer": (
        "Layer",
        "LayerBlock",
        "gates_of",
        "initial_rows",
        "prefixed",
        "stopped_rows",
    ),
    "contracts.loss": ("Loss",),
    "contracts.optimizer": ("Optimizer",),
    "contracts.schedule": ("Moment", "Schedule"),
    "contracts.table": ("MemoryTable",),
    "contracts.target_info": ("Meaning",),
    "contracts.tokenizer": ("Tokenizer", "Vocabulary"),
    "core.block": ("Rate", "Size", "nested"),
    "core.context": ("Context",),
    "core.initializers": (
        "Constant",
        "GateValues",
        "Glorot",
        "He",
        "Identity",
        "Normal",
        "Orthogonal",
        "Uniform",
        "Zeros",
    ),
    "core.params": ("Declaration", "ParamSpec", "Shared"),
    "core.signal": ("Signal",),
    "errors": (
        "CheckpointError",
        "DataError",
        "DivergedError",
        "InterruptedRun",
        "PluginError",
        "RefusedError",
        "ResourceError",
        "RnnkitError",
        "ShapeError",
        "SpecError",
        "StorageError",
        "ThresholdError",
    ),
    "inference.generate": ("Sampling",),
    "inference.model": ("Model", "load"),
    "inference.states": ("load_states", "save_states"),
    "inference.stream_state": ("StreamState",),
    "spec.model": (
        "Best",
        "Clip",
        "Evaluate",
        "Every",
        "ModelSpec",
        "PairSpec",
        "Spec",
        "StackSpec",
        "StateReset",
        "Stop",
        "Sync",
        "Train",
        "TrainingSample",
    ),
    "spec.regime": ("Feed", "Ramp", "Truncation"),
    "spec.start": ("Start",),
    "training.reporter": ("Reporter",),
}
"""The public names by the module that has them."""

_HOMES = {name: module for module, names in _PUBLIC.items() for name in names}

if not TYPE_CHECKING:  # which read `from rnnkit import *` off the imports above
    __all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"rnnkit has no {name!r}")
    return getattr(importlib.import_module(f"rnnkit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
