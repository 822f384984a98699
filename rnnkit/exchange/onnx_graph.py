"""An ONNX graph in the making: its nodes, weights, inputs and outputs by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnkit.exchange.packages import needed
from rnnkit.types import Array

OPSET, IR = 17, 8
"""The oldest versions that have LayerNormalization."""

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
"""The numbers of element types (onnx.proto, TensorProto.DataType)."""

STREAMS = "streams"
"""The name of the axis of any length that counts streams."""


@dataclass
class Graph:
    """Grows node by node; every method returns the name of what it made.

    A graph inside another has names of its own, which begin with `prefix`, and reads the other's.
    """

    prefix: str = ""
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    shared: dict[tuple[object, ...], str] = field(default_factory=dict)
    """The names of weights by where their array lies and how, so that a tied one stands once."""

    def constant(self, value: object, dtype: type = np.int64) -> str:
        """Add small numbers that an operator reads, such as axes."""
        return self.tensor(np.array(value, dtype), f"{self.prefix}constant_{len(self.weights)}")

    def weight(self, array: Array, name: str) -> str:
        """Add a parameter; the array of a parameter that is there already is not added again."""
        key = array.__array_interface__["data"][0], array.shape, array.strides
        if key not in self.shared:
            self.shared[key] = self.tensor(array, name)
        return self.shared[key]

    def tensor(self, array: Array, name: str) -> str:
        """Add an array."""
        helper = needed("onnx.numpy_helper")
        self.weights.append(helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        """Add an operator with one output."""
        return self.several(kind, inputs, 1, **attributes)[0]

    def several(
        self, kind: str, inputs: Sequence[str], count: int, **attributes: object
    ) -> list[str]:
        """Add an operator with so many outputs."""
        name = f"{self.prefix}{kind.lower()}_{len(self.nodes)}"
        outputs = [name if count == 1 else f"{name}_{at}" for at in range(count)]
        make = needed("onnx.helper").make_node
        self.nodes.append(make(kind, list(inputs), outputs, name=name, **attributes))
        return outputs

    def count(self, value: str) -> str:
        """Add the places of the first axis of a value, 0, 1, ..."""
        length = self.node("Squeeze", [self.node("Shape", [value], start=0, end=1)])
        return self.node("Range", [self.constant(0), length, self.constant(1)])

    def reads(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Add an input; axes that are texts are dynamic."""
        self.inputs.append(needed("onnx.helper").make_tensor_value_info(name, kind, shape))
        return name

    def gives(self, name: str, value: str, shape: Sequence[int | str]) -> None:
        """Name a value as an output of floats."""
        helper = needed("onnx.helper")
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, FLOAT, shape))

    def whole(self, name: str) -> Any:
        """Return the graph under a name, as a model holds it, or an operator."""
        make = needed("onnx.helper").make_graph
        return make(self.nodes, name, self.inputs, self.outputs, self.weights)

    def model(self, name: str, facts: dict[str, str]) -> Any:
        """Return the whole, checked by ONNX's own checker; `facts` is its metadata."""
        onnx, helper = needed("onnx"), needed("onnx.helper")
        model = helper.make_model(
            self.whole(name),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR,
            producer_name="rnnkit",
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model, full_check=True)
        return model


@dataclass(frozen=True)
class Wires:
    """What a layer reads beside its inputs, and where its last state goes.

    `before` has the first state (1, B, n) by name, zeros where it is left out; `after` takes the
    last one. `lengths` (B,) are those of sequences that begin together, "" where all are as long as
    the window. `memory` (S, B, F) is what an encoder gave for sources of `memory_lengths` (B,).
    """

    graph: Graph
    before: Mapping[str, str]
    after: dict[str, str]
    lengths: str = ""
    memory: str = ""
    memory_lengths: str = ""
