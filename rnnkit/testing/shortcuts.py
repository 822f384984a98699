"""Checks of what takes the place of a layer's own methods: compiled equations, a plain product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.window_arrays import flat
from rnnkit.contracts.cell import StepCell
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.layer import Layer
from rnnkit.core.block import stands_for
from rnnkit.core.context import Context
from rnnkit.testing.compare import Close, Comparison, close
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import Subject
from rnnkit.testing.window import Window, behind, forward_backward, numbered
from rnnkit.types import Array, Backward, Params, State

ScanMethod: TypeAlias = Callable[
    [Params, Array, State, Array | None, Context], tuple[Array, State, Backward]
]


def shortcuts(subject: Subject) -> Iterator[Comparison]:
    """Compiled equations give what NumPy gives, `scan` what `step`, `linear` what `forward`."""
    layer, window = subject.layer, subject.window(train=True, resets=True)
    if isinstance(layer, EquationCell) and kernels_available():
        yield from _scans(layer, window, layer.scan_by_numpy, "compiled equations")
    elif isinstance(layer, StepCell) and type(layer).scan is not StepCell.scan:
        yield from _scans(layer, window, partial(StepCell.scan, layer), "scan()")
    elif stands_for(layer, "linear", "forward", "scan") and (of := layer.linear(window.params())):
        yield from _linear(layer, window, *of)
    else:
        raise Skipped("it has no compiled equations, no scan() beside its step(), and no linear()")


def _scans(layer: Layer, window: Window, by_steps: ScanMethod, name: str) -> Iterator[Comparison]:
    ys, state, backward = by_steps(
        window.params(), window["xs"], window.parts("state"), window["resets"], window.ctx
    )
    wanted = {"ys": ys, **numbered("state", state), **behind(backward, window)}
    yield from close(forward_backward(layer, window), wanted, note=f" by {name}")


def _linear(layer: Layer, window: Window, W: Array, b: Array | None) -> Iterator[Comparison]:
    found, slopes = forward_backward(layer, window), window.zero_grads()
    xs, dys = flat(window["xs"]), flat(window["dys"])
    ys = xs @ W if b is None else xs @ W + b
    yield Close("xs W + b by linear()", ys, flat(found["ys"]))
    yield Close("dys W.T by linear()", dys @ W.T, flat(found["dxs"]))
    dW, db = layer.linear(slopes) or (np.zeros(0), None)
    dW += xs.T @ dys
    if db is not None:
        db += dys.sum(axis=0)
    for name, gradient in slopes.items():
        yield Close(f"gradient of {name} by linear()", gradient, found[f"grads.{name}"])
