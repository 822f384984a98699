"""A stack of layers over two consecutive windows, as named arrays: rnnkit's side of the parity.

Given: xs, dys (window, T, B, F); params.LAYER.NAME; start.LAYER.I, the state before the first
window; dstate.WINDOW.LAYER.I. Found: ys, dxs; state.WINDOW.LAYER.I; dstart.WINDOW.LAYER.I, the
gradient of the state that enters a window; grads.WINDOW.LAYER.NAME. The state of the first window
starts the second; no gradient crosses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from layer_examples import build

from rnnkit.contracts.layer import Layer, prefixed
from rnnkit.core.context import Context, Pool
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, State

Arrays = dict[str, Array]
Block = dict[str, Any]

WINDOWS = 2


def signals(layers: Sequence[Layer], inputs: Signal) -> list[Signal]:
    """Return what each layer reads, and what the last one gives."""
    found = [inputs]
    for layer in layers:
        found.append(layer.output(found[-1]))
    return found


def draw(blocks: Sequence[Block], inputs: Signal, steps: int, streams: int, seed: int) -> Arrays:
    """Return what is given, all of it distinct random numbers."""
    random = np.random.default_rng(seed)
    layers = [build(block) for block in blocks]
    reads = signals(layers, inputs)
    shape = (WINDOWS, steps, streams)
    given: Arrays = {
        "xs": random.integers(inputs.known(), size=shape).astype(np.int32)
        if inputs.ids
        else random.standard_normal((*shape, inputs.known())),
        "dys": random.standard_normal((*shape, reads[-1].known())),
    }
    for k, layer in enumerate(layers):
        for name, spec in layer.declared(reads[k]).items():
            given[f"params.{k}.{name}"] = 0.5 * random.standard_normal(spec.shape)
        for i, n in enumerate(layer.state_sizes(reads[k])):
            given[f"start.{k}.{i}"] = random.standard_normal((streams, n))
            for window in range(WINDOWS):
                given[f"dstate.{window}.{k}.{i}"] = random.standard_normal((streams, n))
    return given


def rnnkit_results(blocks: Sequence[Block], given: Arrays) -> Arrays:
    """Return what rnnkit finds."""
    layers = [build(block) for block in blocks]
    states = [parts(given, f"start.{k}") for k in range(len(layers))]
    found: Arrays = {}
    outputs, inputs = [], []
    for window in range(WINDOWS):
        ctx = Context(dtype=given["dys"].dtype, pool=Pool(fill=math.nan))
        ys, backwards = given["xs"][window], []
        for k, layer in enumerate(layers):
            params = prefixed(given, f"params.{k}")
            ys, states[k], backward = layer.scan(params, ys, states[k], None, ctx)
            backwards.append(backward)
            found |= {f"state.{window}.{k}.{i}": array for i, array in enumerate(states[k])}
        outputs.append(ys)
        inputs.append(_back(backwards, given, window, found))
    found["ys"] = np.stack(outputs)
    if inputs[0] is not None:
        found["dxs"] = np.stack(inputs)
    return found


def parts(arrays: Arrays, prefix: str) -> State:
    """Return the arrays prefix.0, prefix.1, ... as a tuple."""
    return tuple(prefixed(arrays, prefix).values())


def assert_close(found: Arrays, wanted: Arrays, hint: str = "", tolerance: float = 1e-10) -> None:
    """Compare all arrays by name."""
    assert sorted(found) == sorted(wanted), hint
    for name, array in wanted.items():
        np.testing.assert_allclose(
            found[name], array, rtol=tolerance, atol=tolerance, err_msg=f"{name}\n{hint}"
        )


def _back(backwards: Sequence[Backward], given: Arrays, window: int, found: Arrays) -> Any:
    dys: Any = given["dys"][window]
    for k in reversed(range(len(backwards))):
        grads = {n: np.zeros_like(p) for n, p in prefixed(given, f"params.{k}").items()}
        dys, dstart = backwards[k](dys, parts(given, f"dstate.{window}.{k}"), grads)
        found |= {f"grads.{window}.{k}.{name}": array for name, array in grads.items()}
        found |= {f"dstart.{window}.{k}.{i}": array for i, array in enumerate(dstart)}
    return dys
