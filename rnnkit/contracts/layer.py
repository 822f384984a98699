"""The contract of a layer: a validated JSON block with pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np

from rnnkit.compute.stack.stages import Stages
from rnnkit.core.block import Block, Name, nested, stands_for
from rnnkit.core.context import Context
from rnnkit.core.initializers import Identity, Init, Orthogonal, Vectors
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.types import Array, Backward, DType, Grads, Params, State


class Layer(Block):
    """A frozen record of its fields, which are its JSON keys.

    A subclass declares `type`, its own fields, and at least `output` and `forward`. Layers with
    parameters add `params`, layers with a hidden state `state_sizes`. `causal` is False where an
    output depends on later inputs; the kit, and the first window of a run, measure it.
    """

    entry_group: ClassVar[str] = "rnnkit.layers"
    causal: ClassVar[bool] = True
    reads_memory: ClassVar[bool] = False
    """True where the layer reads what an encoder gave: `params["memory"]` (S, B, F)."""
    couples_streams: ClassVar[bool] = False
    """True where one stream's outputs depend on another's: a window is then not cut into shards."""

    name: Name | None = None
    init: dict[str, Init] = {}

    def output(self, inputs: Signal) -> Signal:
        """Return what the layer gives for `inputs`; raises ShapeError for what it cannot take."""
        raise NotImplementedError(f"{type(self).__name__}.output")

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters by name."""
        return {}

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Return the width n of each (B, n) array of the hidden state; () without one."""
        return ()

    def initial_state(self, inputs: Signal, batch: int, dtype: DType) -> State:
        """Return the state before the first step: zeros, unless the layer says otherwise."""
        return tuple(np.zeros((batch, n), dtype) for n in self.state_sizes(inputs))

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run `xs` (T, B, F), or ids (T, B), from `state`; return (ys, state, backward)."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run `forward`, each stream starting anew before the steps where `resets` (T, B) is true.

        No gradient crosses a reset. This default cuts the window at every reset and runs the pieces
        one after the other; wrappers and layers that are not causal override it.
        """
        if resets is None or not state or not resets.any():
            return self.forward(params, xs, state, ctx)
        return _scan_in_pieces(self, params, xs, state, resets, ctx)

    def run(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State]:
        """Return (ys, state) as `scan` does, where nobody asks for a way back.

        Wrappers run what they hold by `run_layer`, which keeps less. It is not asked where a
        subclass has a `forward` or `scan` of its own.
        """
        return self.scan(params, xs, state, resets, ctx)[:2]

    def linear(self, arrays: Mapping[str, Array]) -> tuple[Array, Array | None] | None:
        """Return (W, b) where the layer is ys = xs W + b, b None without one; else None.

        `arrays` holds the parameters by name, or their gradients: the answer is views of them. It
        is not asked where a subclass has a `forward` of its own.
        """
        return None

    def resolve(
        self, inputs: Signal, target: Signal | None = None, memory: Signal | None = None
    ) -> Layer:
        """Return the layer with every width that its spec left to what stands around it.

        `target` is only given to the last layer, `memory`, what an encoder gives, only to those of
        a decoder. A width that is not known yet changes nothing. Raises ShapeError for another one
        than the spec says.
        """
        return self

    def looks(self, params: Params, xs: Array, ctx: Context) -> Array | None:
        """Return how much each step looks at each of an encoder's (B, T, S), rows summing to 1.

        None where the layer does not look back.
        """
        return None

    def tied_to(self) -> str | None:
        """Return the name of the layer whose parameters this one shares, transposed."""
        return None

    def stages(self, inputs: Signal) -> Stages | None:
        """Return what compiled inference does with a row of values; None: it calls `run`.

        It is then the whole of what the layer does when it does not train, by parameters that are
        named. Only a method of the layer's own class is asked, or an `inherited` one: a subclass
        may do something else.
        """
        return None

    def state_names(self) -> tuple[str, ...]:
        """Return what the arrays of the state are called, in their order; the first is h."""
        return ("h",)

    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        """Return the gates (N, n) by name, each from 0 to 1, at N steps that need not be in a row.

        `xs` (N, F) are the inputs of the steps and `state`, arrays (N, n), is what entered them. A
        layer that tells nothing has none; as with `stages`, only its own class is asked, but for
        an `inherited` one.
        """
        return {}

    def inner(self) -> Mapping[str, Layer]:
        """Return the layers that a wrapper holds, by the prefix of their parameters.

        Whatever stands in a field is one of them, a layer of several under `field.0`, `field.1`.
        """
        held: dict[str, Layer] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            several = value if isinstance(value, tuple) else ()
            named = {name: value} | {f"{name}.{at}": each for at, each in enumerate(several)}
            held |= {key: each for key, each in named.items() if isinstance(each, Layer)}
        return held

    def declared(self, inputs: Signal) -> Declaration:
        """Return `params` with the initializers that the spec chose."""
        declaration = dict(self.params(inputs))
        for name, init in self.init.items():
            spec = declaration.get(name)
            if not isinstance(spec, ParamSpec):
                own = [
                    n for n, s in declaration.items() if isinstance(s, ParamSpec) and "." not in n
                ]
                raise ShapeError(
                    f"init names {name!r}, which is no parameter of this layer "
                    f"({'it has ' + ', '.join(own) if own else 'it has none of its own'})"
                )
            if len(spec.shape) != 2 and isinstance(init, Orthogonal | Identity):
                raise ShapeError(
                    f"init gives {name} the start {init.type!r}, which is one of matrices, but "
                    f"{name} is a vector (leave it out, or take another)"
                )
            if isinstance(init, Vectors):  # which are read over what is drawn as usual
                _check_rows(name, spec, inputs)
                continue
            declaration[name] = ParamSpec(spec.shape, init, spec.decay, spec.gates)
        return declaration


