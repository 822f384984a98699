"""Example blocks for every layer that rnnkit registers, options and nesting included."""

from __future__ import annotations

import json
from typing import Any

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import parse_block
from rnnkit.core.params import ParamSpec
from rnnkit.testing.subject import Subject

GROUP = "rnnkit.layers"
REGISTRY = Registry()

EXAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "affine": (
        {"type": "affine", "units": 3},
        {"type": "affine"},
        {"type": "affine", "units": 3, "bias": False},
        {"type": "affine", "units": 3, "tie": "table"},
        {"type": "affine", "units": 3, "init": {"W": {"type": "normal", "std": 0.1}}},
    ),
    "attention": (
        {"type": "attention"},
        {"type": "attention", "score": "additive"},
        {"type": "attention", "score": "additive", "units": 3},
    ),
    "bidirectional": (
        {"type": "bidirectional", "layer": {"type": "gru", "units": 3}},
        {"type": "bidirectional", "layer": {"type": "lstm", "units": 3}},
        {"type": "bidirectional", "layer": {"type": "rnn", "units": 3}},
        {"type": "bidirectional", "layer": {"type": "gru_reset_before", "units": 3}},
        {"type": "bidirectional", "layer": {"type": "dropout", "rate": 0.3}},
        {"type": "bidirectional", "layer": {"type": "embedding", "units": 3}},
        {
            "type": "bidirectional",
            "layer": {"type": "residual", "layer": {"type": "lstm", "units": 5}},
        },
    ),
    "dropout": (
        {"type": "dropout", "rate": 0.3},
        {"type": "dropout", "rate": 0.3, "locked": True},
        {"type": "dropout", "rate": 0.0},
    ),
    "embedding": ({"type": "embedding", "units": 4}, {"type": "embedding", "units": 1}),
    "gru": ({"type": "gru", "units": 4}, {"type": "gru", "units": 1}),
    "gru_reset_before": (
        {"type": "gru_reset_before", "units": 4},
        {"type": "gru_reset_before", "units": 1},
    ),
    "layer_norm": ({"type": "layer_norm"}, {"type": "layer_norm", "epsilon": 0.1}),
    "lstm": (
        {"type": "lstm", "units": 4},
        {"type": "lstm", "units": 1},
        {"type": "lstm", "units": 4, "forget_bias": 0.0},
    ),
    "one_hot": ({"type": "one_hot"}, {"type": "one_hot", "units": 5}),
    "residual": (
        {"type": "residual", "layer": {"type": "lstm", "units": 5}},
        {"type": "residual", "layer": {"type": "dropout", "rate": 0.3, "locked": True}},
        {"type": "residual", "layer": {"type": "affine", "units": 5}},
        {
            "type": "residual",
            "layer": {"type": "bidirectional", "layer": {"type": "gru", "units": 3}},
        },
    ),
    "rnn": (
        {"type": "rnn", "units": 4},
        {"type": "rnn", "units": 1},
        {"type": "rnn", "units": 4, "activation": "relu"},
    ),
}


def examples(name: str) -> tuple[dict[str, Any], ...]:
    """Return the example blocks of a type; a stranger's is tried with `units` alone."""
    return EXAMPLES.get(name, ({"type": name, "units": 4},))


def build(block: dict[str, Any]) -> Layer:
    """Return the layer that a block describes."""
    layer = parse_block(GROUP, block, {"catalog": REGISTRY})
    assert isinstance(layer, Layer)
    return layer


def label(block: dict[str, Any]) -> str:
    """Return a block as one short word for the name of a test."""
    return json.dumps(block, separators=(",", ":")).replace('"', "").replace("type:", "")


def declared() -> dict[str, Any]:
    """Return the parameters and state sizes that every example block declares."""
    return {label(block): _declared(block) for blocks in EXAMPLES.values() for block in blocks}


def _declared(block: dict[str, Any]) -> dict[str, Any]:
    subject = Subject(build(block), None, 0)
    params = subject.layer.declared(subject.inputs)
    return {
        "reads": str(subject.inputs),
        "gives": str(subject.outputs),
        "params": {name: [list(spec.shape), _storage(spec)] for name, spec in params.items()},
        "state": list(subject.layer.state_sizes(subject.inputs)),
    }


def _storage(spec: Any) -> str:
    if isinstance(spec, ParamSpec):
        return "decayed" if spec.decay else "not decayed"
    return f"shared with {spec.layer}/{spec.name}"
