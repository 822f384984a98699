"""A look back at all that an encoder gave, weighted by how well each step of it fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from rnnkit.contracts.layer import Layer
from rnnkit.core.block import Size, Width
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.types import Array, Backward, Grads, Params, State

ScoresBackward: TypeAlias = Callable[[Array, Grads], tuple[Array, Array]]
"""`backward(dscores, grads)` gives the gradients of x and m (B, ...), and adds to grads."""

UNSEEN = -1e30
"""The score of a step that carries no data: its weight is exactly 0 beside any other."""


class Attention(Layer):
    """ys = [c, x]: c_t = sum_s a_ts m_s, a_t = softmax over s of score(x_t, m_s).

    m (S, B, F) are the encoder's outputs, read as `params["memory"]`; steps of a ragged batch that
    carry no data have weight 0. `dot`: score = x . m (Luong, Pham and Manning 2015, equation 8).
    `additive`: score = v . tanh(x Wx + m Wm) with `units` values in between, as many as x has
    unless given (Bahdanau, Cho and Bengio 2015, appendix A.1.2).
    """

    type: Literal["attention"] = "attention"
    reads_memory: ClassVar[bool] = True

    score: Literal["dot", "additive"] = "dot"
    units: Size | None = None
    memory: Width | None = None

    def resolve(
        self, inputs: Signal, target: Signal | None = None, memory: Signal | None = None
    ) -> Attention:
        """Take the width of the encoder's outputs; raises ShapeError where it is another."""
        if memory is None:
            return self
        if self.memory is not None and not memory.fits(Signal(self.memory)):
            raise ShapeError(
                f'reads a memory of width {self.memory}, but the encoder gives {memory} (leave "'
                'memory" out)'
            )
        return self.model_copy(update={"memory": memory.values().width or self.memory})

    def output(self, inputs: Signal) -> Signal:
        """Give the context, as wide as the encoder's outputs, and then the inputs."""
        width, memory = inputs.values().width, self.memory
        if width is None or memory is None:
            return Signal(None)
        if self.score == "dot" and width != memory:
            raise ShapeError(
                f"receives {inputs}, but the encoder gives values of width {memory} (a dot product "
                'needs equal widths: change one, or take "score": "additive")'
            )
        if self.score == "dot" and self.units:
            raise ShapeError('a dot product has no "units" (leave them out)')
        return Signal(memory + width)

    def params(self, inputs: Signal) -> Declaration:
        """Declare nothing for `dot`, else Wx (inputs, units), Wm (memory, units) and v (units)."""
        if self.score == "dot":
            return {}
        width, memory = inputs.known(), Signal(self.memory).known()
        units = self.units or width
        return {
            "Wx": ParamSpec((width, units), Glorot()),
            "Wm": ParamSpec((memory, units), Glorot()),
            "v": ParamSpec((units, 1), Glorot()),
        }

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Attend with all steps at once; streams come first in the products."""
        memory = np.ascontiguousarray(params["memory"].transpose(1, 0, 2))
        asked = np.ascontiguousarray(xs.transpose(1, 0, 2))
        scores, scores_backward = (_dot if self.score == "dot" else _additive)(
            params, asked, memory
        )
        weights = _softmax(scores, ctx.valid)
        width = memory.shape[2]
        ys = ctx.empty((*xs.shape[:2], width + xs.shape[2]))
        ys[:, :, :width] = (weights @ memory).transpose(1, 0, 2)
        ys[:, :, width:] = xs

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dcontext = np.ascontiguousarray(dys[:, :, :width].transpose(1, 0, 2))
            dweights = dcontext @ memory.transpose(0, 2, 1)
            dscores = weights * (dweights - (dweights * weights).sum(2, keepdims=True))
            dasked, dmemory = scores_backward(dscores, grads)
            dmemory += weights.transpose(0, 2, 1) @ dcontext
            grads["memory"] += dmemory.transpose(1, 0, 2)
            return dys[:, :, width:] + dasked.transpose(1, 0, 2), dstate

        return ys, state, backward

    def looks(self, params: Params, xs: Array, ctx: Context) -> Array:
        """Return a (B, T, S) for `xs` (T, B, F)."""
        memory, asked = params["memory"].transpose(1, 0, 2), xs.transpose(1, 0, 2)
        score = _dot if self.score == "dot" else _additive
        return _softmax(score(params, asked, memory)[0], ctx.valid)


def _softmax(scores: Array, valid: Array | None) -> Array:
    """Return weights (B, T, S) that sum to 1, of the valid (S, B) steps alone."""
    if valid is not None:
        unseen = scores.dtype.type(UNSEEN)
        scores = np.where(valid.T[:, np.newaxis, :], scores, unseen)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return np.asarray(weights)


def _dot(params: Params, asked: Array, memory: Array) -> tuple[Array, ScoresBackward]:
    def backward(dscores: Array, grads: Grads) -> tuple[Array, Array]:
        return dscores @ memory, dscores.transpose(0, 2, 1) @ asked

    return asked @ memory.transpose(0, 2, 1), backward


def _additive(params: Params, asked: Array, memory: Array) -> tuple[Array, ScoresBackward]:
    Wx, Wm, v = params["Wx"], params["Wm"], params["v"]
    hidden = np.tanh((asked @ Wx)[:, :, np.newaxis] + (memory @ Wm)[:, np.newaxis])

    def backward(dscores: Array, grads: Grads) -> tuple[Array, Array]:
        units = Wx.shape[1]
        grads["v"] += hidden.reshape(-1, units).T @ dscores.reshape(-1, 1)
        dhidden = dscores[..., np.newaxis] * v[:, 0] * (1 - hidden * hidden)
        dx, dm = dhidden.sum(axis=2), dhidden.sum(axis=1)
        grads["Wx"] += asked.reshape(-1, asked.shape[2]).T @ dx.reshape(-1, units)
        grads["Wm"] += memory.reshape(-1, memory.shape[2]).T @ dm.reshape(-1, units)
        return dx @ Wx.T, dm @ Wm.T

    return (hidden @ v)[..., 0], backward
