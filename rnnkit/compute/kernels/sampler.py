"""Tokens one after the other from a plan: one call makes many.

The time goes into reading the weights once for every token. The steps of cells are those of
training, written from their equations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.sample_choice import argmax, choose_id
from rnnkit.compute.kernels.sample_plan import AFFINE, CELL, LOOKUP
from rnnkit.compute.kernels.shared_gemv import gemv

F = np.float32


@cache
def sampler(steps: Callable[..., Any]) -> Callable[..., Any]:
    """Return the sampler around the steps of some kinds of cells, compiled once for each."""

    def sample(
        program: Any,
        weights: Any,
        states: Any,
        scratch: Any,
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
        x, y = np.empty(widest, F), np.empty(widest, F)
        chances, ids = np.empty(outputs), np.empty(outputs, np.int64)
        for t in range(len(drawn)):
            for step in range(len(program)):
                kind, rows, width = program[step, 0], program[step, 1], program[step, 2]
                place, state = program[step, 3], program[step, 5]
                if kind == LOOKUP:
                    for k in range(width):
                        x[k] = weights[place + token * width + k]
                elif kind == AFFINE:
                    gemv(weights, place, rows, width, x, y, team)
                    x, y = y, x
                elif kind >= CELL:
                    steps(kind, program, step, x, states[state:], scratch, weights, team)
            largest = argmax(x, outputs)
            if not math.isfinite(x[largest]):  # the first NaN, where there is one
                found[t:] = -1
                break
            token = choose_id(x, largest, temperature, top_k, top_p, drawn[t], chances, ids)
            found[t] = token
        return found

    return jit(sample)
