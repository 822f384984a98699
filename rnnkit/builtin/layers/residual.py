"""A layer whose inputs are added to its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rnnkit.compute.stack.stages import Stages, residual, within
from rnnkit.contracts.checked_declarations import signal_after
from rnnkit.contracts.checked_layer import run_layer, scanned
from rnnkit.contracts.layer import Layer, LayerBlock, gates_of, may_ask, prefixed
from rnnkit.core.context import Context
from rnnkit.core.params import Declaration
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.types import Array, Backward, DType, Grads, Params, State


class Residual(Layer):
    """ys = layer(xs) + xs (He et al. 2016); the inner layer keeps the width."""

    type: Literal["residual"] = "residual"
    layer: LayerBlock

    def output(self, inputs: Signal) -> Signal:
        """Keep the width."""
        outputs = signal_after(self.layer, inputs.values())
        if not outputs.fits(inputs):
            raise ShapeError(
                f"adds its inputs to its outputs, but receives {inputs} and gives {outputs} "
                "(the two widths must be equal)"
            )
        return inputs if outputs.width is None else outputs

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters of the inner layer under `layer.`."""
        return {f"layer.{name}": spec for name, spec in self.layer.declared(inputs).items()}

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep the state of the inner layer."""
        return self.layer.state_sizes(inputs)

    def state_names(self) -> tuple[str, ...]:
        """Call the state as the inner layer does."""
        return self.layer.state_names()

    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        """Return the gates of the inner layer."""
        return gates_of(self.layer, prefixed(params, "layer"), xs, state)

    def stages(self, inputs: Signal) -> Stages | None:
        """Tell compiled inference, where the inner layer does."""
        inner = self.layer.stages(inputs) if may_ask(self.layer, "stages") else None
        return None if inner is None else residual(within("layer", inner))

    def initial_state(self, inputs: Signal, batch: int, dtype: DType) -> State:
        """Start as the inner layer."""
        return self.layer.initial_state(inputs, batch, dtype)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the sequence without resets."""
        return self.scan(params, xs, state, None, ctx)

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the inner layer over all steps and add the inputs."""
        own = ctx.at("layer", learns_below=ctx.learns_below)
        ys, state, inner = scanned(self.layer, prefixed(params, "layer"), xs, state, resets, own)

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
            dxs, dstate = inner(dys, dstate, prefixed(grads, "layer"))
            return None if dxs is None else dxs + dys, dstate

        return ys + xs, state, backward

    def run(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State]:
        """Do so without a way back."""
        views = prefixed(params, "layer")
        ys, state = run_layer(self.layer, views, xs, state, resets, ctx.at("layer"))
        return ys + xs, state
