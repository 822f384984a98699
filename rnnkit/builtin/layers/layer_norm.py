"""Normalization over the features of each step."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Literal

import numpy as np

from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.compute.stack.stages import Stages, layer_norm
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.optimizer import Epsilon
from rnnkit.core.context import Context
from rnnkit.core.initializers import Constant, Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Grads, Params, State


class LayerNorm(Layer):
    """y = gain (x - mean) / sqrt(variance + epsilon) + bias, over the features of a step.

    Ba, Kiros and Hinton 2016, eq. 3 and 4.
    """

    type: Literal["layer_norm"] = "layer_norm"
    epsilon: Epsilon = 1e-5

    def output(self, inputs: Signal) -> Signal:
        """Keep the width."""
        return inputs.values()

    def params(self, inputs: Signal) -> Declaration:
        """Declare gain and bias (inputs)."""
        width = (inputs.known(),)
        return {
            "gain": ParamSpec(width, Constant(value=1.0), decay=False),
            "bias": ParamSpec(width, Zeros(), decay=False),
        }

    def stages(self, inputs: Signal) -> Stages:
        """Tell compiled inference."""
        return layer_norm("gain", "bias", self.epsilon)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Normalize each step of xs (T, B, F)."""
        if kernels := kernel_module("layer_norm"):
            ys, slope = _by_kernels(kernels, params, xs, self.epsilon, ctx)
            return ys, state, lambda dys, dstate, grads: (slope(dys, grads), dstate)
        centred = xs - xs.mean(axis=2, keepdims=True)
        variance = np.square(centred).mean(axis=2, keepdims=True)
        scale = 1 / np.sqrt(variance + self.epsilon)
        normal = centred * scale

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            grads["gain"] += (dys * normal).sum(axis=(0, 1))
            grads["bias"] += dys.sum(axis=(0, 1))
            dnormal = dys * params["gain"]
            mean = dnormal.mean(axis=2, keepdims=True)
            along = (dnormal * normal).mean(axis=2, keepdims=True)
            return scale * (dnormal - mean - normal * along), dstate

        return normal * params["gain"] + params["bias"], state, backward


def _by_kernels(
    kernels: ModuleType, params: Params, xs: Array, epsilon: float, ctx: Context
) -> tuple[Array, Callable[[Array, Grads], Array]]:
    shape = (xs.shape[0] * xs.shape[1], xs.shape[2])
    rows = np.ascontiguousarray(xs).reshape(shape)
    normal, scales = ctx.empty(shape), ctx.empty(shape[:1])
    ys = ctx.empty(xs.shape)
    gain = params["gain"]
    kernels.forward(rows, gain, params["bias"], epsilon, normal, scales, ys.reshape(shape))

    def backward(dys: Array, grads: Grads) -> Array:
        dxs = ctx.empty(xs.shape)
        into = grads["gain"], grads["bias"], dxs.reshape(shape)
        kernels.backward(np.ascontiguousarray(dys).reshape(shape), gain, normal, scales, *into)
        return dxs

    return ys, backward
