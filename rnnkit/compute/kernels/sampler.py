"""Tokens one after the other from the table of a stack: one call makes many.

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
from rnnkit.compute.kernels.stages import look_up, stages_runner, widest_row

F, ONE, TWO = np.float32, np.int64(1), np.int64(2)


@cache
def sampler(cells: Callable[..., Any]) -> Callable[..., Any]:
    """Return the sampler around the steps of some kinds of cells, compiled once for each."""
    run_stages = stages_runner(cells)

    def sample(
        program: Any,
        states: Any,
        scratch: Any,
        outputs: int,
        token: int,
        drawn: Any,
        temperature: float,
        top_k: int,
        top_p: float,
        task: Any,
    ) -> Any:
        """Return the ids that follow `token`, one for each number drawn; the states go on.

        Ids are -1 from where the logits are not finite.
        """
        found, widest = np.empty(len(drawn), np.int64), widest_row(program)
        x, y = np.empty(widest, F), np.empty(widest, F)
        chances, ids = np.empty(outputs), np.empty(outputs, np.int64)
        for t in range(len(drawn)):
            look_up(program, token, x)
            x, y = run_stages(program, len(program), ONE, ONE, TWO, x, y, states, scratch, task)
            largest = argmax(x, outputs)
            if not math.isfinite(x[largest]):  # the first NaN, where there is one
                found[t:] = -1
                break
            token = choose_id(x, largest, temperature, top_k, top_p, drawn[t], chances, ids)
            found[t] = token
        return found

    return jit(sample)
