"""Blocks of tokens from compiled plans: few streams on threads of their own, one on two threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from rnnkit.compute.kernels.object_code import array_address, kernel_entry
from rnnkit.compute.kernels.program import AFFINE, COLUMNS, INNER, KIND, PART
from rnnkit.compute.kernels.team import LARGE, STOP, team
from rnnkit.compute.parallel import assisted, divided, threads
from rnnkit.compute.stack.parameters import Bound, arranged, bind, folded, in_8_bits
from rnnkit.compute.stack.table import StackTable
from rnnkit.compute.stack.window import NOTHING, around_cells
from rnnkit.types import Array, Params, State


class Plan(NamedTuple):
    """The program of a stack over its parameters, and the hidden state of one stream.

    Each array of a state has two places side by side in `states`: what a step reads, and what it
    writes.
    """

    table: StackTable
    bound: Bound
    states: Array
    scratch: Array

    @property
    def state(self) -> State:
        """The hidden state, as one tuple of (1, units) arrays for all layers together."""
        found, start = list[Array](), 0
        for _, n in self.table.states:
            found.append(self.states[None, start : start + n])
            start += 2 * n
        return tuple(found)

    @property
    def large(self) -> tuple[int, ...]:
        """The most rows and columns of the matrices that two threads share; () without any."""
        sizes = [
            (int(row[INNER]), int(row[COLUMNS]))
            for row in self.bound.program
            if row[KIND] in (AFFINE, PART)
        ]
        shared = [size for size in sizes if size[0] * size[1] >= LARGE]
        return tuple(map(max, zip(*shared, strict=True)))

    def with_state(self, state: State) -> Plan:
        """Return a plan of the same matrices with a hidden state of its own."""
        plan = self._replace(states=np.zeros_like(self.states), scratch=self.scratch.copy())
        for mine, given in zip(plan.state, state, strict=True):
            mine[...] = given
        return plan


def make_plan(
    table: StackTable, params: Mapping[str, Params], state: State, int8: bool = False
) -> Plan:
    """Return the plan of a stack that begins with ids, with a copy of its state.

    `state` holds the arrays (1, units) of all layers, one after the other. With `int8` the
    parameters are quantized, and what a vector is multiplied with is read in 8 bits.
    """
    bound = folded(table, params, bind(table, params), table.inputs)
    bound = in_8_bits(table, params, bound) if int8 else bound
    bound = arranged(table, params, bound, every=True)
    states = np.zeros(2 * table.units, np.float32)
    scratch = np.empty(table.of_row + table.of_stream, np.float32)
    return Plan(table, bound, states, scratch).with_state(state)


def tokens(
    plans: Sequence[Plan], ids: Array, drawn: Array, options: tuple[float, int, float]
) -> Array:
    """Return the ids (N, B) that follow `ids` (B,), one for each number drawn (N, B).

    Each plan holds the state of its stream, which goes on; `options` are temperature, top_k, top_p.
    Ids are -1 from where the logits are not finite.
    """
    sample, count = around_cells("sampler", "sampler", plans[0].table.cells), len(drawn)
    columns, found = drawn.T.copy(), np.empty((len(plans), count), np.int64)
    tasks = [
        partial(
            sample,
            *_lies(plan),
            array_address(plan.states),
            plan.table.units,
            array_address(plan.scratch),
            plan.scratch.size,
            plan.table.outputs,
            int(last),
            array_address(column),
            count,
            array_address(out),
            *options,
        )
        for plan, last, column, out in zip(plans, ids, columns, found, strict=True)
    ]
    if len(tasks) == 1 and threads() > 1 and plans[0].large:
        _on_two_threads(tasks[0], plans[0])
    else:
        divided(len(tasks), math.inf, partial(_some, tasks), fewest=1)
    return found.T


def _some(tasks: Sequence[Callable[..., None]], first: int, last: int) -> None:
    for task in tasks[first:last]:
        task(NOTHING)


def _lies(plan: Plan) -> tuple[int, int]:
    return array_address(plan.bound.program), len(plan.bound.program)


def _on_two_threads(task: Callable[..., None], plan: Plan) -> None:
    room = team(*plan.large)

    def stop() -> None:
        room.task[STOP] = 1

    shared = array_address(room.task)
    assisted(
        partial(task, shared),
        partial(kernel_entry("entries", "help_products"), *_lies(plan), shared),
        stop,
    )
