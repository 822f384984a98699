"""Token ids to vectors."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from rnnkit.block import Size
from rnnkit.context import Context
from rnnkit.initializers import Uniform
from rnnkit.kernels.choice import compiled
from rnnkit.kernels.sample_plan import Steps, lookup
from rnnkit.layer import Layer
from rnnkit.parallel import MEMORY_BOUND, divided
from rnnkit.params import Declaration, ParamSpec
from rnnkit.signal import Signal
from rnnkit.types import Array, Backward, Grads, Params, State


class Embedding(Layer):
    """Row `id` of W (vocabulary, units) for each id."""

    type: Literal["embedding"] = "embedding"
    units: Size

    def output(self, inputs: Signal) -> Signal:
        """Give `units` values."""
        inputs.token_ids()
        return Signal(self.units)

    def params(self, inputs: Signal) -> Declaration:
        """Declare W (vocabulary, units)."""
        return {"W": ParamSpec((inputs.known(), self.units), Uniform(bound=0.1))}

    def compiled(self, params: Params) -> Steps:
        """Tell the compiled sampler."""
        return lookup(params["W"])

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Gather the rows of ids (T, B)."""
        ys = ctx.empty((*xs.shape, self.units))
        # Ids are checked where they enter; "clip" only spares NumPy a copy of the output.
        np.take(params["W"], xs, axis=0, out=ys, mode="clip")

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[None, State]:
            add_rows(grads["W"], xs.reshape(-1), dys.reshape(-1, self.units))
            return None, dstate

        return ys, state, backward


def add_rows(table: Array, ids: Array, rows: Array) -> None:
    """Add rows[k] to table[ids[k]] for every k, in an order that depends on the ids alone."""
    if kernels := compiled("rows"):
        add = partial(kernels.add_rows, table, ids, rows)
        divided(rows.shape[1], MEMORY_BOUND * rows.size, add)
        return
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    table[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)
