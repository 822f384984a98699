"""Every registered loss, optimizer, schedule and tokenizer is its JSON block, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rnnkit.contracts.registry import Registry, installed
from rnnkit.core.block import parse_block

GROUPS = ("rnnkit.losses", "rnnkit.optimizers", "rnnkit.schedules", "rnnkit.tokenizers")

# The options away from their defaults, so that nothing is lost unseen.
BLOCKS: dict[str, dict[str, Any]] = {
    "binary_cross_entropy": {"reduction": "sum_time", "pos_weight": [2.5, 1.0]},
    "huber": {"reduction": "sum_time", "delta": 0.5},
    "quantile": {"reduction": "sum_time", "level": 0.9},
    "mae": {"reduction": "sum_time"},
    "mse": {"reduction": "sum_time"},
    "softmax_cross_entropy": {
        "reduction": "sum_time",
        "label_smoothing": 0.1,
        "class_weights": {"a": 2.5},
        "id_weights": [1.0, 2.5],
    },
    "adagrad": {"lr": 1, "epsilon": 1e-8, "weight_decay": 0.5},
    "adam": {"lr": 0.002, "betas": [0.8, 0.99], "epsilon": 1e-6, "weight_decay": 0.5},
    "adamw": {"lr": 0.002, "betas": [0.8, 0.99], "epsilon": 1e-6, "weight_decay": 0.5},
    "rmsprop": {"lr": 0.1, "alpha": 0.9, "epsilon": 0.1, "momentum": 0.5, "weight_decay": 0.5},
    "sgd": {"lr": 20, "momentum": 0.9, "nesterov": True, "weight_decay": 0.5},
    "constant": {},
    "cosine": {"warmup": 100, "minimum": 0.1, "length": 1000},
    "exponential": {"multiply": 0.97, "after": 10, "per": "step"},
    "stall": {"multiply": 0.5, "patience": 2, "threshold": 0.01},
    "step": {"multiply": 0.5, "every": 5, "per": "step"},
    "byte": {},
    "char": {"unknown": "<unk>", "verbatim": True},
    "word": {"min_count": 2, "max_size": 10000, "unknown": "UNK", "verbatim": True},
}
OWN = [p for p in installed() if p.group in GROUPS and p.distribution == "rnnkit"]


@pytest.mark.parametrize("plugin", OWN, ids=lambda plugin: plugin.name)
def test_block_survives_json(plugin: Any) -> None:
    context = {"catalog": Registry()}
    value = {"type": plugin.name, **BLOCKS[plugin.name]}
    block = parse_block(plugin.group, value, context)
    dumped = json.loads(json.dumps(block.model_dump(mode="json"), allow_nan=False))
    assert dumped == value
    assert parse_block(plugin.group, dumped, context) == block


def test_every_block_has_an_example() -> None:
    assert {plugin.name for plugin in OWN} == set(BLOCKS)
