"""The window of a cell in NumPy: the time loop forward and backward, as source.

It is the reference of the compiled loops, and what computes where Numba is not installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rnnkit.compute.equations.blocks import GateBlock, is_chain
from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.loop_text import (
    SIZES,
    indented,
    memory_names,
    slope_names,
    unpacking,
)
from rnnkit.compute.equations.plan import WindowPlan
from rnnkit.compute.equations.schedule import (
    WayBack,
    is_shared,
    level_sinks,
    products_at,
    way_back,
)
from rnnkit.compute.equations.statement_text import StatementText, column_blocks

FORWARD = (
    "def forward(steps, xs, zx, states, params, matrices, outs, kept, initial, resets, stride, "
    "empty):"
)
BACKWARD = (
    "def backward(steps, xs, zx, states, params, outs, kept, turned, dys, carry, terms, dzx, dms, "
    "backs, dxs, dparams, resets, stride, empty):"
)


def statements_source(plan: WindowPlan) -> str:
    """Return the source of `forward` and `backward`, over all streams."""
    lines = [FORWARD, *indented(_forward(plan)), "", "", BACKWARD, *indented(_backward(plan))]
    return "\n".join(lines) + "\n"


def _forward(plan: WindowPlan) -> list[str]:
    text, step = StatementText(plan), plan.step
    states = range(len(step.new))
    for level in range(plan.last + 1):
        for number, product, out in products_at(plan, level):
            text.lines.append(f"matmul({text.stored(product.value)}, W{number}, out={out})")
        for block in plan.blocks:
            own = plan.own_loop(block) and is_chain(block.heads[0])
            if own and plan.levels[block.heads[0]] == level:
                _whole(text, block)
        sinks, stored = level_sinks(plan, text.ready, level)
        text.level(sinks)
        text.ready |= stored
    start = [
        "old = t * stride",
        "if t > 0 and stride == 2:",
        *(f"    s{k}[old] = s{k}[old - 1]" for k in states),
        "if len(resets) and resets[t].any():",
        *(f"    s{k}[old] = where(resets[t][:, None], initial[{k}], s{k}[old])" for k in states),
    ]
    return [
        *_heads(plan, text),
        *unpacking("W", len(step.products), "matrices"),
        "for t in range(steps):",
        *indented(start + text.lines),
    ]


def _backward(plan: WindowPlan) -> list[str]:
    text, back = StatementText(plan), way_back(plan)
    text.ready, text.backs = back.ready, back.backs
    # The gradient of a block's sums is that of its values times a slope, over the block at once.
    sinks = [sink for sink in back.sinks if sink[1].op != "before"]
    back = back._replace(sinks=sinks)
    plain = [block for block in plan.blocks if block.heads[0] in plan.stops]
    for level in range(back.last + 1):
        text.lines += [_product_back(*product) for product in back.products(level)]
        text.level(back.at(level))
        for block in plain:
            if _level_of(back, block.gates) == level:
                _slope(text, block)
        for number in range(len(plan.step.products)):
            _shared_parts(text, number, back, level)
    text.lines += [_product_back(*product) for product in back.waiting()]
    text.lines += ["if len(resets) and resets[t].any():"]
    text.lines += [f"    {name}[resets[t]] = 0" for name in back.stopped()]
    return [
        *_heads(plan, text),
        *(f"slope{b.first} = empty((batch, {len(b.heads)} * n))" for b in plain),
        *slope_names(back),
        "for t in range(steps - 1, -1, -1):",
        *indented(["old = t * stride", *text.lines]),
    ]


def _whole(text: StatementText, block: GateBlock) -> None:
    """Write the function of a block over all its gates at once, in place."""
    count = len(block.heads)
    gates = text.gates("zx", block.first, count)

    def name(node: Value) -> str:
        if node.op == "constant":
            return repr(node.detail)
        if node.op == "x":
            return gates
        if node.op == "dot":
            return text.product(node, count)
        text.operation(node.op, [name(arg) for arg in node.args], gates)
        return gates

    name(block.heads[0])
    text.ready |= {head: text.plan.places[head] for head in block.heads}


def _slope(text: StatementText, block: GateBlock) -> None:
    """Turn the gradient of a block's values into that of its sums, by its values alone."""
    count, slope = len(block.heads), f"slope{block.first}"
    value, d = text.gates("zx", block.first, count), text.gates("dzx", block.first, count)
    if block.heads[0].op == "sigmoid":
        text.lines.append(f"subtract(1.0, {value}, out={slope})")
        text.lines.append(f"multiply({slope}, {value}, out={slope})")
    else:
        text.lines.append(f"multiply({value}, {value}, out={slope})")
        text.lines.append(f"subtract(1.0, {slope}, out={slope})")
    text.lines.append(f"multiply({d}, {slope}, out={d})")


def _shared_parts(text: StatementText, number: int, back: WayBack, level: int) -> None:
    """Copy to a product's gradient what is that of gates, once all of them are known."""
    plan = text.plan
    if is_shared(plan, number):
        return
    blocks = plan.gradients.products[number]
    pairs = [(part, node.detail) for part, node in enumerate(blocks) if node.op == "before"]
    numbered = enumerate(pairs)  # side by side are parts and gates that count as these do
    for _, run in groupby(numbered, key=lambda each: (each[1][0] - each[0], each[1][1] - each[0])):
        (_, (part, gate)), *more = run
        count = 1 + len(more)
        if _level_of(back, range(gate, gate + count)) == level:
            into = column_blocks(f"dm{number}[t]", part, count)
            text.lines.append(f"{into} = {text.gates('dzx', gate, count)}")


def _level_of(back: WayBack, gates: Iterable[int]) -> int:
    return max(back.levels[back.plan.gradients.gates[gate]] for gate in gates)


def _product_back(gradient: str, number: int, out: str) -> str:
    return f"matmul({gradient}[t], turned{number}, out={out})"


def _heads(plan: WindowPlan, text: StatementText) -> Sequence[str]:
    return [
        *memory_names(plan),
        "batch, n, width = s0.shape[1], s0.shape[2], xs.shape[2]",
        *(
            f"{width}{number} = empty((batch, {SIZES[width]}))"
            for width, count in text.made.items()
            for number in range(count)
        ),
    ]
