"""An ONNX graph as layers: recurrent operators, products, tables and normalizations in their order.

What a graph computes from shapes, and what it does with states, is not looked at; every other
operator has to be known. Operators are those of the ONNX operator schemas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from rnnkit.exchange.incoming.linear import matrix_layer
from rnnkit.exchange.incoming.onnx_cells import CELL_OPERATORS, cell_layers
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel, TheirParameter
from rnnkit.exchange.packages import needed
from rnnkit.types import Array

FOLDED = ("Cast", "Concat", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""What is done to weights before they are used."""

PASSED = ("Cast", "Dropout", "Identity", "OneHot", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""What lays values out otherwise, and changes none."""

LAST = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}

Kind: TypeAlias = Literal["input", "data", "state", "shape"]
"""What a value that is no weight is: given, made by layers, the last state, from shapes alone."""


def read_onnx(data: bytes, path: Path) -> TheirModel:
    """Return the layers of a graph; weights in files beside it are read too."""
    onnx = needed("onnx")
    model = onnx.load_model_from_string(data)
    needed("onnx.external_data_helper").load_external_data_for_model(model, str(path.parent))
    reading = _Reading()
    to_array = needed("onnx.numpy_helper").to_array
    reading.weights = {each.name: to_array(each) for each in model.graph.initializer}
    reading.kinds = {
        each.name: "input" for each in model.graph.input if each.name not in reading.weights
    }
    for node in model.graph.node:
        reading.read(node)
    used = {name for node in model.graph.node for name in node.input}
    left = tuple(each.name for each in model.graph.initializer if each.name not in used)
    return TheirModel(
        "ONNX",
        reading.weights,
        tuple(reading.layers),
        ordered=True,
        left=left,
        wrong=tuple(dict.fromkeys(reading.wrong)),
        last=reading.last,
    )


@dataclass
class _Reading:
    """A graph, read node by node: the weights and the kinds of all other values by name."""

    weights: dict[str, Array] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    layers: list[TheirLayer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    last: str = ""
    product: str = ""
    """The value that a product without a bias gave, which one may be added to."""

    def read(self, node: Any) -> None:
        """Read one node."""
        settings = {a.name: needed("onnx.helper").get_attribute_value(a) for a in node.attribute}
        given = [name for name in node.input if name]
        name, kind = node.name or node.output[0], node.op_type
        if kind == "Constant":
            self.weights[node.output[0]] = _constant(settings)
            return
        if all(each in self.weights for each in given) and kind in FOLDED:
            self._fold(node, given)
            return
        before = {self.kinds[each] for each in given if each in self.kinds}
        after: Kind = "data"
        if kind == "Shape" or before <= {"shape"}:
            after = "shape"
            if kind == "ConstantOfShape" and "value" in settings and _constant(settings).any():
                self.wrong.append(f"operator ConstantOfShape ({name}): a state that is not zero")
        elif before <= {"state", "shape"}:
            after = "state"
            if kind in (*CELL_OPERATORS, "MatMul", "Gemm"):
                self.wrong.append(f"operator {kind} ({name}): reads the last state of a layer")
        elif kind in CELL_OPERATORS:
            self._end(name, kind)
            found = cell_layers(name, node, settings, self.weights)
            self.layers += found.layers
            self.wrong += found.wrong
            self.kinds |= dict.fromkeys(node.output, "state") | {node.output[0]: "data"}
            return
        elif kind == "Slice" and before <= {"input", "shape"} and self._forward(given):
            after = "input"
        elif kind in PASSED:
            after = "input" if before <= {"input", "shape"} else "data"
        elif kind in LAST:
            self._end(name, kind)
            self.last = LAST[kind]
        else:
            self._end(name, kind)
            self._layer(node, name, settings)
        self.kinds |= dict.fromkeys(node.output, after)

    def _end(self, name: str, kind: str) -> None:
        """Tell of an activation that is not over the last layer."""
        if self.last:
            self.wrong.append(f"operator {kind} ({name}): reads what a {self.last} gives")

    def _forward(self, given: Sequence[str]) -> bool:
        steps = self.weights.get(given[4]) if len(given) > 4 else None
        return steps is None or bool((steps > 0).all())

    def _fold(self, node: Any, given: Sequence[str]) -> None:
        evaluator = needed("onnx.reference").ReferenceEvaluator(node)
        (value,) = evaluator.run(None, {each: self.weights[each] for each in given})
        self.weights[node.output[0]] = value

    def _layer(self, node: Any, name: str, settings: Mapping[str, Any]) -> None:
        """Read a node with weights that is no cell; one of no kind that is known is told of."""
        x, *rest = node.input
        found, weights = None, self.weights
        second = weights.get(rest[0]) if rest else None
        if node.op_type == "Gather" and x in weights and weights[x].ndim == 2:
            if not settings.get("axis", 0):
                found = matrix_layer(name, (x, weights[x]), None, False, "embedding")
        elif node.op_type == "MatMul" and second is not None and second.ndim == 2:
            found = matrix_layer(name, (rest[0], second), None, False, "affine")
            self.product = node.output[0]
        elif node.op_type == "Gemm" and second is not None and _plain_gemm(settings):
            bias = (rest[1], weights[rest[1]]) if rest[1:] and rest[1] in weights else None
            if bias is not None or not rest[1:]:
                turned = bool(settings.get("transB"))
                found = matrix_layer(name, (rest[0], second), bias, turned, "affine")
        elif node.op_type == "Add" and self.product in node.input:
            bias_name = next(each for each in node.input if each != self.product)
            if bias_name in weights and weights[bias_name].ndim == 1:
                self._add_bias(bias_name)
                return
        elif node.op_type == "LayerNormalization" and len(rest) == 2:
            if settings.get("axis", -1) == -1 and second is not None and rest[1] in weights:
                gain, bias_given = (TheirParameter(weights[each], (each,)) for each in rest)
                epsilon = {"epsilon": float(settings.get("epsilon", 1e-5))}
                form = {"layer_norm": {"gain": gain, "bias": bias_given}}
                found = TheirLayer(name, form, "layer_norm", settings=epsilon)
        if found is None:
            self.wrong.append(f"operator {node.op_type} ({name}): rnnkit has no such layer")
        else:
            self.layers.append(found)

    def _add_bias(self, name: str) -> None:
        W = self.layers.pop()
        given = W.forms["affine"]["W"]
        bias = TheirParameter(self.weights[name], (name,))
        self.layers.append(TheirLayer(W.name, {"affine": {"W": given, "b": bias}}, "affine"))
        self.product = ""


def _plain_gemm(settings: Mapping[str, Any]) -> bool:
    factors = settings.get("alpha", 1.0), settings.get("beta", 1.0)
    return factors == (1.0, 1.0) and not settings.get("transA")


def _constant(settings: Mapping[str, Any]) -> Array:
    value = next(iter(settings.values()))
    tensor = hasattr(value, "raw_data")
    found: Array = needed("onnx.numpy_helper").to_array(value) if tensor else np.asarray(value)
    return found
