"""The layer under test, and the windows that it is tested with."""

from __future__ import annotations

import math

import numpy as np

from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context, Pool
from rnnkit.core.params import ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.testing.window import NamedArrays, Window, numbered
from rnnkit.types import Array, DType, Shape

STEPS, STREAMS, WIDTH = 6, 4, 5

MEMORY = 3
"""Steps of the source that a layer with a named input reads."""

RESETS = ((0, 0), (4, 0), (3, 1), (4, 1), (5, 2))
"""(step, stream): the first and the last step, two in a row; the last stream has none."""

FLOAT32: DType = np.dtype(np.float32)
FLOAT64: DType = np.dtype(np.float64)


class Subject:
    """A layer with what it reads; every window is drawn anew from `seed` and `draw`.

    All numbers are representable in float32, so that both types see the same ones. Parameters lie
    around their own start, none of them zero. The state is one that the layer reached itself.
    """

    def __init__(self, layer: Layer, inputs: Signal | None, seed: int) -> None:
        self.inputs = inputs or readable(layer)
        memory = Signal(self.inputs.width)
        layer = layer.resolve(self.inputs, memory=memory)
        if layer.output(self.inputs).width is None:
            layer = layer.resolve(self.inputs, Signal(WIDTH - 2), memory)
        self.layer = layer
        self.outputs = layer.output(self.inputs)
        self.seed = seed

    def window(
        self,
        *,
        dtype: DType = FLOAT64,
        train: bool = False,
        resets: bool = False,
        draw: int = 0,
    ) -> Window:
        """Return a window with random parameters, inputs, state and incoming gradients."""
        random = np.random.default_rng([self.seed, draw])
        start = self.first(random)
        # On copies: a layer that writes into its parameters would do so before any check looks.
        own = start.having({name: array.copy() for name, array in start.arrays.items()})
        _, state, _ = self.layer.scan(own.params(), own["xs"], own.parts("state"), None, own.ctx)
        reached = [array.astype(FLOAT32).astype(FLOAT64) for array in state]
        width = self.outputs.known()
        arrays = start.arrays | {
            "xs": self._inputs(random),
            "resets": _resets() if resets else np.zeros((STEPS, STREAMS), bool),
            "dys": _normal(random, (STEPS, STREAMS, width)),
            **numbered("state", reached),
            **numbered("dstate", [_normal(random, array.shape) for array in reached]),
        }
        cast = {
            name: array.astype(dtype) if array.dtype == FLOAT64 else array
            for name, array in arrays.items()
        }
        return Window(cast, self.context(dtype, train))

    def first(self, random: np.random.Generator) -> Window:
        """Return a float64 window that starts from the initial state, without gradients."""
        state = self.layer.initial_state(self.inputs, STREAMS, FLOAT64)
        arrays = self._params(random) | {
            "xs": self._inputs(random),
            "resets": np.zeros((STEPS, STREAMS), bool),
            **numbered("state", state),
        }
        return Window(arrays, self.context(FLOAT64, False))

    def context(self, dtype: DType, train: bool) -> Context:
        """Return a context whose scratch arrays hold NaN until they are written."""
        return Context(
            train=train, dtype=dtype, seed=self.seed, path="layer", pool=Pool(fill=math.nan)
        )

    def _params(self, random: np.random.Generator) -> NamedArrays:
        params: NamedArrays = {}
        for name, spec in self.layer.declared(self.inputs).items():
            params[f"params.{name}"] = 0.3 * _normal(random, spec.shape)
            if isinstance(spec, ParamSpec):
                params[f"params.{name}"] += spec.draw(random)
        if self.layer.reads_memory:
            shape = (MEMORY, STREAMS, self.inputs.known())
            params["params.memory"] = _normal(random, shape)
        return {name: array.astype(FLOAT32).astype(FLOAT64) for name, array in params.items()}

    def _inputs(self, random: np.random.Generator) -> Array:
        width = self.inputs.known()
        if self.inputs.ids:
            return random.integers(width, size=(STEPS, STREAMS), dtype=np.int32)
        return _normal(random, (STEPS, STREAMS, width))


def readable(layer: Layer) -> Signal:
    """Return a signal that the layer can take: values, ids, or values of its own width."""
    for signal in (Signal(WIDTH), Signal(WIDTH, ids=True)):
        if _takes(layer, signal):
            return signal
    if _takes(layer, Signal(None)) and (width := layer.output(Signal(None)).width):
        return Signal(width)
    raise ShapeError(f"{layer.type}: say what it reads: check_layer(layer, inputs=Signal(...))")


def _takes(layer: Layer, signal: Signal) -> bool:
    try:
        layer.output(signal)
    except ShapeError:
        return False
    return True


def _resets() -> Array:
    resets = np.zeros((STEPS, STREAMS), bool)
    for step, stream in RESETS:
        resets[step, stream] = True
    return resets


def _normal(random: np.random.Generator, shape: Shape) -> Array:
    return random.standard_normal(shape).astype(FLOAT32).astype(FLOAT64)