def _check_rows(name: str, spec: ParamSpec, inputs: Signal) -> None:
    """Raise ShapeError where a parameter has no row for each token."""
    if not inputs.ids or len(spec.shape) != 2 or spec.shape[0] != inputs.width:
        raise ShapeError(
            f"init gives {name} vectors of words, but it has no row for each token "
            "(leave it out, or take another)"
        )


Method = TypeVar("Method", bound=Callable[..., Any])
_INHERITED: set[Callable[..., Any]] = set()

LayerBlock = Annotated[Layer, nested("rnnkit.layers")]
"""The field of a wrapper that holds the inner layer."""


def sees_future(layer: Layer) -> bool:
    """Tell whether an output of the layer, or of one inside it, depends on later inputs."""
    return not layer.causal or any(map(sees_future, layer.inner().values()))


def couples_streams(layer: Layer) -> bool:
    """Tell whether the layer, or one inside it, mixes what different streams read."""
    return layer.couples_streams or any(map(couples_streams, layer.inner().values()))


def inherited(method: Method) -> Method:
    """Mark a method that speaks for subclasses too, made from whatever they declare.

    Only for those that leave `forward` and `scan` as they are.
    """
    _INHERITED.add(method)
    return method


def may_ask(layer: Layer, method: str) -> bool:
    """Tell whether a method is of the layer's own class, or `inherited` and still true."""
    kind = type(layer)
    known = getattr(kind, method) in _INHERITED and stands_for(layer, method, "forward", "scan")
    return known or method in vars(kind)


def gates_of(layer: Layer, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
    """Return `Layer.gate_values`, empty where it may not speak for the class of the layer."""
    return layer.gate_values(params, xs, state) if may_ask(layer, "gate_values") else {}


def prefixed(views: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the views of an inner layer: those that start with `prefix` and a dot, without it."""
    start = prefix + "."
    return {name[len(start) :]: view for name, view in views.items() if name.startswith(start)}


def initial_rows(state: State, initial: State, reset: Array) -> State:
    """Return the state with the rows where `reset` (B,) is true replaced by the initial ones."""
    rows = reset[:, None]
    return tuple(np.where(rows, start, now) for now, start in zip(state, initial, strict=True))


def stopped_rows(dstate: State, reset: Array) -> State:
    """Return the gradient of a state with the rows where `reset` (B,) is true set to zero."""
    keep = ~reset[:, None]
    return tuple(np.where(keep, d, np.zeros((), d.dtype)) for d in dstate)


def signal_of(xs: Array) -> Signal:
    """Return the signal of a window (T, B, F), or of ids (T, B)."""
    return Signal(None, ids=True) if xs.ndim == 2 else Signal(xs.shape[2])


def _scan_in_pieces(
    layer: Layer, params: Params, xs: Array, state: State, resets: Array, ctx: Context
) -> tuple[Array, State, Backward]:
    steps, batch = xs.shape[:2]
    initial = layer.initial_state(signal_of(xs), batch, state[0].dtype)
    cuts = [0, *(t for t in range(1, steps) if resets[t].any()), steps]
    outputs: list[Array] = []
    pieces: list[tuple[slice, Backward]] = []
    for start, stop in zip(cuts, cuts[1:], strict=False):
        state = initial_rows(state, initial, resets[start])
        ys, state, backward = layer.forward(params, xs[start:stop], state, ctx.later(start))
        outputs.append(ys)
        pieces.append((slice(start, stop), backward))

    def backward_pieces(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        parts: list[Array] = []
        for piece, backward in reversed(pieces):
            dxs, dstate = backward(dys[piece], dstate, grads)
            dstate = stopped_rows(dstate, resets[piece.start])
            if dxs is not None:
                parts.append(dxs)
        return (np.concatenate(parts[::-1]) if parts else None), dstate

    return np.concatenate(outputs), state, backward_pieces
