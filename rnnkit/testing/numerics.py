"""Checks of numbers: their type, their precision, and what becomes of NaN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnkit.testing.compare import EXACT, SINGLE, Comparison, Equal, close
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import FLOAT32, FLOAT64, STREAMS, Subject
from rnnkit.testing.window import NamedArrays, Window, forward_backward, pick_streams
from rnnkit.types import Array


def dtype(subject: Subject) -> Iterator[Comparison]:
    """What goes in as float32 comes out as float32 everywhere, and float64 as float64."""
    for kind in (FLOAT32, FLOAT64):
        initial = subject.layer.initial_state(subject.inputs, 2, kind)
        yield Equal("types of the initial state", {a.dtype for a in initial} - {kind}, set())
        for train in (True, False):
            window = subject.window(dtype=kind, train=train, resets=True)
            for name, array in forward_backward(subject.layer, window).items():
                yield Equal(f"type of {name}", array.dtype.name, kind.name)


def precision(subject: Subject) -> Iterator[Comparison]:
    """Float32 gives what float64 gives, values and gradients."""
    single = forward_backward(subject.layer, subject.window(dtype=FLOAT32, resets=True))
    double = forward_backward(subject.layer, subject.window(dtype=FLOAT64, resets=True))
    yield from close(single, double, SINGLE, note=" in float32")


def nan(subject: Subject) -> Iterator[Comparison]:
    """What depends on a number becomes NaN with it, and nothing in the other streams does.

    Values depend on inputs, parameters and state; gradients on the gradients that come in.
    """
    window = subject.window()
    before = forward_backward(subject.layer, window)
    found = False
    with np.errstate(all="ignore"):
        for name, array in window.arrays.items():
            results = _downstream(name, before)
            if results and array.dtype == FLOAT64:
                found = True
                yield from _poisoned(subject, window, before, name, results)
    if not found:
        raise Skipped("nothing it gives depends on a number that it is given")


def _downstream(name: str, results: NamedArrays) -> list[str]:
    kind = name.partition(".")[0]
    values, gradients = ("ys", "state."), ("dxs", "dstate.", "grads.")
    kinds = values if kind in ("xs", "params", "state") else gradients
    return [result for result in results if result.startswith(kinds)]


def _poisoned(
    subject: Subject, window: Window, before: NamedArrays, name: str, results: list[str]
) -> Iterator[Comparison]:
    place = _place(name)
    moved = forward_backward(
        subject.layer, window.having({name: _changed(window[name], place, 1.0)})
    )
    poisoned = forward_backward(
        subject.layer, window.having({name: _changed(window[name], place, np.nan)})
    )
    for result in results:
        depends = np.abs(moved[result] - before[result]) > EXACT
        swallowed = int((depends & ~np.isnan(poisoned[result])).sum())
        yield Equal(f"numbers of {result} that a NaN in {name} does not reach", swallowed, 0)
    if not name.startswith("params."):
        others = pick_streams({key: poisoned[key] for key in results}, range(1, STREAMS))
        reached = [key for key, array in others.items() if np.isnan(array).any()]
        yield Equal(f"results of other streams that a NaN in {name} reaches", reached, [])


def _place(name: str) -> tuple[int, ...]:
    """Return where to put the NaN: one number of the first stream; all of a parameter."""
    if name.startswith("params."):
        return ()
    return (1, 0, 0) if name in ("xs", "dys") else (0, 0)


def _changed(array: Array, place: tuple[int, ...], by: float) -> Array:
    changed = array.copy()
    changed[place] += by
    return changed
