"""The last inputs side by side: a causal convolution is this layer and a product above it."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rnnkit import Context, Layer, Signal
from rnnkit.types import Array, Backward, Grads, Params, State


class LastInputs(Layer):
    """Give each step its own input and those of the `width` - 1 steps before it, newest first.

    A product with them, that of a cell or of `affine`, is the masked convolution of QRNN (Bradbury
    et al. 2016, section 2). The inputs before the window are the state, zeros at a start, so a
    text that is cut into windows is convolved as a whole.
    """

    type: Literal["last_inputs"] = "last_inputs"

    width: Annotated[int, Field(ge=1, le=1024)] = 2

    def output(self, inputs: Signal) -> Signal:
        """Give `width` times the values."""
        width = inputs.values().width
        return Signal(None if width is None else self.width * width)

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep an input a step, the last one first."""
        return (inputs.known(),) * (self.width - 1)

    def state_names(self) -> tuple[str, ...]:
        """Return x1 for the last input, x2 for the one before it, and so on."""
        return tuple(f"x{back}" for back in range(1, self.width))

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run `xs` (T, B, F) from the inputs before it, (B, F) each."""
        steps, batch, features = xs.shape
        past = len(state)
        known = np.concatenate([*(array[None] for array in state[::-1]), xs])
        views = [known[past - back : past - back + steps] for back in range(self.width)]
        ys = ctx.empty((steps, batch, self.width * features))
        np.concatenate(views, axis=2, out=ys)
        after = tuple(known[-back].copy() for back in range(1, self.width))

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dknown = np.zeros(known.shape, known.dtype)
            for back, part in enumerate(np.split(dys, self.width, axis=2)):
                dknown[past - back : past - back + steps] += part
            for back, slope in enumerate(dstate, start=1):
                dknown[-back] += slope
            return dknown[past:], tuple(dknown[past - back].copy() for back in range(1, past + 1))

        return ys, after, backward
