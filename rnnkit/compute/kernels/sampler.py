"""Tokens one after the other from a plan: one call makes many.

The time goes into reading the weights once for every token. The pointwise part is that of training.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnnkit.compute.kernels import gru, lstm, rnn
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.kernel import WindowArrays
from rnnkit.compute.kernels.sample_choice import argmax, choose_id
from rnnkit.compute.kernels.sample_plan import AFFINE, GRU, LOOKUP, LSTM, RNN_TANH
from rnnkit.compute.kernels.shared_gemv import gemv

F = np.float32


@jit
def sample(
    program: Any,
    weights: Any,
    states: Any,
    outputs: int,
    token: int,
    drawn: Any,
    temperature: float,
    top_k: int,
    top_p: float,
    team: Any,
) -> Any:
    """Return the ids that follow `token`, one for each number drawn; the states go on.

    Ids are -1 from where the logits are not finite.
    """
    found, widest = np.empty(len(drawn), np.int64), 0
    for step in range(len(program)):
        widest = max(widest, program[step, 2])
    x, y, z = np.empty(widest, F), np.empty(widest, F), np.empty(widest, F)
    chances, ids = np.empty(outputs), np.empty(outputs, np.int64)
    for t in range(len(drawn)):
        logits = advance(program, weights, states, token, x, y, z, team)
        largest = argmax(logits, outputs)
        if not math.isfinite(logits[largest]):  # the first NaN, where there is one
            found[t:] = -1
            break
        token = choose_id(logits, largest, temperature, top_k, top_p, drawn[t], chances, ids)
        found[t] = token
    return found


@jit
def advance(
    program: Any, weights: Any, states: Any, token: int, x: Any, y: Any, z: Any, team: Any
) -> Any:
    """Run all steps for one id and return the last vector, which lies in x or y."""
    for step in range(len(program)):
        kind, rows, width = program[step, 0], program[step, 1], program[step, 2]
        place, units, state = program[step, 3], program[step, 4], program[step, 5]
        if kind == LOOKUP:
            for k in range(width):
                x[k] = weights[place + token * width + k]
        elif kind == AFFINE:
            gemv(weights, place, rows, width, x, y, team)
            x, y = y, x
        else:
            old = states[state : state + units]
            gemv(weights, place, rows, width, old, z, team)
            mix(kind, x, z, states[state:], units, weights[place + rows * width :])
            for k in range(units):
                old[k] = x[k] = states[state + units + k]
    return x


@jit
def mix(kind: int, x: Any, z: Any, states: Any, units: int, zeros: Any) -> None:
    """Write the new state of a cell beside the old one; the kernels are those of training."""
    hs = cube(states, 2, units)
    if kind == LSTM:
        cs = cube(states[2 * units :], 2, units)
        lstm.forward(
            WindowArrays(cube(x, 1, 4 * units), cube(z, 1, 4 * units), (), (hs, cs)), 0, 0, 1, 0, 1
        )
        for k in range(units):
            cs[0, 0, k] = cs[1, 0, k]
    elif kind == GRU:
        # z has the recurrent bias; its row begins with zeros, which the kernel adds once more.
        gates = cube(x, 1, 3 * units), cube(z, 1, 3 * units)
        gru.forward(WindowArrays(*gates, (zeros[:units],), (hs,)), 0, 0, 1, 0, 1)
    elif kind == RNN_TANH:
        rnn.tanh_forward(
            WindowArrays(cube(x, 1, units), cube(z, 1, units), (), (hs,)), 0, 0, 1, 0, 1
        )
    else:
        rnn.relu_forward(
            WindowArrays(cube(x, 1, units), cube(z, 1, units), (), (hs,)), 0, 0, 1, 0, 1
        )


@jit
def cube(x: Any, steps: int, units: int) -> Any:
    """Return the start of x as the steps of one stream that the kernels take."""
    return x[: steps * units].reshape(steps, 1, units)
