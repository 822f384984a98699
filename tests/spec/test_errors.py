"""Every wrong spec: the whole message, its place, and all of them in one pass."""
# ruff: noqa: E501 - a message is one line

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

import pytest
from helpers import command
from pydantic import model_validator

from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.registry import Plugin, Registry, installed
from rnnkit.contracts.stack import layer_names, signals
from rnnkit.core.params import Declaration
from rnnkit.core.signal import Signal
from rnnkit.errors import PluginError, RnnkitError, ShapeError, SpecError
from rnnkit.spec.read import Document, parse_spec
from rnnkit.spec.stack_check import _may_agree

BASE = """\
{
  "name": "tiny",
  "data": {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}},
  "model": {
    "layers": [
      {"type": "embedding", "units": 16},
      {"type": "lstm", "units": 32},
      {"type": "dropout", "rate": 0.2},
      {"type": "affine"}
    ],
    "loss": {"type": "softmax_cross_entropy"}
  },
  "train": {
    "epochs": 2,
    "optimizer": {"type": "adam", "lr": 0.002},
    "clip": {"norm": 5.0},
    "every": {"log": 100, "evaluate": "epoch"}
  }
}
"""

OWN = tuple(plugin for plugin in installed() if plugin.distribution == "rnnkit")

CASES = [
    ('"units": 32', '"units": "32"', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received "32" (remove the quotes)'),
    ('"units": 32', '"units": 32.0', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received 32.0 (write 32)'),
    ('"log": 100', '"log": 1e12', 'spec.json:17:22 [SPEC_TYPE] train.every.log: expected an integer >= 1 or "epoch", received 1e12 (write 1000000000000)'),
    ('"source": "python-docs"', '"source": "python-docs", "split": [0.8, "x", 0.1]', 'spec.json:3:68 [SPEC_TYPE] data.split[1]: expected a number from 0 to 1, received "x"'),
    ('"units": 32', '"units": 1e3', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received 1e3 (write 1000)'),
    ('"units": 32', '"units": true', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received true'),
    ('"units": 32', '"units": null', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received null'),
    ('"units": 32', '"units": 0', 'spec.json:7:33 [SPEC_RANGE] model.layers[1].units: expected an integer from 1 to 65536, received 0'),
    ('"units": 32', '"units": -1', 'spec.json:7:33 [SPEC_RANGE] model.layers[1].units: expected an integer from 1 to 65536, received -1'),
    ('"units": 32', '"units": 65537', 'spec.json:7:33 [SPEC_RANGE] model.layers[1].units: expected an integer from 1 to 65536, received 65537'),
    ('"units": 32', '"units": 1000000000000', 'spec.json:7:33 [SPEC_RANGE] model.layers[1].units: expected an integer from 1 to 65536, received 1000000000000'),
    ('"units": 32', '"units": [32]', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received a list of 1 item'),
    ('"units": 32', '"units": {}', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received an object'),
    ('"units": 32', '"units": 32.5', 'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received 32.5'),
    ('"units": 32', '"unit": 32', 'spec.json:7:24 [SPEC_UNKNOWN_KEY] model.layers[1].unit: unknown key; did you mean "units"? allowed: forget_bias, init, name, type, units'),
    ('"units": 32', '"Units": 32', 'spec.json:7:24 [SPEC_UNKNOWN_KEY] model.layers[1].Units: unknown key; did you mean "units"? allowed: forget_bias, init, name, type, units'),
    ('"units": 32', '"units": 32, "dropout_rate": 0.5', 'spec.json:7:37 [SPEC_UNKNOWN_KEY] model.layers[1].dropout_rate: unknown key; allowed: forget_bias, init, name, type, units'),
    (', "units": 32', '', 'spec.json:7:7 [SPEC_MISSING_KEY] model.layers[1].units: missing; expected an integer from 1 to 65536'),
    ('"units": 32', '"units": 32, "name": "../x"', 'spec.json:7:45 [SPEC_NAME] model.layers[1].name: expected a name (a letter, then up to 63 letters, digits, "_" or "-"), received "../x"'),
    ('"units": 32', '"units": 32, "name": "ok\\n"', 'spec.json:7:45 [SPEC_NAME] model.layers[1].name: expected a name (a letter, then up to 63 letters, digits, "_" or "-"), received "ok\\n"'),
    ('"units": 32', '"units": 32, "name": 3', 'spec.json:7:45 [SPEC_TYPE] model.layers[1].name: expected a name (a letter, then up to 63 letters, digits, "_" or "-"), received 3'),
    ('"units": 32', '"units": 32, "forget_bias": 1000', 'spec.json:7:52 [SPEC_RANGE] model.layers[1].forget_bias: expected a number from -100 to 100, received 1000'),
    ('"lstm"', '"lsmt"', "spec.json:7:16 [PLUGIN_NOT_FOUND] model.layers[1].type: no installed distribution provides the layer 'lsmt'; did you mean 'lstm'? installed: <layers>"),
    ('"lstm"', '"os:system"', 'spec.json:7:16 [SPEC_NAME] model.layers[1].type: expected a type name (lower-case letters, digits and "_"), received "os:system"'),
    ('"lstm"', '"lstм"', 'spec.json:7:16 [SPEC_NAME] model.layers[1].type: expected a type name (lower-case letters, digits and "_"), received "lst\\u043c" (did you mean "lstm"?)'),
    ('"lstm"', '"LSTM"', 'spec.json:7:16 [SPEC_NAME] model.layers[1].type: expected a type name (lower-case letters, digits and "_"), received "LSTM" (did you mean "lstm"?)'),
    ('"type": "lstm", ', '', 'spec.json:7:7 [SPEC_MISSING_KEY] model.layers[1].type: missing; expected one of <layers>'),
    ('"type": "lstm"', '"type": 7', 'spec.json:7:16 [SPEC_TYPE] model.layers[1].type: expected one of <layers>, received 7'),
    ('{"type": "lstm", "units": 32}', '"lstm"', 'spec.json:7:7 [SPEC_TYPE] model.layers[1]: expected an object with a "type", received "lstm" (write {"type": "lstm"})'),
    ('{"type": "lstm", "units": 32}', '[]', 'spec.json:7:7 [SPEC_TYPE] model.layers[1]: expected an object with a "type", received a list of 0 items'),
    ('{"type": "lstm", "units": 32}', '{"type": "residual", "layer": {"type": "lstm", "units": 0}}', 'spec.json:7:63 [SPEC_RANGE] model.layers[1].layer.units: expected an integer from 1 to 65536, received 0'),
    ('{"type": "lstm", "units": 32}', '{"type": "bidirectional", "layer": {"type": "gruu", "units": 3}}', "spec.json:7:51 [PLUGIN_NOT_FOUND] model.layers[1].layer.type: no installed distribution provides the layer 'gruu'; did you mean 'gru'? installed: <layers>"),
    ('"units": 32', '"units": 32, "init": {"Wx": {"type": "normal", "std": 0}}', 'spec.json:7:78 [SPEC_RANGE] model.layers[1].init.Wx.std: expected a number > 0 and <= 1000000, received 0'),
    ('"units": 32', '"units": 32, "init": {"Wx": {"type": "norml"}}', 'spec.json:7:61 [SPEC_RANGE] model.layers[1].init.Wx.type: expected "glorot", "he", "orthogonal", "identity", "uniform", "normal", "zeros", "constant" or "vectors", received "norml" (did you mean "normal"?)'),
    ('"units": 32', '"units": 32, "init": {"Wx": {"std": 0.1}}', 'spec.json:7:52 [SPEC_MISSING_KEY] model.layers[1].init.Wx.type: missing; expected "glorot", "he", "orthogonal", "identity", "uniform", "normal", "zeros", "constant" or "vectors"'),
    ('"units": 32', '"units": 32, "init": {"Wx": 0.1}', 'spec.json:7:52 [SPEC_TYPE] model.layers[1].init.Wx: expected an object, received 0.1'),
    ('"units": 32', '"units": 32, "init": {"b": {"type": "orthogonal"}}', "spec.json:7:51 [SPEC_SHAPE] model.layers[1].init.b: init gives b the start 'orthogonal', which is one of matrices, but b is a vector (leave it out, or take another)"),
    ('"units": 32', '"units": 32, "init": {"W": {"type": "zeros"}}', "spec.json:7:51 [SPEC_SHAPE] model.layers[1].init.W: init names 'W', which is no parameter of this layer (it has Wx, Wh, b)"),
    ('"units": 32', '"units": 32, "init": []', 'spec.json:7:45 [SPEC_TYPE] model.layers[1].init: expected an object, received a list of 0 items'),
    ('"units": 32', '"units": 32, "init": {"Wx": {"type": 1}}', 'spec.json:7:61 [SPEC_TYPE] model.layers[1].init.Wx.type: expected "glorot", "he", "orthogonal", "identity", "uniform", "normal", "zeros", "constant" or "vectors", received 1'),
    ('"rate": 0.2', '"rate": 1.0', 'spec.json:8:35 [SPEC_RANGE] model.layers[2].rate: expected a number >= 0 and < 1, received 1.0'),
    ('"rate": 0.2', '"rate": -0.5', 'spec.json:8:35 [SPEC_RANGE] model.layers[2].rate: expected a number >= 0 and < 1, received -0.5'),
    ('"rate": 0.2', '"rate": "high"', 'spec.json:8:35 [SPEC_TYPE] model.layers[2].rate: expected a number >= 0 and < 1, received "high"'),
    ('"epochs": 2', '"epochs": "007"', 'spec.json:14:15 [SPEC_TYPE] train.epochs: expected an integer from 1 to 1000000, received "007" (write 7)'),
    ('0.002', '"0.002"', 'spec.json:15:41 [SPEC_TYPE] train.optimizer.lr: expected a number > 0 and <= 10000, received "0.002" (remove the quotes)'),
    ('0.002', '0', 'spec.json:15:41 [SPEC_RANGE] train.optimizer.lr: expected a number > 0 and <= 10000, received 0'),
    ('0.002', '-0.0', 'spec.json:15:41 [SPEC_RANGE] train.optimizer.lr: expected a number > 0 and <= 10000, received -0.0'),
    ('0.002', 'NaN', 'spec.json:15:41 [SPEC_NONFINITE] train.optimizer.lr: expected a finite number, received NaN'),
    ('0.002', '-Infinity', 'spec.json:15:41 [SPEC_NONFINITE] train.optimizer.lr: expected a finite number, received -Infinity'),
    ('0.002', '1e400', 'spec.json:15:41 [SPEC_NONFINITE] train.optimizer.lr: 1e400 overflows (the largest number is about 1.8e308)'),
    ('0.002', '1e-400', 'spec.json:15:41 [SPEC_UNDERFLOW] train.optimizer.lr: 1e-400 would become 0 (the smallest number is about 4.9e-324)'),
    ('0.002', '20000', 'spec.json:15:41 [SPEC_RANGE] train.optimizer.lr: expected a number > 0 and <= 10000, received 20000'),
    ('0.002', '"nan"', 'spec.json:15:41 [SPEC_TYPE] train.optimizer.lr: expected a number > 0 and <= 10000, received "nan"'),
    ('"epochs": 2', '"epochs": 999999999999999999999', 'spec.json:14:15 [SPEC_INT_TOO_LONG] train.epochs: an integer of 21 digits, limit 20'),
    ('"epochs": 2', '"epochs": 10000000', 'spec.json:14:15 [SPEC_RANGE] train.epochs: expected an integer from 1 to 1000000, received 10000000'),
    ('"epochs": 2', '"epochs": false', 'spec.json:14:15 [SPEC_TYPE] train.epochs: expected an integer from 1 to 1000000, received false'),
    ('"epochs": 2,', '', 'spec.json:13:12 [SPEC_MISSING_KEY] train.epochs: missing; expected an integer from 1 to 1000000'),
    ('"log": 100', '"log": 0', 'spec.json:17:22 [SPEC_RANGE] train.every.log: expected an integer >= 1 or "epoch", received 0'),
    ('"log": 100', '"log": "epochs"', 'spec.json:17:22 [SPEC_RANGE] train.every.log: expected an integer >= 1 or "epoch", received "epochs" (did you mean "epoch"?)'),
    ('"log": 100', '"log": "100"', 'spec.json:17:22 [SPEC_RANGE] train.every.log: expected an integer >= 1 or "epoch", received "100" (remove the quotes)'),
    ('"log": 100', '"log": null', 'spec.json:17:22 [SPEC_TYPE] train.every.log: expected an integer >= 1 or "epoch", received null (leave the key out to take the default)'),
    ('"log": 100', '"log": 2.5', 'spec.json:17:22 [SPEC_TYPE] train.every.log: expected an integer >= 1 or "epoch", received 2.5'),
    ('{"norm": 5.0}', '{"norm": 5.0, "value": 1.0}', 'spec.json:16:13 [SPEC_INCONSISTENT] train.clip: give "norm" or "value", not both (or leave "clip" out)'),
    ('{"norm": 5.0}', '{}', 'spec.json:16:13 [SPEC_INCONSISTENT] train.clip: give "norm" or "value", not both (or leave "clip" out)'),
    ('{"norm": 5.0}', '5.0', 'spec.json:16:13 [SPEC_TYPE] train.clip: expected an object, received 5.0 (write {"norm": 5.0})'),
    ('{"norm": 5.0}', '{"norm": 0}', 'spec.json:16:22 [SPEC_RANGE] train.clip.norm: expected a number > 0, received 0'),
    ('"epochs": 2', '"epochs": 2, "state": {"reset": "document"}', 'spec.json:14:27 [SPEC_INCONSISTENT] train.state: "reset": "document" and "separator" need each other'),
    ('"epochs": 2', '"epochs": 2, "state": {"reset": "epochs"}', 'spec.json:14:37 [SPEC_RANGE] train.state.reset: expected "window", "epoch", "never" or "document", received "epochs" (did you mean "epoch"?)'),
    ('"epochs": 2', '"epochs": 2, "seed": 18446744073709551616', 'spec.json:14:26 [SPEC_RANGE] train.seed: expected an integer from 0 to 9223372036854775807, received 18446744073709551616'),
    ('"epochs": 2', '"epochs": 2, "seed": -1', 'spec.json:14:26 [SPEC_RANGE] train.seed: expected an integer >= 0, received -1'),
    ('"epochs": 2', '"epochs": 2, "seed": 9007199254740993.0', 'spec.json:14:26 [SPEC_TYPE] train.seed: expected an integer >= 0, received 9007199254740993.0'),
    ('"epochs": 2', '"epochs": 2, "best": {"metric": "accuracy"}', 'spec.json:14:37 [SPEC_NAME] train.best.metric: expected a metric of the validation split, such as "valid_loss", received "accuracy"'),
    ('"epochs": 2', '"epochs": 2, "epochs": 3', 'spec.json:14:18 [SPEC_DUPLICATE_KEY] train.epochs: key given twice, first at 14:5 (keep one)'),
    ('"epochs": 2', '"epochs": 2, "\\u0065pochs": 3', 'spec.json:14:18 [SPEC_DUPLICATE_KEY] train.epochs: key given twice, first at 14:5 (keep one)'),
    ('"name": "tiny"', '"name": "{0.__class__}"', 'spec.json:2:11 [SPEC_NAME] name: expected a name (a letter, then up to 63 letters, digits, "_" or "-"), received "{0.__class__}"'),
    ('"name": "tiny"', '"name": "\\ud800"', 'spec.json:2:11 [SPEC_SURROGATE] name: half of a surrogate pair is no character (write both halves, or neither)'),
    ('"name": "tiny"', '"name": "a\\u0000b"', 'spec.json:2:11 [SPEC_NUL] name: the character \\u0000 is not allowed'),
    ('"name": "tiny"', '"spec_version": 2', 'spec.json:2:19 [SPEC_VERSION] spec_version: expected 1, received 2 (update rnnkit)'),
    ('"name": "tiny"', '"spec_version": "1"', 'spec.json:2:19 [SPEC_TYPE] spec_version: expected 1, received "1" (remove the quotes)'),
    ('"name": "tiny"', '"nmae": "tiny"', 'spec.json:2:3 [SPEC_UNKNOWN_KEY] nmae: unknown key; did you mean "name"? allowed: data, evaluate, model, name, spec_version, train'),
    ('"name": "tiny"', '"name": ""', 'spec.json:2:11 [SPEC_NAME] name: expected a name (a letter, then up to 63 letters, digits, "_" or "-"), received ""'),
    ('"source": "python-docs"', '"source": "wikipedia"', 'spec.json:3:38 [SPEC_RANGE] data.source: expected "python-docs" or "python-prose", received "wikipedia"'),
    ('"source": "python-docs"', '"source": "python-docs", "path": "a.txt"', 'spec.json:3:11 [SPEC_INCONSISTENT] data: give one of "source", "path" or "train", not source and path'),
    ('"source": "python-docs"', '"source": "python-docs", "split": [0.9, 0.1]', 'spec.json:3:62 [SPEC_RANGE] data.split: expected a list of 3 items, received a list of 2 items'),
    ('"source": "python-docs"', '"source": "python-docs", "split": [0.9, 0.1, 0.1]', 'spec.json:3:11 [SPEC_INCONSISTENT] data: "split" must sum to 1, received [0.9, 0.1, 0.1]'),
    ('"source": "python-docs"', '"source": "python-docs", "split": [0.9, 0.1, 0, 0]', 'spec.json:3:62 [SPEC_RANGE] data.split: expected a list of 3 items, received a list of 4 items'),
    ('"source": "python-docs"', '"path": 3', 'spec.json:3:36 [SPEC_TYPE] data.path: expected a string of 1 to 4096 characters or a list of at least 1 item, received 3 (put it in quotes)'),
    ('"source": "python-docs"', '"path": ""', 'spec.json:3:36 [SPEC_RANGE] data.path: expected a string of 1 to 4096 characters or a list of at least 1 item, received ""'),
    ('{"type": "char"}', '{"type": "chars"}', "spec.json:3:75 [PLUGIN_NOT_FOUND] data.tokenizer.type: no installed distribution provides the tokenizer 'chars'; did you mean 'char'? installed: <tokenizers>"),
    ('{"type": "char"}', '"char"', 'spec.json:3:66 [SPEC_TYPE] data.tokenizer: expected an object with a "type", received "char" (write {"type": "char"})'),
    ('{"type": "embedding", "units": 16}', '{"type": "lstm", "units": 16}', 'spec.json:6:7 [SPEC_SHAPE] model.layers[0]: reads values, but receives token ids (put an embedding or one_hot layer before it)'),
    ('{"type": "dropout", "rate": 0.2}', '{"type": "affine"}', 'spec.json:8:7 [SPEC_SHAPE] model.layers[2]: only the last layer takes its width from the data (add "units")'),
    ('{"type": "dropout", "rate": 0.2}', '{"type": "embedding", "units": 4}', 'spec.json:8:7 [SPEC_SHAPE] model.layers[2]: reads token ids, but receives values of width 32 (it belongs directly above the data)'),
    ('{"type": "dropout", "rate": 0.2}', '{"type": "residual", "layer": {"type": "rnn", "units": 3}}', 'spec.json:8:7 [SPEC_SHAPE] model.layers[2]: adds its inputs to its outputs, but receives values of width 32 and gives values of width 3 (the two widths must be equal)'),
    ('{"type": "dropout", "rate": 0.2}', '{"type": "bidirectional", "layer": {"type": "rnn", "units": 3}}', 'spec.json:8:7 [SPEC_INCONSISTENT] model.layers[2]: reads later inputs, and so the very token it is to predict (remove it)'),
    ('{"type": "affine"}', '{"type": "affine", "tie": "table"}', 'spec.json:9:33 [SPEC_INCONSISTENT] model.layers[3].tie: no earlier layer has the name "table" (give it one: "name")'),
    ('      {"type": "affine"}\n', '      {"type": "one_hot"}\n', 'spec.json:9:7 [SPEC_SHAPE] model.layers[3]: reads token ids, but receives values of width 32 (it belongs directly above the data)'),
    ('{"type": "affine"}', '{"type": "affine", "bias": 1}', 'spec.json:9:34 [SPEC_TYPE] model.layers[3].bias: expected true or false, received 1'),
    ('{"type": "affine"}', '{"type": "affine", "bias": "yes"}', 'spec.json:9:34 [SPEC_TYPE] model.layers[3].bias: expected true or false, received "yes"'),
    ('{"type": "affine"}', '{"type": "affine", "bias": "true"}', 'spec.json:9:34 [SPEC_TYPE] model.layers[3].bias: expected true or false, received "true" (remove the quotes)'),
    ('"softmax_cross_entropy"', '"softmax"', "spec.json:11:22 [PLUGIN_NOT_FOUND] model.loss.type: no installed distribution provides the loss 'softmax'; did you mean 'softmax_cross_entropy'? installed: <losses>"),
    ('"softmax_cross_entropy"}', '"softmax_cross_entropy", "reduction": "sum"}', 'spec.json:11:60 [SPEC_RANGE] model.loss.reduction: expected "mean" or "sum_time", received "sum"'),
    ('"adam"', '"adma"', "spec.json:15:27 [PLUGIN_NOT_FOUND] train.optimizer.type: no installed distribution provides the optimizer 'adma'; did you mean 'adam'? installed: <optimizers>"),
]  # fmt: skip

MANY = [
    (
        [
            ('"units": 32', '"units": "32"'),
            ('"rate": 0.2', '"rat": 0.2'),
            ('"adam"', '"adma"'),
            ("0.002", "NaN"),
            ('"log": 100', '"log": 0'),
            ('"epochs": 2,', ""),
            ('"name": "tiny"', '"name": "tiny", "name": "t"'),
        ],
        [
            "spec.json:2:19 [SPEC_DUPLICATE_KEY] name: key given twice, first at 2:3 (keep one)",
            'spec.json:7:33 [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received "32" (remove the quotes)',
            'spec.json:8:27 [SPEC_UNKNOWN_KEY] model.layers[2].rat: unknown key; did you mean "rate"? allowed: init, locked, name, rate, type',
            "spec.json:13:12 [SPEC_MISSING_KEY] train.epochs: missing; expected an integer from 1 to 1000000",
            "spec.json:15:27 [PLUGIN_NOT_FOUND] train.optimizer.type: no installed distribution provides the optimizer 'adma'; did you mean 'adam'? installed: <optimizers>",
            "spec.json:15:41 [SPEC_NONFINITE] train.optimizer.lr: expected a finite number, received NaN",
            'spec.json:17:22 [SPEC_RANGE] train.every.log: expected an integer >= 1 or "epoch", received 0',
        ],
    ),
    (
        [
            ('{"type": "embedding", "units": 16}', '{"type": "lstm", "units": 16}'),
            ('{"type": "dropout", "rate": 0.2}', '{"type": "one_hot"}'),
            ('{"type": "affine"}', '{"type": "affine", "tie": "x"}'),
            ('{"norm": 5.0}', "{}"),
            (
                '"units": 32',
                '"units": 32, "init": {"Wy": {"type": "zeros"}, "Wx": {"type": "normal"}}',
            ),
        ],
        [
            "spec.json:6:7 [SPEC_SHAPE] model.layers[0]: reads values, but receives token ids (put an embedding or one_hot layer before it)",
            "spec.json:7:77 [SPEC_MISSING_KEY] model.layers[1].init.Wx.std: missing; expected a number > 0 and <= 1000000",
            'spec.json:9:33 [SPEC_INCONSISTENT] model.layers[3].tie: no earlier layer has the name "x" (give it one: "name")',
            'spec.json:16:13 [SPEC_INCONSISTENT] train.clip: give "norm" or "value", not both (or leave "clip" out)',
        ],
    ),
    (
        [
            ('"units": 16', '"units": 0'),
            ('{"type": "lstm", "units": 32}', '{"type": "affine"}'),
            (
                '{"type": "dropout", "rate": 0.2}',
                '{"type": "residual", "layer": {"type": "gru", "units": 16}}',
            ),
            ('"softmax_cross_entropy"', '"mse", "reduction": "median"'),
        ],
        [
            "spec.json:6:38 [SPEC_RANGE] model.layers[0].units: expected an integer from 1 to 65536, received 0",
            'spec.json:7:7 [SPEC_SHAPE] model.layers[1]: only the last layer takes its width from the data (add "units")',
            'spec.json:11:42 [SPEC_RANGE] model.loss.reduction: expected "mean" or "sum_time", received "median" (did you mean "mean"?)',
        ],
    ),
    (
        [('"lstm"', '"lsmt"'), ('"char"', '"chr"'), ('"adam"', '"adma"')],
        [
            "spec.json:3:75 [PLUGIN_NOT_FOUND] data.tokenizer.type: no installed distribution provides the tokenizer 'chr'; did you mean 'char'? installed: <tokenizers>",
            "spec.json:7:16 [PLUGIN_NOT_FOUND] model.layers[1].type: no installed distribution provides the layer 'lsmt'; did you mean 'lstm'? installed: <layers>",
            "spec.json:15:27 [PLUGIN_NOT_FOUND] train.optimizer.type: no installed distribution provides the optimizer 'adma'; did you mean 'adam'? installed: <optimizers>",
        ],
    ),
    (
        [
            ('"units": 16', '"units": 16, "name": "a"'),
            ('"units": 32', '"units": 32, "name": "a"'),
            ('"rate": 0.2', '"rate": 0.2, "name": "a"'),
            ('{"type": "affine"}', '{"type": "affine", "tie": "a"}'),
        ],
        [
            'spec.json:7:45 [SPEC_INCONSISTENT] model.layers[1].name: "a" is also the name of model.layers[0] (names are unique)',
            'spec.json:8:48 [SPEC_INCONSISTENT] model.layers[2].name: "a" is also the name of model.layers[0] (names are unique)',
            'spec.json:9:33 [SPEC_INCONSISTENT] model.layers[3].tie: "a" gives values of width 16, but this layer receives values of width 32 (a shared table needs equal widths)',
        ],
    ),
    (
        [
            ('"rate": 0.2', '"rate": 0.2}, {"type": "affine", "units": 12, "name": "a"'),
            (
                '{"type": "affine"}',
                '{"type": "affine", "tie": "a", "units": 7}, {"type": "affine"}',
            ),
        ],
        [
            "spec.json:9:33 [SPEC_INCONSISTENT] model.layers[4].tie: shares a/W and needs it of shape 7x12, but it is 32x12 (leave the tie out)",
        ],
    ),
    (
        [
            ('"units": 16', '"units": 16, "name": "a"'),
            ('"units": 32', '"units": 16'),
            (
                '{"type": "affine"}',
                '{"type": "residual", "layer": {"type": "affine", "units": 16, "tie": "b"}}, {"type": "affine"}',
            ),
        ],
        [
            'spec.json:9:76 [SPEC_INCONSISTENT] model.layers[3].layer.tie: no earlier layer has the name "b" (there are "a")',
        ],
    ),
    (
        [
            ('"units": 16', '"units": 16'),
            ('"units": 32', '"units": 32, "name": "cell"'),
            ('{"type": "affine"}', '{"type": "affine", "tie": "cell"}'),
        ],
        [
            'spec.json:9:33 [SPEC_INCONSISTENT] model.layers[3].tie: "cell" (lstm) has no parameter W'
        ],
    ),
    (
        [
            ('"source": "python-docs"', '"sorce": "python-docs"'),
            ('"model"', '"modle"'),
            ('"epochs": 2', '"epochs": 2, "stop": {"patience": 0}, "best": {"mode": "low"}'),
        ],
        [
            'spec.json:3:28 [SPEC_UNKNOWN_KEY] data.sorce: unknown key; did you mean "source"? allowed: limit, path, source, split, test, tokenizer, train, type, valid',
            'spec.json:4:3 [SPEC_UNKNOWN_KEY] modle: unknown key; did you mean "model"? allowed: data, evaluate, model, name, spec_version, train',
            "spec.json:14:39 [SPEC_RANGE] train.stop.patience: expected an integer from 1 to 1000000, received 0",
            'spec.json:14:60 [SPEC_RANGE] train.best.mode: expected "min" or "max", received "low"',
        ],
    ),
    (
        [('"epoch"}', 'null}, "stop": {"patience": 3}')],
        [
            'spec.json:13:12 [SPEC_INCONSISTENT] train: "stop" needs evaluations, but "evaluate" is null in "every"'
        ],
    ),
    (
        [('"epoch"}', 'null}, "schedule": {"type": "stall"}')],
        [
            'spec.json:13:12 [SPEC_INCONSISTENT] train: the schedule "stall" needs evaluations, but "evaluate" is null in "every"'
        ],
    ),
]


def edited(*edits: tuple[str, str]) -> bytes:
    text = BASE
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text.encode()


def parse(data: bytes, *plugins: Plugin) -> Document:
    return parse_spec(data, "spec.json", Registry([*OWN, *plugins]))


def problems(data: bytes, *plugins: Plugin) -> list[str]:
    with pytest.raises(RnnkitError) as caught:
        parse(data, *plugins)
    codes = {problem.code for problem in caught.value.problems}
    only_plugins = all(code.startswith("PLUGIN_") for code in codes)
    assert type(caught.value) is (PluginError if only_plugins else SpecError)
    return str(caught.value).splitlines()


def filled(message: str) -> str:
    """Put in the names that are installed, which grow with the project."""
    for group in ("layers", "losses", "optimizers", "tokenizers"):
        names = Registry(OWN).names(f"rnnkit.{group}")
        message = message.replace(f"<{group}>", ", ".join(names))
    return message


def test_the_base_is_valid() -> None:
    document = parse(BASE.encode())
    layers = document.spec.model.layers
    assert document.source == BASE.encode()
    assert layer_names(layers) == ("0.embedding", "1.lstm", "2.dropout", "3.affine")
    flow = signals(layers, Signal(99, ids=True))
    assert [signal.width for signal in flow] == [99, 16, 32, 32, None]


def test_notes_are_left_out() -> None:
    notes = '"$schema": "x", "$comment": [1], "x-lr": {"tried": 0.1}, '
    plain = parse(BASE.encode()).spec
    assert parse(BASE.replace('"type"', notes + '"type"').encode()).spec == plain


@pytest.mark.parametrize(("old", "new", "message"), CASES)
def test_one_error(old: str, new: str, message: str) -> None:
    assert problems(edited((old, new))) == [filled(message)]


@pytest.mark.parametrize(("edits", "messages"), MANY, ids=range(len(MANY)))
def test_all_errors_in_one_pass(edits: list[tuple[str, str]], messages: list[str]) -> None:
    assert problems(edited(*edits)) == [filled(message) for message in messages]


def test_a_syntax_error_is_reported_alone() -> None:
    assert problems(edited(('"units": 32', '"units": "32",'), ("0.002", "0"))) == [
        'spec.json:7:37 [SPEC_SYNTAX] remove the comma before "}"'
    ]


def test_a_hundred_errors_are_shown() -> None:
    keys = ", ".join(f'"k{i}": 0' for i in range(300))
    found = problems(edited(('"units": 32', f'"units": 32, {keys}')))
    assert len(found) == 101
    assert found[-1] == "spec.json [SPEC_MORE] there are more errors than the 100 above"


def test_a_file_name_cannot_fool_the_terminal() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(b"", "a\x1b[31m\n.json", Registry(OWN))
    assert str(caught.value) == "a\\x1b[31m\\n.json:1:1 [SPEC_SYNTAX] the file is empty"


def test_a_later_problem_has_its_place() -> None:
    document = parse_spec(BASE.encode(), "spec.json", Registry(OWN), ["train.streams=9"])
    later = [
        SpecError.at(("train", "streams"), "SPEC_INCONSISTENT", "too many"),
        SpecError.at(("model", "layers", 3, "units"), "SPEC_SHAPE", "too wide"),
        SpecError.of("SPEC_METRIC", "elsewhere", "other.json"),
    ]
    with pytest.raises(SpecError) as raised, document.placing():
        raise SpecError(*(error.problems[0] for error in later))
    assert str(raised.value).splitlines() == [
        "-s train.streams=9 [SPEC_INCONSISTENT] train.streams: too many",
        "spec.json:9:7 [SPEC_SHAPE] model.layers[3].units: too wide",
        "other.json [SPEC_METRIC] elsewhere",
    ]


DATA_SHAPES = {
    "a last width": (
        {"type": "affine", "units": 7},
        "4 [SPEC_SHAPE] model.loss: needs one logit for each of the 3 target classes, but receives ",
    ),
    "a tie": (
        {"type": "affine", "tie": "table"},
        "3 [SPEC_SHAPE] model.layers[2]: shares table/W and needs it of shape 3x8, but it is 6x8 (",
    ),
    "weights": (
        {"type": "affine"},
        "4 [SPEC_CLASS_WEIGHTS] model.loss.class_weights: there is no label 'zz' (there are 'p', ",
    ),
}


@pytest.mark.parametrize("case", DATA_SHAPES)
@pytest.mark.parametrize("way", [("check", "--data"), ("explain",), ("run",)])
def test_what_only_the_data_shows_is_wrong_has_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, way: tuple[str, ...]
) -> None:
    last, said = DATA_SHAPES[case]
    rows = [{"x": list("abcdef"), "y": label} for label in "pqr"] * 4
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = {"type": "sequences", "path": "rows.jsonl", "split": [1, 0, 0]}
    data |= {"inputs": {"kind": "tokens", "key": "x"}, "targets": {"kind": "class", "key": "y"}}
    weights = {"class_weights": {"zz": 2}} if case == "weights" else {}
    head, train = (
        json.dumps({"data": data})[:-1],
        '{"epochs": 1, "optimizer": {"type": "sgd", "lr": 0.1}}',
    )
    layers = '{"type": "embedding", "units": 8, "name": "table"}, {"type": "rnn", "units": 8},'
    loss = json.dumps({"type": "softmax_cross_entropy", **weights})
    lines = [f'{head}, "train": {train}, "model": {{"layers": [', layers, json.dumps(last)]
    lines.append(f'], "loss": {loss}}}}}')
    (tmp_path / "spec.json").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    ran = command(way[0], "spec.json", *way[1:])
    assert ran.code == 3, ran.err
    value = {"a last width": loss, "a tie": json.dumps(last), "weights": '{"zz"'}[case]
    column = lines[int(said[0]) - 1].index(value) + 1
    assert f"spec.json:{said[0]}:{column}{said[1:]}" in ran.err
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


class Unsound(LSTM):
    type: Literal["unsound"] = "unsound"  # type: ignore[assignment]

    @model_validator(mode="after")
    def _broken(self) -> Unsound:
        raise KeyError("oops")


class Unshaped(Layer):
    type: Literal["unshaped"] = "unshaped"

    def output(self, inputs: Signal) -> Signal:
        raise ZeroDivisionError


UNSOUND = Plugin("rnnkit.layers", "unsound", "rnnkit-bad", "0.1", f"{__name__}:Unsound")
UNSHAPED = Plugin("rnnkit.layers", "unshaped", "rnnkit-bad", "0.1", f"{__name__}:Unshaped")
MISSING = Plugin("rnnkit.layers", "missing", "rnnkit-bad", "0.1", "no_such_module:Missing")


ONE_HOT = ('{"type": "embedding", "units": 16}', '{"type": "one_hot", "units": 10}')
COPIES = (
    '{"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}}',
    '{"type": "synthetic", "task": "copy"}',
)


def test_a_resolved_one_hot_waits_for_its_data() -> None:
    assert parse(edited(ONE_HOT)).spec.model.layers[0].units == 10


def test_a_one_hot_of_another_vocabulary_is_reported_where_that_is_known() -> None:
    vocabulary = parse(edited(COPIES)).spec.data.signals()[0].width
    units = (ONE_HOT[0], ONE_HOT[1].replace("10", f"{vocabulary + 1}"))
    assert problems(edited(COPIES, units)) == [
        f"spec.json:6:7 [SPEC_SHAPE] model.layers[0]: has {vocabulary + 1} units for a vocabulary "
        f"of {vocabulary} (leave units out)"
    ]
    assert parse(edited(COPIES, (ONE_HOT[0], ONE_HOT[1].replace("10", f"{vocabulary}"))))


def test_a_failing_plugin_is_named() -> None:
    assert problems(edited(('"lstm"', '"unshaped"'), (', "units": 32', "")), UNSHAPED) == [
        "spec.json:7:7 [PLUGIN_CONTRACT] model.layers[1]: unshaped of rnnkit-bad 0.1 "
        f"({__name__}:Unshaped) failed: ZeroDivisionError (tell its author)"
    ]
    assert problems(edited(('"lstm"', '"unsound"')), UNSOUND) == [
        "spec.json:7:7 [PLUGIN_CONTRACT] model.layers[1]: unsound of rnnkit-bad 0.1 "
        f"({__name__}:Unsound) failed: KeyError: 'oops' (tell its author)"
    ]
    assert problems(edited(('"lstm"', '"missing"')), MISSING) == [
        "spec.json:7:16 [PLUGIN_IMPORT] model.layers[1].type: missing of rnnkit-bad 0.1 "
        "(no_such_module:Missing) failed to import: ModuleNotFoundError: No module named "
        "'no_such_module' (update or uninstall it)"
    ]


def test_a_failing_plugin_does_not_matter_to_a_spec_without_it() -> None:
    assert parse(BASE.encode(), UNSOUND, UNSHAPED, MISSING)


JARGON = ("pydantic", "Input should", "validat", "tuple", "Tuple", "dict", "Traceback", "literal")
JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    1e300,
    0.5,
    "",
    "lstm",
    "no",
    "\x1b",
    [],
    {},
    [{}],
    {"type": "rnn"},
]


def mutated(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one thing changed somewhere."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        copy = value.copy()
        action = rng.random()
        if action < 0.1:
            del copy[key]
        elif action < 0.2 and isinstance(copy, dict):
            copy[str(key)[1:] + "x"] = copy.pop(key)
        else:
            copy[key] = mutated(value[key], rng)
        return copy
    return rng.choice(JUNK)


@pytest.mark.parametrize("seed", range(20))
def test_changed_values_give_nothing_but_sentences(seed: int) -> None:
    rng = random.Random(seed)
    registry = Registry(OWN)
    for _ in range(50):
        value = json.loads(BASE)
        for _ in range(rng.randrange(1, 5)):
            value = mutated(value, rng)
        check_sentences(json.dumps(value).encode(), registry)


@pytest.mark.parametrize("seed", range(20))
def test_changed_bytes_give_nothing_but_sentences(seed: int) -> None:
    rng = random.Random(seed)
    registry = Registry(OWN)
    for _ in range(50):
        data = bytearray(BASE.encode())
        for _ in range(rng.randrange(1, 4)):
            start = rng.randrange(len(data))
            piece = rng.choice(
                [b"", bytes([rng.randrange(256)]), b'"', b"{", b"]", b",", b"9", b"-"]
            )
            data[start : start + rng.randrange(4)] = piece
        check_sentences(bytes(data), registry)


def check_sentences(data: bytes, registry: Registry) -> None:
    try:
        parse_spec(data, "spec.json", registry)
    except (SpecError, PluginError) as error:
        for line in str(error).splitlines():
            assert line.startswith("spec.json") and line.isprintable()
            assert not any(word in line for word in JARGON), line


class Thirds(LSTM):
    type: Literal["thirds"] = "thirds"  # type: ignore[assignment]

    def params(self, inputs: Signal) -> Declaration:
        if inputs.known() % 3:
            raise ShapeError(f"needs a width that 3 divides, but receives {inputs}")
        return super().params(inputs)


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ((3, 4), (3, 4), True),
        ((3, None), (None, 4), True),
        ((3, None), (4, None), False),
        ((3,), (3, 4), False),
    ],
)
def test_shapes_agree_where_every_size_that_is_known_does(
    one: Any, other: Any, agree: bool
) -> None:
    assert _may_agree(one, other) == _may_agree(other, one) == agree


def test_a_width_that_the_parameters_refuse_is_reported_where_it_is_known() -> None:
    thirds = Plugin("rnnkit.layers", "thirds", "rnnkit-thirds", "0.1", f"{__name__}:Thirds")
    assert problems(edited(('"lstm"', '"thirds"')), thirds) == [
        "spec.json:7:7 [SPEC_SHAPE] model.layers[1]: needs a width that 3 divides, but receives "
        "values of width 16"
    ]
    assert parse(edited(('"lstm"', '"thirds"'), ('"units": 16', '"units": 15')), thirds)


def test_a_plugin_is_to_blame_only_where_nothing_else_is_wrong() -> None:
    unknown, wrong = ('"type": "lstm"', '"type": "missing"'), ('"epochs": 2', '"epochs": 0')
    for edits, kind in (
        ([unknown], PluginError),
        ([wrong], SpecError),
        ([unknown, wrong], SpecError),
    ):
        with pytest.raises(RnnkitError) as caught:
            parse_spec(edited(*edits), "spec.json", Registry())
        assert type(caught.value) is kind
