"""Checks that a layer harms nothing it is given, and that what it returns lasts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from rnnkit.testing.compare import SINGLE, Close, Comparison, Equal, close
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import FLOAT32, FLOAT64, Subject
from rnnkit.testing.window import behind, forward_backward, numbered, scan_window
from rnnkit.types import Array


def unharmed(subject: Subject) -> Iterator[Comparison]:
    """Forward and backward change nothing they are given; backward no output either."""
    for dtype, resets in itertools.product((FLOAT64, FLOAT32), (False, True)):
        window = subject.window(dtype=dtype, train=True, resets=resets)
        before = _copies(window.arrays)
        ys, state, backward = scan_window(subject.layer, window)
        yield from _unchanged(before, window.arrays, "forward")
        outputs = {"ys": ys, **numbered("the returned state", state)}
        given = _copies(outputs)
        backward(window["dys"], window.parts("dstate"), window.zero_grads())
        yield from _unchanged(before, window.arrays, "backward")
        yield from _unchanged(given, outputs, "backward")


def alias(subject: Subject) -> Iterator[Comparison]:
    """A returned state shares no memory with anything given; an initial state is always new.

    The engine keeps the state for the next window and may overwrite what it passed in once the
    window is closed. Outputs may alias inputs: an identity costs nothing.
    """
    window = subject.window()
    if not window.parts("state"):
        raise Skipped("it has no state")
    for steps, piece in (("all steps", window), ("one step", window.steps(0, 1))):
        _, state, _ = scan_window(subject.layer, piece)
        for index, array in enumerate(state):
            shared = [k for k, given in piece.arrays.items() if np.shares_memory(array, given)]
            yield Equal(f"arrays whose memory state.{index} shares ({steps})", shared, [])
    one, two = (subject.layer.initial_state(subject.inputs, 2, FLOAT64) for _ in range(2))
    for index, (a, b) in enumerate(zip(one, two, strict=True)):
        yield Equal(f"two initial states share array {index}", np.shares_memory(a, b), False)


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
        yield Equal("names in grads", sorted(grads), sorted(given))
        for name, array in given.items():
            yield Equal(f"grads[{name!r}] is the array that was given", grads[name] is array, True)
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


def _copies(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def _unchanged(
    before: Mapping[str, Array], after: Mapping[str, Array], by: str
) -> Iterator[Comparison]:
    for name, array in before.items():
        yield Close(f"{name} after {by}", after[name], array, tolerance=0)
