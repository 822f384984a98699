"""Checks of backward against forward: derivatives along random directions, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.testing.compare import Comparison, Slope, close
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import Subject
from rnnkit.testing.window import NamedArrays, Window, ahead, forward_backward

STEP = 1e-5
"""Of the central difference: in float64 both its errors are then below 1e-9."""

DIRECTIONS = 2


def input_gradient(subject: Subject) -> Iterator[Comparison]:
    """The gradient of the inputs, training and not."""
    if subject.inputs.ids:
        raise Skipped("it reads ids")
    yield from _both_modes(subject, "xs")


def parameter_gradient(subject: Subject) -> Iterator[Comparison]:
    """The gradient of every parameter, training and not."""
    if not subject.layer.declared(subject.inputs):
        raise Skipped("it has no parameters")
    yield from _both_modes(subject, "params.")


def state_gradient(subject: Subject) -> Iterator[Comparison]:
    """The gradient of every array of the state that enters the window, training and not."""
    if not subject.layer.state_sizes(subject.inputs):
        raise Skipped("it has no state")
    yield from _both_modes(subject, "state.")


def nothing_below(subject: Subject) -> Iterator[Comparison]:
    """Gradients of the inputs with nothing below, of frozen parameters: no others are left out."""
    window = subject.window(train=True, resets=True)
    whole = forward_backward(subject.layer, window)

    def told(ctx: Context) -> NamedArrays:
        return forward_backward(subject.layer, replace(window, ctx=ctx))

    found = told(replace(window.ctx, learns_below=False))
    wanted = {name: array for name, array in whole.items() if name != "dxs" or name in found}
    yield from close(found, wanted, note=" with learns_below=False")
    found = told(replace(window.ctx, learns=False))
    kept = [name for name in whole if name == "grads.memory" or not name.startswith("grads.")]
    wanted = {name: whole[name] for name in kept}
    yield from close({name: found[name] for name in kept}, wanted, note=" with learns=False")


def slopes(subject: Subject, window: Window, prefix: str, note: str) -> Iterator[Comparison]:
    """Compare the directional derivatives of the arrays whose names start with `prefix`."""
    gradients = forward_backward(subject.layer, window)
    random = np.random.default_rng([subject.seed, 2])
    for name in window.arrays:
        if name.startswith(prefix):
            for _ in range(DIRECTIONS):
                along = random.standard_normal(window[name].shape)
                analytic = float(np.vdot(gradients[_gradient_of(name)], along))
                numeric = slope(subject.layer, window, {name: along})
                yield Slope(f"{name} ({note})", analytic, numeric)


def slope(layer: Layer, window: Window, along: NamedArrays) -> float:
    """Return the derivative of sum(ys dys) + sum(state dstate) along a direction of the inputs."""

    def value(step: float) -> float:
        moved = window.having({name: window[name] + step * v for name, v in along.items()})
        found = ahead(layer, moved)
        total = np.vdot(found["ys"], window["dys"])
        for index, weight in enumerate(window.parts("dstate")):
            total = total + np.vdot(found[f"state.{index}"], weight)
        return float(total)

    return (value(STEP) - value(-STEP)) / (2 * STEP)


def _both_modes(subject: Subject, prefix: str) -> Iterator[Comparison]:
    yield from slopes(subject, subject.window(train=True), prefix, "training")
    yield from slopes(subject, subject.window(draw=1), prefix, "evaluation")


def _gradient_of(name: str) -> str:
    kind, _, rest = name.partition(".")
    return {"xs": "dxs", "state": f"dstate.{rest}", "params": f"grads.{rest}"}[kind]
