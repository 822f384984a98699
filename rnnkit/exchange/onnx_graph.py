"""An ONNX graph in the making: its nodes, weights, inputs and outputs by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnkit.exchange.packages import needed
from rnnkit.types import Array

OPSET, IR = 17, 8
"""The oldest versions that have LayerNormalization."""

FLOAT, INT32, INT64 = 1, 6, 7
"""The numbers of element types (onnx.proto, TensorProto.DataType)."""


@dataclass
class Graph:
    """Grows node by node; every method returns the name of what it made."""

    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    shared: dict[int, str] = field(default_factory=dict)
    """The names of weights by the place of their array, so that a tied one stands once."""

    def constant(self, value: object, dtype: type = np.int64) -> str:
        """Add small numbers that an operator reads, such as axes."""
        return self.tensor(np.array(value, dtype), f"constant_{len(self.weights)}")

    def weight(self, array: Array, name: str) -> str:
        """Add a parameter; the array of a parameter that is there already is not added again."""
        key = array.__array_interface__["data"][0]
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
        name = f"{kind.lower()}_{len(self.nodes)}"
        outputs = [name if count == 1 else f"{name}_{at}" for at in range(count)]
        make = needed("onnx.helper").make_node
        self.nodes.append(make(kind, list(inputs), outputs, name=name, **attributes))
        return outputs

    def reads(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Add an input; axes that are texts are dynamic."""
        self.inputs.append(needed("onnx.helper").make_tensor_value_info(name, kind, shape))
        return name

    def gives(self, name: str, value: str, shape: Sequence[int | str]) -> None:
        """Name a value as an output of floats."""
        helper = needed("onnx.helper")
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, FLOAT, shape))

    def model(self, name: str, facts: dict[str, str]) -> Any:
        """Return the whole, checked by ONNX's own checker; `facts` is its metadata."""
        onnx, helper = needed("onnx"), needed("onnx.helper")
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.weights)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR,
            producer_name="rnnkit",
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model, full_check=True)
        return model
