"""A network without a way back: sections that are one compiled call, and other layers.

Compiled stages keep nothing of a window but its outputs and the states after it. What they give is
what `Layer.scan` gives, up to rounding: a product of few rows is added up in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

import numpy as np

from rnnkit.compute.kernels.dispatch import kernels_compute
from rnnkit.compute.stack.parameters import Bound, bind, bind_often, bind_once, in_8_bits
from rnnkit.compute.stack.stages import Stages
from rnnkit.compute.stack.table import StackTable, make_table
from rnnkit.compute.stack.window import run_stack, run_step
from rnnkit.contracts.checked_layer import run_layer
from rnnkit.contracts.layer import Layer, may_ask
from rnnkit.core.context import Context
from rnnkit.core.params import Declaration
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Params, State

Named = tuple[tuple[str, Layer], ...]


class Section(NamedTuple):
    """Layers that follow each other, and the table by which compiled code runs them.

    Without a table it is one layer, which is run by itself. One that is `bound` reads parameters
    where they lay then; others look for them in every window.
    """

    layers: Named
    table: StackTable | None
    bound: Bound | None = None


def sections_of(
    layers: Named, entering: Mapping[str, Signal], declared: Mapping[str, Declaration]
) -> tuple[Section, ...]:
    """Return the sections of layers, given the signals that enter them and their parameters."""

    def stages(named: tuple[str, Layer]) -> Stages | None:
        name, layer = named
        return layer.stages(entering[name]) if may_ask(layer, "stages") else None

    sections: list[Section] = []
    for compiled, group in groupby(layers, lambda named: stages(named) is not None):
        some = tuple(group)
        table = _table(some, entering, declared, map(stages, some)) if compiled else None
        sections += [Section(some, table)] if table else [Section((each,), None) for each in some]
    return tuple(sections)


def _table(
    layers: Named,
    entering: Mapping[str, Signal],
    declared: Mapping[str, Declaration],
    stages: Iterable[Stages | None],
) -> StackTable | None:
    named = [(name, own or ()) for (name, _), own in zip(layers, stages, strict=True)]
    shapes = {name: {key: spec.shape for key, spec in declared[name].items()} for name, _ in layers}
    return make_table(named, shapes, entering[layers[0][0]].known())


class Online(NamedTuple):
    """A network that is one part, bound to where its parameters lie, for steps as they arrive."""

    table: StackTable
    bound: Bound

    def step(self, xs: Array, states: Mapping[str, State]) -> tuple[Array, dict[str, State]]:
        """Run a step of ids (1, B), or values (1, B, F); states have the shapes of the network."""
        given = [array for name in self._stateful for array in states[name]]
        ys, found = run_step(self.table, self.bound, xs, given)
        after: dict[str, State] = {}
        for (name, _), array in zip(self.table.states, found, strict=True):
            after[name] = (*after.get(name, ()), array)
        return ys, after

    @property
    def _stateful(self) -> Iterable[str]:
        return dict(self.table.states)


def online(
    sections: tuple[Section, ...], params: Mapping[str, Params], int8: bool = False
) -> Online | None:
    """Return a network bound to its parameters; None where it is more than compiled stages.

    With `int8` they are quantized, and a step reads matrices in 8 bits.
    """
    table = sections[0].table
    if table is None or len(sections) > 1 or not kernels_compute():
        return None
    bound = bind(table, params)
    return Online(table, in_8_bits(table, params, bound) if int8 else bound)


def bound_sections(
    sections: Iterable[Section], params: Mapping[str, Params], rows: int
) -> tuple[Section, ...]:
    """Return sections bound to their parameters, for many windows of about so many rows."""
    if not kernels_compute():
        return tuple(sections)
    return tuple(
        section._replace(bound=bind_often(section.table, params, rows))
        if section.table
        else section
        for section in sections
    )


def run_sections(
    sections: Iterable[Section],
    params: Mapping[str, Params],
    xs: Array,
    states: Mapping[str, State],
    initial: Callable[[int], Mapping[str, State]],
    resets: Array | None,
    ctx: Context,
) -> tuple[Array, dict[str, State]]:
    """Run a window through all sections; return (ys, states after it).

    `initial` gives the states of so many streams before their first step.
    """
    after: dict[str, State] = {}
    compiled = kernels_compute() and ctx.dtype == np.float32 and not ctx.train
    for layers, table, bound in sections:
        if table is not None and compiled:
            names = [name for name, _ in layers if name in states]
            own = [array for name in names for array in states[name]]

            def begin(names: list[str] = names, streams: int = xs.shape[1]) -> list[Array]:
                given = initial(streams)
                return [array for name in names for array in given[name]]

            known = bound or bind_once(table, params, xs)
            xs, found = run_stack(table, known, xs, own, begin, resets, ctx.empty)
            for name in names:
                count = len(states[name])
                after[name], found = tuple(found[:count]), found[count:]
            continue
        for name, layer in layers:
            own_ctx = ctx.at(name)
            xs, state = run_layer(layer, params[name], xs, states.get(name, ()), resets, own_ctx)
            if name in states:
                after[name] = state
    return xs, after
