"""Graphs of ONNX, made node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from rnnkit.exchange.incoming.onnx_file import read_onnx
from rnnkit.exchange.incoming.theirs import TheirModel
from rnnkit.types import Array


def node(op: str, inputs: str, outputs: str = "y", **settings: Any) -> Any:
    """Return a node; names with a blank between them, "-" for one that is left out."""
    given = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, given, outputs.split(), name=op.lower(), **settings)


def read(*nodes: Any, **weights: Array) -> TheirModel:
    """Read a graph whose input is "x"."""
    tensors = [numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items()]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", 3])]
    given += [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, w.shape)
        for name, w in weights.items()
    ]
    model = helper.make_model(helper.make_graph(list(nodes), "g", given, [], tensors))
    return read_onnx(model.SerializeToString(), Path("m.onnx"))


def drawn(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype("f4")


def cell(gates: int, ways: int = 1, bias: bool = True) -> dict[str, Array]:
    found = {"W": drawn(ways, gates * 2, 3), "R": drawn(ways, gates * 2, 2)}
    return {**found, "B": drawn(ways, gates * 4)} if bias else found
