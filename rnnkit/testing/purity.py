"""Checks that a layer harms nothing it is given, and that what it returns lasts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.lib.array_utils import byte_bounds

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.returned import is_own
from rnnkit.testing.compare import SINGLE, Close, Comparison, Condition, Equal, apart, close
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import FLOAT32, FLOAT64, Subject
from rnnkit.testing.window import (
    NamedArrays,
    Window,
    behind,
    forward_backward,
    numbered,
    scan_window,
)
from rnnkit.types import Array, Backward, Grads, State

METHODS = ("scan", "step", "mix", "forward")
"""What runs a window, the one that is called first where a class has several."""

LARGE = 100
"""Times the usual numbers: where a clamp that is written back shows."""


def unharmed(subject: Subject) -> Iterator[Comparison]:
    """Forward and backward change nothing they are given; backward no output either."""
    layer, forward = subject.layer, written_by(subject.layer)
    ways = itertools.product((FLOAT64, FLOAT32), (False, True), (True, False))
    for dtype, resets, train in ways:
        window = subject.window(dtype=dtype, train=train, resets=resets)
        given = remembered(window.arrays)
        ys, state, backward = scan_window(layer, window)
        yield from given(forward)
        gave = remembered(named_outputs(ys, state))
        backward(window["dys"], window.parts("dstate"), window.zero_grads())
        yield from given("backward")
        yield from gave("backward")
        yield from _asked(layer, window)
        yield from _unclamped(layer, window)


def _asked(layer: Layer, window: Window) -> Iterator[Comparison]:
    """What a layer is asked besides changes nothing either."""
    given, params, xs, own = remembered(window.arrays), window.params(), window["xs"], type(layer)
    if "gate_values" in vars(own):
        layer.gate_values(params, xs[0], window.parts("state"))
        yield from given(f"{own.__name__}.gate_values")
    layer.looks(params, xs, window.ctx)
    yield from given(f"{own.__name__}.looks")


def _unclamped(layer: Layer, window: Window) -> Iterator[Comparison]:
    """Large numbers stay as they are too; what a layer gives for them is not looked at."""
    large = {n: a * LARGE if a.dtype.kind == "f" else a.copy() for n, a in window.arrays.items()}
    window = window.having(large)
    given = remembered(window.arrays)
    with np.errstate(all="ignore"), suppress(Exception):  # which it may refuse
        scan_window(layer, window)
    yield from given(written_by(layer))


def alias(subject: Subject) -> Iterator[Comparison]:
    """What a layer returns shares no memory with what it was given, or returned before.

    The engine keeps the state for the next window and may overwrite what it passed in once the
    window is closed. Outputs may be the inputs: an identity costs nothing.
    """
    window = subject.window()
    for piece in (window, window.steps(0, 1)):
        ys, state, _ = scan_window(subject.layer, piece)
        yield from own_memory(ys, state, piece)
    one, two = (subject.layer.initial_state(subject.inputs, 2, FLOAT64) for _ in range(2))
    for index, (a, b) in enumerate(zip(one, two, strict=True)):
        yield apart(f"the initial state[{index}]", a, "that of another call", b)


def lasting(subject: Subject) -> Iterator[Comparison]:
    """What a layer returned stays as it is while the next window is run, gradients too."""
    for train in (True, False):
        window = subject.window(train=train)
        ys, state, backward = scan_window(subject.layer, window)
        gave = remembered(named_outputs(ys, state) | _slopes(backward, window))
        later = subject.window(train=train, draw=1).having(numbered("state", state))
        _slopes(scan_window(subject.layer, later)[2], later)
        yield from gave("another window")


def _slopes(backward: Backward, window: Window) -> NamedArrays:
    """Return the very arrays that backward gives, by what they are called."""
    dxs, dstate = backward(window["dys"], window.parts("dstate"), window.zero_grads())
    found = {f"the gradient of the state[{at}]": array for at, array in enumerate(dstate)}
    return found if dxs is None else found | {"the gradient of the inputs": dxs}


def accumulates(subject: Subject) -> Iterator[Comparison]:
    """Backward adds to the very arrays of `grads`: no rebinding, no overwriting, no new names."""
    for dtype in (FLOAT64, FLOAT32):
        window = subject.window(dtype=dtype, train=True, resets=True)
        if not window.params():
            raise Skipped("it has no parameters")
        zero = forward_backward(subject.layer, window)
        _, _, backward = scan_window(subject.layer, window)
        grads = {name: zero[f"grads.{name}"].copy() for name in window.params()}
        given = dict(grads)
        backward(window["dys"], window.parts("dstate"), grads)
        yield from in_place(given, grads)
        for name, array in given.items():
            wanted = 2 * zero[f"grads.{name}"]
            yield Close(f"grads[{name!r}], added to itself", array, wanted, SINGLE)


def twice(subject: Subject) -> Iterator[Comparison]:
    """Backward gives the same again, also after another window has run in between."""
    for dtype in (FLOAT64, FLOAT32):
        window = subject.window(dtype=dtype, train=True, resets=True)
        other = subject.window(dtype=dtype, train=True, draw=1)
        _, _, backward = scan_window(subject.layer, window)
        first = behind(backward, window)
        yield from close(behind(backward, window), first, SINGLE, " of the second call")
        _, _, between = scan_window(subject.layer, other)
        behind(between, other)
        yield from close(behind(backward, window), first, SINGLE, " after another window")


def remembered(arrays: Mapping[str, Array]) -> Callable[[str], Iterator[Comparison]]:
    """Return what tells later whether the arrays are as they are now: `unchanged(by)`."""
    before = {name: array.copy() for name, array in arrays.items()}

    def unchanged(by: str) -> Iterator[Comparison]:
        for name, array in before.items():
            same = np.array_equal(arrays[name], array, equal_nan=True)
            yield Condition(same, f"{by} changed {_in_words(name)}")

    return unchanged


def written_by(layer: Layer) -> str:
    """Return the method that runs a window, as its author knows it; inside a wrapper of ours too.

    Such as "MGU.mix": the base classes write the loop around it.
    """
    strangers = (inner for inner in layer.inner().values() if not is_own(inner))
    if is_own(layer) and (inner := next(strangers, None)):
        return written_by(inner)
    for cls in type(layer).__mro__:
        for name in METHODS:
            if name in vars(cls):
                return f"{cls.__name__}.{name}"
    return "forward"


def own_memory(ys: Array, state: State, window: Window) -> Iterator[Comparison]:
    """Outputs share memory with nothing given but the inputs, the arrays of a state with none.

    A state may be a view of the outputs: who keeps it copies it.
    """
    returned = [*named_outputs(ys, state).items()]
    arrays = [*returned, *window.arrays.items()]
    for one, two in sorted(_meeting([array for _, array in arrays])):
        (name, array), (other, twin) = arrays[one], arrays[two]
        both = two < len(returned)
        if one < len(returned) and (one > 0 or not (both or other == "xs")):
            yield apart(name, array, other if both else _in_words(other), twin)
    yield Condition(True, "no others meet")


def _meeting(arrays: Sequence[Array]) -> Iterator[tuple[int, int]]:
    """Yield the places of two arrays whose bytes may meet, the lower one first.

    Of thousands of arrays hardly any do, and not all pairs are looked at.
    """
    bounds = [byte_bounds(array) for array in arrays]
    reached: list[int] = []
    for place in sorted(range(len(arrays)), key=lambda place: bounds[place]):
        reached = [other for other in reached if bounds[other][1] > bounds[place][0]]
        yield from ((min(place, other), max(place, other)) for other in reached)
        reached.append(place)


def in_place(given: Mapping[str, Array], grads: Grads) -> Iterator[Comparison]:
    """Backward left the very arrays of `grads` in their places."""
    yield Equal("names in grads", sorted(grads), sorted(given))
    for name, array in given.items():
        broken = f'backward replaced an entry of grads (write grads["W"] += ...): {name}'
        yield Condition(grads[name] is array, broken)


def named_outputs(ys: Array, state: State) -> NamedArrays:
    """Return outputs and state by what they are called."""
    return {"the output": ys, **{f"the state[{at}]": array for at, array in enumerate(state)}}


def _in_words(name: str) -> str:
    """Return what an array of a window is called; others have such a name already."""
    kind, _, rest = name.partition(".")
    words = {"xs": "its inputs", "params": "its parameters", "state": "its state"}.get(kind, kind)
    return f"{words}: {rest}" if rest else words
