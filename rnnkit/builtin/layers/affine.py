"""A product with a matrix, and a bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from rnnkit.compute.products import Product, column_sums, multiply, multiply_all
from rnnkit.compute.stack.stages import Stages, Weights, affine
from rnnkit.contracts.layer import Layer
from rnnkit.core.block import Name, Width
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot, Zeros
from rnnkit.core.params import Declaration, ParamSpec, Shared
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Grads, Params, State


class Affine(Layer):
    """ys = xs W + b; the last one takes `units` from the target.

    `tie` names an embedding whose W (vocabulary, inputs) is used transposed, so that reading and
    predicting share one table (Press and Wolf 2017; Inan, Khosravi and Socher 2017).
    """

    type: Literal["affine"] = "affine"
    units: Width | None = None
    bias: bool = True
    tie: Name | None = None

    @model_validator(mode="after")
    def _untied_start(self) -> Affine:
        if self.tie and "W" in self.init:
            raise ValueError(f'W is tied to {self.tie!r}: set its "init" there')
        return self

    def output(self, inputs: Signal) -> Signal:
        """Give `units` values."""
        inputs.values()
        return Signal(self.units)

    def resolve(
        self, inputs: Signal, target: Signal | None = None, memory: Signal | None = None
    ) -> Affine:
        """Take the width of the target where `units` is left out."""
        if self.units or target is None:
            return self
        return self.model_copy(update={"units": target.width})

    def tied_to(self) -> str | None:
        """Return the name of the embedding."""
        return self.tie

    def params(self, inputs: Signal) -> Declaration:
        """Declare W (inputs, units), or the embedding's W (units, inputs), and b (units)."""
        units = Signal(self.units).known()
        declared: dict[str, ParamSpec | Shared] = {}
        if self.tie:
            declared["W"] = Shared(self.tie, "W", (units, inputs.known()))
        else:
            declared["W"] = ParamSpec((inputs.known(), units), Glorot())
        if self.bias:
            declared["b"] = ParamSpec((units,), Zeros(), decay=False)
        return declared

    def stages(self, inputs: Signal) -> Stages:
        """Tell compiled inference."""
        return affine(Weights("W", transposed=bool(self.tie)), "b" if self.bias else None)

    def linear(self, arrays: Mapping[str, Array]) -> tuple[Array, Array | None]:
        """Return W (inputs, units), transposed where it is tied, and b."""
        return arrays["W"].T if self.tie else arrays["W"], arrays.get("b")

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Multiply all steps in one product."""
        W, b = self.linear(params)
        ys = ctx.empty((*xs.shape[:2], W.shape[1]))
        rows = xs.reshape(-1, xs.shape[2])
        multiply(rows, W, ys.reshape(-1, W.shape[1]))
        if b is not None:
            ys += b

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            drows = dys.reshape(-1, W.shape[1])
            left, right = (drows, rows) if self.tie else (rows, drows)
            dxs = ctx.empty(xs.shape)
            products = [Product(drows, W.T, dxs.reshape(rows.shape))]
            if ctx.learns:
                into = grads["W"]
                products.append(Product(left.T, right, into, ctx.empty(into.shape)))
            multiply_all(*products)
            if self.bias and ctx.learns:
                grads["b"] += column_sums(drows)
            return dxs, dstate

        return ys, state, backward
