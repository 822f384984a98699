"""Blocks of tokens from compiled plans: few streams on threads of their own, one on two threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import chain

import numpy as np

from rnnkit.compute.equations.source import generated_module
from rnnkit.compute.equations.vector_step import sampler_source
from rnnkit.compute.kernels.sample_plan import Plan
from rnnkit.compute.parallel import assisted, divided, threads
from rnnkit.types import Array


def tokens(
    plans: Sequence[Plan], ids: Array, drawn: Array, options: tuple[float, int, float]
) -> Array:
    """Return the ids (N, B) that follow `ids` (B,), one for each number drawn (N, B).

    Each plan holds the state of its stream, which goes on; `options` are temperature, top_k, top_p.
    Ids are -1 from where the logits are not finite.
    """
    from rnnkit.compute.kernels.sampler import sampler
    from rnnkit.compute.kernels.shared_gemv import team

    sample = sampler(_cell_steps(plans[0].cells))
    tasks = [
        partial(sample, *plan[:-1], int(last), column, *options)
        for plan, last, column in zip(plans, ids, drawn.T.copy(), strict=True)
    ]
    if len(tasks) == 1 and threads() > 1 and plans[0].large:
        return np.asarray(_on_two_threads(tasks[0], plans[0]))[:, None]
    alone = team(0, 0)

    def some(first: int, last: int) -> list[Array]:
        return [task(alone) for task in tasks[first:last]]

    return np.stack(list(chain.from_iterable(divided(len(tasks), math.inf, some, fewest=1))), 1)


@cache
def _cell_steps(cells: tuple[str, ...]) -> Callable[..., None]:
    """Return the compiled steps of some kinds of cells."""
    steps: Callable[..., None] = generated_module("a sampler", sampler_source(cells)).steps
    return steps


def _on_two_threads(task: partial[Array], plan: Plan) -> Array:
    from rnnkit.compute.kernels.shared_gemv import STOP, assist, team

    room = team(*plan.large)

    def stop() -> None:
        room.task[STOP] = 1

    return assisted(partial(task, room), partial(assist, plan.weights, room), stop)
