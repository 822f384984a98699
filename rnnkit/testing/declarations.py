"""Checks of what a layer declares: its JSON, parameters, state sizes and widths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnnkit.contracts.cell import Cell
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block
from rnnkit.core.signal import Signal
from rnnkit.testing.compare import Comparison, Equal, expected, form
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import FLOAT64, STEPS, STREAMS, Subject
from rnnkit.testing.window import NamedArrays, Window, ahead, scan_window
from rnnkit.types import Array, DType, Shape, State


def json_round_trip(subject: Subject) -> Iterator[Comparison]:
    """The layer, written as JSON and read again, is the same block."""
    layer = subject.layer
    catalog = _Catalog(layer)
    again = type(layer).model_validate_json(layer.model_dump_json(), context={"catalog": catalog})
    yield Equal("the block read again", again, layer)
    yield Equal("type", type(layer).model_fields["type"].default, layer.type)


def params(subject: Subject) -> Iterator[Comparison]:
    """The layer reads no parameter that it does not declare."""
    yield Equal("a parameter that is read but not declared", _undeclared(subject), None)


def state_sizes(subject: Subject) -> Iterator[Comparison]:
    """The initial and the returned state are tuples of (B, n) arrays of the declared widths."""
    layer, first = subject.layer, subject.first(np.random.default_rng(subject.seed))
    declared = [(STREAMS, n) for n in layer.state_sizes(subject.inputs)]
    initial = layer.initial_state(subject.inputs, STREAMS, FLOAT64)
    yield from state_form("the initial state", initial, declared, FLOAT64)
    _, state, _ = scan_window(layer, first)
    yield from state_form("the state", state, declared, FLOAT64)


def output(subject: Subject) -> Iterator[Comparison]:
    """The outputs are a contiguous (T, B, F) array of the declared width, known or unknown."""
    ys, _, _ = scan_window(subject.layer, subject.first(np.random.default_rng(subject.seed)))
    yield from sequence_form("the output", ys, (STEPS, STREAMS, subject.outputs.known()), FLOAT64)
    unknown = subject.layer.output(Signal(None, subject.inputs.ids))
    yield Equal(f"{unknown} fits {subject.outputs}", unknown.fits(subject.outputs), True)


def gradient_shapes(subject: Subject) -> Iterator[Comparison]:
    """Backward gives gradients in the shapes of the inputs (None for ids) and of the state."""
    window = subject.window()
    _, _, backward = scan_window(subject.layer, window)
    dxs, dstate = backward(window["dys"], window.parts("dstate"), window.zero_grads())
    yield from gradient_form(dxs, dstate, window)


def sequence_form(
    what: str, array: Any, shape: Shape, dtype: DType, finite: bool = False
) -> Iterator[Comparison]:
    """An array (T, B, F) whose numbers lie in their order."""
    yield from form(what, array, shape, dtype, finite)
    yield Equal(f"{what} is C-contiguous", array.flags.c_contiguous, True)


def state_form(
    what: str, state: State, shapes: Sequence[Shape], dtype: DType, finite: bool = False
) -> Iterator[Comparison]:
    """A tuple of arrays of these shapes."""
    yield expected(what, isinstance(state, tuple), "a tuple", type(state).__name__)
    yield expected(what, len(state) == len(shapes), f"{len(shapes)} arrays", len(state))
    for index, (array, shape) in enumerate(zip(state, shapes, strict=True)):
        yield from form(f"{what}[{index}]", array, shape, dtype, finite)


def gradient_form(dxs: Array | None, dstate: State, window: Window) -> Iterator[Comparison]:
    """What backward returns has the form of what forward was given; there is none of ids."""
    xs, state, dtype = window["xs"], window.parts("state"), window.ctx.dtype
    if xs.ndim == 3:
        yield from sequence_form("the gradient of the inputs", dxs, xs.shape, dtype)
    else:
        yield Equal("the gradient of ids", dxs, None)
    shapes = [array.shape for array in state]
    yield from state_form("the gradient of the state", dstate, shapes, dtype)


def used(subject: Subject) -> Iterator[Comparison]:
    """The outputs or the final state depend on every parameter and every state array.

    The first state of a cell is its output, which a step need not read: it is kept for the layer
    above and for what is asked of a model.
    """
    window = subject.window()
    names = [name for name in window.arrays if name.startswith(("params.", "state."))]
    if isinstance(subject.layer, Cell):
        names = [name for name in names if name != "state.0"]
    if not names:
        raise Skipped("it has no parameters and no state")
    before = ahead(subject.layer, window)
    random = np.random.default_rng(subject.seed)
    for name in names:
        moved = window[name] + random.uniform(0.1, 0.5, window[name].shape)
        after = ahead(subject.layer, window.having({name: moved}))
        changed = any((after[result] != before[result]).any() for result in after)
        yield Equal(f"the result depends on {name}", changed, True)


def _undeclared(subject: Subject) -> str | None:
    seen = _Reads()
    first = subject.first(np.random.default_rng(subject.seed))
    try:
        ys, state, backward = subject.layer.scan(
            seen.over(first), first["xs"], first.parts("state"), None, first.ctx
        )
        backward(np.ones_like(ys), tuple(map(np.ones_like, state)), seen.over(first))
    except Exception:
        # Whatever else is wrong is the business of the check that names it.
        return seen.missing
    return None


class _Reads:
    """Remembers the first name that was asked for in vain."""

    def __init__(self) -> None:
        self.missing: str | None = None

    def over(self, window: Window) -> NamedArrays:
        reads = self

        class Reading(dict[str, Array]):
            def __missing__(self, name: str) -> Array:
                reads.missing = reads.missing or name
                raise KeyError(name)

        return Reading({name: array.copy() for name, array in window.params().items()})


class _Catalog:
    """Finds the classes inside a wrapper, installed or not, and then those that are installed."""

    def __init__(self, layer: Layer) -> None:
        self._inner = dict(_types(layer))

    def find(self, group: str, name: str) -> type[Block]:
        """Return the class of a type name."""
        return self._inner.get(name) or Registry().find(group, name)


def _types(layer: Layer) -> Iterator[tuple[str, type[Layer]]]:
    inner: Mapping[str, Layer] = layer.inner()
    for each in inner.values():
        yield each.type, type(each)
        yield from _types(each)
