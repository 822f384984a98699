"""A stack of layers run as one: parameters, states and gradients by layer name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import ClassVar, NamedTuple

from rnnkit.contracts.checked_layer import scanned, starting_state
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import Layer, sees_future
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.stack import layer_names, shaped_at, signals, sized
from rnnkit.contracts.token_scores import TokenScores
from rnnkit.core.block import stands_for
from rnnkit.core.context import Context
from rnnkit.core.params import Declaration, ParamStore
from rnnkit.core.signal import Signal
from rnnkit.network.rates import (
    Rates,
    at_rates,
    from_lowest,
    frozen_parameters,
    learning_layers,
)
from rnnkit.network.sections import Section, run_sections, sections_of
from rnnkit.network.states import States, copied, zero_state, zero_states
from rnnkit.network.visit import Visit
from rnnkit.types import Array, DType, Grads, Params, Shape

NetworkBackward = Callable[[Array, States, Mapping[str, Grads]], tuple[Array | None, States]]
"""`backward(dys, dstates, grads)` gives (dxs, dstates0) and adds to grads, by layer and name."""


Reader = Callable[[Array, States, Array, Context], tuple[Array, States]]
"""`read(xs, states, resets, ctx)` runs some steps of a window and gives (ys, states)."""


class Learned(NamedTuple):
    """Summed loss and weight, the state after a piece of a window, the gradients of what it reads.

    `dstates` is that of the state before the piece, `dxs` that of its inputs, None for ids.
    """

    total: float
    weight: float
    states: States
    dstates: States
    dxs: Array | None


@dataclass(frozen=True)
class Network:
    """Layers whose every width is known; holds no array."""

    reads_source: ClassVar[bool] = False
    """True where a window needs what an encoder reads beside it."""

    layers: tuple[Layer, ...]
    loss: Loss
    inputs: Signal
    targets: Signal
    prefix: str = ""
    """Stands before the position in the name of a layer."""
    first: int = field(default=0, kw_only=True)
    """The position of the first layer, in the name of a layer of a part of a network."""
    rates: Rates = field(default_factory=dict, kw_only=True, hash=False)

    @classmethod
    def sized(cls, layers: Sequence[Layer], loss: Loss, inputs: Signal, targets: Signal) -> Network:
        """Give each layer the widths that its spec left to the data.

        Raises ShapeError where two widths do not fit.
        """
        found, outputs = sized(layers, "", inputs, targets)
        with shaped_at("loss"):
            loss.check(outputs, targets)
        return cls(found, loss, inputs, targets)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The layers' names: their own, or position and type."""
        return layer_names(self.layers, self.prefix, self.first)

    @cached_property
    def named(self) -> tuple[tuple[str, Layer], ...]:
        """The layers with their names."""
        return tuple(zip(self.names, self.layers, strict=True))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The layers as parts that are run without a way back."""
        return sections_of(self.named, self.entering(), self.declared())

    @cached_property
    def body(self) -> Network:
        """All layers but the last."""
        return replace(self, layers=self.layers[:-1])

    def above(self, below: int) -> Network:
        """Return the network without the first so many layers."""
        reads = signals(self.layers, self.inputs)[below]
        return replace(self, layers=self.layers[below:], inputs=reads, first=self.first + below)

    def entering(self) -> dict[str, Signal]:
        """Return the signal that each layer reads, by name."""
        return dict(zip(self.names, signals(self.layers, self.inputs), strict=False))

    def leaving(self) -> dict[str, Signal]:
        """Return the signal that each layer gives, by name."""
        entering = self.entering()
        return {name: layer.output(entering[name]) for name, layer in self.named}

    @cached_property
    def reads_later(self) -> str | None:
        """The name of the first layer whose outputs depend on later inputs; None without one."""
        return next((name for name, layer in self.named if sees_future(layer)), None)

    @property
    def outputs(self) -> Signal:
        """What the last layer gives."""
        return signals(self.layers, self.inputs)[-1]

    @cached_property
    def token_scores(self) -> TokenScores:
        """What the outputs say of the targets, where those are tokens."""
        return TokenScores(self.loss, self.outputs.known(), self.targets.known())

    def declared(self) -> dict[str, Declaration]:
        """Return the parameters of every layer by name."""
        entering = self.entering()
        found = {name: layer.declared(entering[name]) for name, layer in self.named}
        return at_rates(found, self.rates)

    @cached_property
    def learning(self) -> frozenset[str]:
        """The layers with a parameter that learns, of their own or shared."""
        return frozenset(learning_layers(self.declared(), self.rates))

    @cached_property
    def reached(self) -> frozenset[str]:
        """The layers that a gradient reaches: from the lowest that learns on."""
        return frozenset(from_lowest(self.names, self.learning))

    @cached_property
    def dropped(self) -> tuple[tuple[str, str, Shape], ...]:
        """(layer, name, shape) of what does not learn, but has a gradient on its way below."""
        found = frozen_parameters(self.declared(), self.rates)
        return tuple(each for each in found if each[0] in self.reached)

    def state_shapes(self, batch: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return the shapes of the hidden state of every stateful layer."""
        entering = self.entering()
        sizes = {name: layer.state_sizes(entering[name]) for name, layer in self.named}
        return {name: tuple((batch, n) for n in widths) for name, widths in sizes.items() if widths}

    def store(self, dtype: DType) -> ParamStore:
        """Return the parameters, all zero."""
        return ParamStore(self.declared(), dtype)

    def initial_states(self, batch: int, dtype: DType) -> States:
        """Return the state of every stateful layer before the first step; raises PluginError."""
        known, found = self.entering(), States()
        for name, layer in self.named:
            if state := starting_state(layer, known[name], batch, dtype, name):
                found[name] = state
        return found

    def scan(
        self,
        params: Mapping[str, Params],
        xs: Array,
        states: States,
        resets: Array | None,
        ctx: Context,
    ) -> tuple[Array, States, NetworkBackward]:
        """Run a window through every layer; return (ys, states, backward)."""
        after: States = {}
        backwards = []
        ys, learns = xs, ctx.learns_below
        for name, layer in self.named:
            own_learns = name in self.learning
            inner = ctx.at(name, learns_below=learns, learns=own_learns)
            own = states.get(name, ())
            ys, state, backward = scanned(layer, params[name], ys, own, resets, inner)
            learns = learns or own_learns
            if learns:
                backwards.append((name, backward))
            if name in states:
                after[name] = state

        def backward_all(
            dys: Array, dstates: States, grads: Mapping[str, Grads]
        ) -> tuple[Array | None, States]:
            before: States = {}
            dxs: Array | None = dys
            for name, backward in reversed(backwards):
                if dxs is None:
                    break
                dxs, dstate = backward(dxs, dstates.get(name, ()), grads[name])
                if name in dstates:
                    before[name] = dstate
            return dxs if len(backwards) == len(self.layers) else None, before

        return ys, after, backward_all

    def run(
        self, params: Mapping[str, Params], batch: Batch, states: States, ctx: Context
    ) -> tuple[Array, States]:
        """Return what the last layer gives for a window of data, and the states after it."""
        return self.forward(params, batch.inputs, states, batch.resets, ctx)

    def forward(
        self,
        params: Mapping[str, Params],
        xs: Array,
        states: States,
        resets: Array | None,
        ctx: Context,
    ) -> tuple[Array, States]:
        """Return what `scan` does without a way back, in the memory of a few steps."""
        initial = partial(self.initial_states, dtype=ctx.dtype)
        return run_sections(self.sections, params, xs, states, initial, resets, ctx)

    def run_in_pieces(
        self,
        params: Mapping[str, Params],
        batch: Batch,
        pieces: Iterable[slice],
        states: States,
        ctx: Context,
    ) -> Iterator[tuple[slice, Array, States]]:
        """Yield each piece of a window with its outputs, and a copy of the states after it.

        The outputs lie in scratch memory, which the next piece is handed again.
        """
        for piece in pieces:
            part = batch.steps(piece)
            here = ctx.later(piece.start).but(valid=part.valid)
            ys, after = self.run(params, part, states, here)
            states = copied(after)
            yield piece, ys, states
            ctx.pool.recycle()

    def reader(
        self, params: Mapping[str, Params], batch: Batch, states: States, ctx: Context
    ) -> tuple[States, Reader]:
        """Return the state before a window of data, and what runs it a few steps at a time.

        A network that decodes reads the source of the batch for it.
        """

        def read(xs: Array, states: States, resets: Array, ctx: Context) -> tuple[Array, States]:
            return self.scan(params, xs, states, resets, ctx)[:2]

        return states, read

    def visits(
        self, params: Mapping[str, Params], batch: Batch, states: States, ctx: Context
    ) -> Iterator[Visit]:
        """Yield each layer with what it reads in a window; it is run there, or else after it."""
        xs = batch.inputs
        for name, layer in self.named:
            state = states.get(name, ())
            visit = Visit(name, layer, params[name], xs, state, batch.resets, ctx.at(name))
            yield visit
            xs, _ = visit.done()

    def learn(
        self,
        params: Mapping[str, Params],
        grads: Mapping[str, Grads],
        batch: Batch,
        states: States,
        ctx: Context,
    ) -> tuple[float, float, States]:
        """Add the gradient of a window's summed loss to `grads`; return (total, weight, states).

        The last layer and the loss are one where the layer is linear and the loss offers it.
        """
        ctx = ctx.but(learns_below=False)
        return self.learn_piece(params, grads, batch, states, None, ctx)[:3]

    def learn_piece(
        self,
        params: Mapping[str, Params],
        grads: Mapping[str, Grads],
        batch: Batch,
        states: States,
        dstates: States | None,
        ctx: Context,
    ) -> Learned:
        """Learn from a piece of a window; `dstates` is the gradient of the state after it.

        None stands for zeros: the piece is the window's last, or all of it.
        """
        xs, after, backward = self.body.scan(params, batch.inputs, states, batch.resets, ctx)
        name, last = self.named[-1]
        before: States = {}
        found = self._fused(params, grads, xs, batch, ctx)
        if found is None:
            learns = ctx.learns_below or bool(self.body.reached)
            own = states.get(name, ())
            above = ctx.at(name, learns_below=learns, learns=name in self.learning)
            ys, state, last_backward = scanned(last, params[name], xs, own, batch.resets, above)
            own_ctx = loss_context(ctx, batch)
            total, weight, slope = self.loss.counted(ys, batch.targets, batch.weights, own_ctx)
            dstate = zero_state(state) if dstates is None else dstates.get(name, ())
            dxs, dstate = last_backward(slope(), dstate, grads[name])
            if name in states:
                after[name], before[name] = state, dstate
        else:
            total, weight, dxs = found
        if dxs is not None:
            ends = zero_states(after) if dstates is None else dstates
            dxs, below = backward(dxs, ends, grads)
            before |= below
        # No gradient reaches what lies below a layer of ids.
        dbefore = {n: before[n] if n in before else zero_state(states[n]) for n in states}
        return Learned(total, weight, after, dbefore, dxs)

    def _fused(
        self,
        params: Mapping[str, Params],
        grads: Mapping[str, Grads],
        xs: Array,
        batch: Batch,
        ctx: Context,
    ) -> tuple[float, float, Array] | None:
        name, last = self.named[-1]
        own = stands_for(last, "linear", "forward", "scan")
        if not own or not stands_for(self.loss, "fused", "forward"):
            return None
        linear, slopes = last.linear(params[name]), last.linear(grads[name])
        if linear is None or slopes is None:
            return None
        own_ctx = loss_context(ctx, batch)
        return self.loss.fused(xs, *linear, batch.targets, batch.weights, *slopes, own_ctx)


def loss_context(ctx: Context, batch: Batch) -> Context:
    """Return the context of the loss, which knows where sequences start and which steps count."""
    return ctx.but(valid=batch.valid, resets=batch.resets)


def cut_window(steps: int, size: int) -> list[slice]:
    """Cut a window into pieces of `size` steps; only the last may be shorter."""
    return [slice(start, min(start + size, steps)) for start in range(0, steps, size)]
