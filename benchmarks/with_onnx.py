"""ONNX Runtime's side: the LSTM operator of ONNX, its state an input and an output of the graph."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from benchmarks.side import TOKENS, Found
from benchmarks.workloads import Workload
from rnnkit.types import Array

ORDER = (0, 2, 1, 3)
"""ONNX packs the gates as i, o, f, c, rnnkit as i, f, o, g."""


class Sample:
    """One stream of ids, each drawn from the softmax at temperature 1.

    The graph ends in the running sum of the probabilities, so that a draw is one search in it.
    """

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        self.session = onnxruntime.InferenceSession(
            graph(workload, arrays).SerializeToString(), options, ["CPUExecutionProvider"]
        )
        self.names = [o.name for o in self.session.get_outputs()]
        self.zeros = {
            f"{kind}{k}": np.zeros((1, 1, workload.units), np.float32)
            for k in range(workload.layers)
            for kind in "hc"
        }
        self.random = np.random.default_rng(1)
        self.start = arrays["ids"][:1].astype(np.int64)
        self.ids, self.state = self.start, self.zeros
        self.step()

    def check(self) -> Found:
        """Return the first ids of the greedy stream."""
        self.ids, self.state, found = self.start, self.zeros, []
        for _ in range(TOKENS):
            logits, _ = self._run()
            self.ids = logits.argmax(axis=-1)
            found.append(float(self.ids[0, 0]))
        return {"id": found}

    def step(self) -> None:
        """Draw some ids."""
        for _ in range(TOKENS):
            reached = self._run()[1].reshape(-1)
            drawn = reached[:-1].searchsorted(self.random.random() * reached[-1], "right")
            self.ids = np.array([[drawn]])

    def _run(self) -> tuple[Array, Array]:
        logits, reached, *state = self.session.run(self.names, {"ids": self.ids, **self.state})
        self.state = dict(zip(self.state, state, strict=True))
        return logits, reached


def graph(workload: Workload, arrays: dict[str, Array]) -> ModelProto:
    """Return embedding, LSTM layers and affine layer for one id (1, 1), with softmax and sum."""
    constants = {name: arrays[name] for name in ("E", "W", "b")}
    constants |= {"axis": np.array([1]), "last": np.array(2)}
    nodes = [helper.make_node("Gather", ["E", "ids"], ["x0"])]
    for k in range(workload.layers):
        constants |= {f"{name}{k}": _packed(arrays[f"{name}{k}"].T) for name in ("Wx", "Wh")}
        bias = _packed(arrays[f"b{k}"])
        constants[f"b{k}"] = np.concatenate([bias, np.zeros_like(bias)], axis=1)
        reads = [f"x{k}", f"Wx{k}", f"Wh{k}", f"b{k}", "", f"h{k}", f"c{k}"]
        gives = [f"y{k}", f"h{k}_after", f"c{k}_after"]
        nodes.append(helper.make_node("LSTM", reads, gives, hidden_size=workload.units))
        nodes.append(helper.make_node("Squeeze", [f"y{k}", "axis"], [f"x{k + 1}"]))
    nodes += [
        helper.make_node("MatMul", [f"x{workload.layers}", "W"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=2),
        helper.make_node("CumSum", ["p", "last"], ["reached"]),
    ]
    states = [f"{kind}{k}" for k in range(workload.layers) for kind in "hc"]
    width, classes = [1, 1, workload.units], [1, 1, workload.vocabulary]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 1])]
    inputs += [_floats(name, width) for name in states]
    outputs = [_floats(name, classes) for name in ("logits", "reached")]
    outputs += [_floats(f"{name}_after", width) for name in states]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    whole = helper.make_graph(nodes, "network", inputs, outputs, stored)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(whole, opset_imports=opset, ir_version=8)
    checker.check_model(model)
    return model


def about() -> dict[str, str]:
    """Return what decides the speed of this side."""
    return {"ONNX Runtime": onnxruntime.__version__}


def _packed(array: Array) -> Array:
    """Return gates in ONNX's order, for one direction."""
    blocks = np.split(array, len(ORDER))
    return np.concatenate([blocks[gate] for gate in ORDER])[None]


def _floats(name: str, shape: list[int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
