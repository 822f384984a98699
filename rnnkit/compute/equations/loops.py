"""The compiled window of a cell: the time loop forward and backward, as source for Numba."""

from __future__ import annotations

from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.loop_text import (
    LoopText,
    RowLoop,
    indented,
    memory_names,
    slope_names,
    unpacking,
)
from rnnkit.compute.equations.plan import WindowPlan
from rnnkit.compute.equations.schedule import level_sinks, products_at, way_back

FORWARD = (
    "def forward(steps, xs, ids, Wx, bias, zx, states, params, matrices, outs, kept, initial, "
    "resets, stride, first, last):"
)
BACKWARD = (
    "def backward(steps, xs, bias, zx, states, params, outs, kept, turned, dys, carry, terms, "
    "dzx, dms, backs, dxs, dparams, db, resets, stride, first, last):"
)
ONE_HOT = [
    "if len(ids) > 0:",
    "    for row in range(first, last):",
    "        gates, weights = zx[t, row], Wx[ids[t * batch + row]]",
    "        for k in range(len(gates)):",
    "            gates[k] = weights[k]",
]
"""An input that is 0 but for one 1 chooses a row of Wx."""

SUM_OF_BIAS = [
    "for row in range(first, last):",
    "    dzr = dzx[t, row]",
    "    for k in range(len(db)):",
    "        db[k] += dzr[k]",
]


def loops_source(plan: WindowPlan) -> str:
    """Return the source of `forward` and `backward`, over the streams from `first` to `last`."""
    lines = [FORWARD, *indented(_forward(plan)), "", "", BACKWARD, *indented(_backward(plan))]
    return "\n".join(lines) + "\n"


def _forward(plan: WindowPlan) -> list[str]:
    text, step = LoopText(plan), plan.step
    states = range(len(step.new))
    body: list[str] = []
    for level in range(plan.last + 1):
        for number, product, out in products_at(plan, level):
            source = _factor(plan, product.value)
            body.append(f"multiply_rows({source}, W{number}, {out}, first, last)")
        body += ONE_HOT if level == 0 and step.symbols.gates else []
        body += text.rows(level_loops(text, level))
    start = [
        "if t > 0 and stride == 2:",
        "    for row in range(first, last):",
        *(f"        s{k}[old, row] = s{k}[old - 1, row]" for k in states),
        "if len(resets) > 0:",
        "    for row in range(first, last):",
        "        if resets[t, row]:",
        *(f"            s{k}[old, row] = initial[{k}][row]" for k in states),
    ]
    return [
        *_heads(plan),
        *unpacking("W", len(step.products), "matrices"),
        "batch = s0.shape[1]",
        *_constants(text),
        "for t in range(steps):",
        *indented(["old = t * stride", *start, *body]),
    ]


def level_loops(text: LoopText, level: int) -> list[RowLoop]:
    """Return the loops of one level of the way forward, and note what they leave in memory."""
    plan, loops = text.plan, list[RowLoop]()
    for block in plan.blocks:
        if plan.own_loop(block) and plan.levels[block.heads[0]] == level:
            loops.append(text.block_loop(block))
            text.ready |= {head: plan.places[head] for head in block.heads}
    sinks, stored = level_sinks(plan, text.ready, level)
    loops += text.loops(sinks)
    text.ready |= stored
    return loops


def _factor(plan: WindowPlan, value: Value) -> str:
    """Return the array (B, n) that a product multiplies."""
    if value.op == "state":
        return f"s{value.detail}[old]"
    return f"v{plan.places[value].part}[t]"


def _backward(plan: WindowPlan) -> list[str]:
    text, step, back = LoopText(plan), plan.step, way_back(plan)
    text.ready, text.backs = back.ready, back.backs
    body: list[str] = []
    for level in range(back.last + 1):
        body += [_product_back(*product) for product in back.products(level)]
        body += text.rows(text.loops(back.at(level)))
    if step.symbols.gates:
        body += SUM_OF_BIAS
    body += [_product_back(*product) for product in back.waiting()]
    body += ["if len(resets) > 0:", "    for row in range(first, last):"]
    body += ["        if resets[t, row]:"]
    body += [f"            {name}[row] = T(0)" for name in back.stopped()]
    return [
        *_heads(plan),
        *slope_names(back),
        *_constants(text),
        "for t in range(steps - 1, -1, -1):",
        *indented(["old = t * stride", *body]),
    ]


def _product_back(gradient: str, number: int, out: str) -> str:
    return f"multiply_rows({gradient}[t], turned{number}, {out}, first, last)"


def _heads(plan: WindowPlan) -> list[str]:
    return [*memory_names(plan), "T = s0.dtype.type", "n = s0.shape[2]", "width = xs.shape[2]"]


def _constants(text: LoopText) -> list[str]:
    return [f"{name} = {view}" for name, view in text.constants.items()]
