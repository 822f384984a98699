"""The window of a cell in NumPy: the time loop forward and backward, as source.

It is the reference of the compiled loops, and what computes where Numba is not installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rnnkit.compute.equations.blocks import GateBlock, is_chain
from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.loop_text import SIZES, Destination, carries, indented, unpacking
from rnnkit.compute.equations.loops import back_levels, backs, gradient_sinks, is_shared
from rnnkit.compute.equations.plan import Place, WindowPlan
from rnnkit.compute.equations.statement_text import StatementText

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
        for number, product in enumerate(step.products):
            if plan.levels[product.dots[0]] == level and not product.hoisted:
                row = "t" if number in plan.whole else "0"
                factor = text.stored(product.value)
                text.lines.append(f"matmul({factor}, W{number}, out=m{number}[{row}])")
        for block in plan.blocks:
            own = plan.own_loop(block) and is_chain(block.heads[0])
            if own and plan.levels[block.heads[0]] == level:
                _whole(text, block)
        placed = {
            node: place
            for node, place in plan.places.items()
            if plan.levels[node] == level and node not in text.ready
        }
        new = [(k, node) for k, node in enumerate(step.new) if plan.levels[node] == level]
        text.level(
            [(Destination(*placed[node]), node) for node in step.nodes if node in placed]
            + [(Destination("new", k), node) for k, node in new]
        )
        text.ready |= {node: Place("new", k) for k, node in new} | placed
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
    text, step = StatementText(plan), plan.step
    new = {node: Place("new", k) for k, node in enumerate(step.new)}
    text.ready = new | dict(plan.places)
    text.backs, levels = backs(plan), back_levels(plan)
    sinks = [sink for sink in gradient_sinks(plan) if sink[1].op != "before"]
    last = max((levels[node] for _, node in sinks), default=0)
    plain = [block for block in plan.blocks if block.heads[0] in plan.stops]
    for level in range(last + 1):
        for number, node in enumerate(text.backs):
            if levels[node] == level:
                text.lines.append(_way_back(plan, node, f"back{number}"))
        # What is carried on is written last: until then it is that of the step after.
        text.level(
            [
                (target, node)
                for target, node in sinks
                if (last if target.array == "carry" else levels[node]) == level
            ]
        )
        for block in plain:
            if _level_of(plan, levels, block.gates) == level:
                _slope(text, block)
        for number in range(len(step.products)):
            _shared_parts(text, number, levels, level)
    for number, (_, node) in enumerate(plan.terms):
        text.lines.append(_way_back(plan, node, f"term{number}"))
    carried = [f"carry{k}" for k in range(len(step.new)) if carries(plan, k)]
    stopped = carried + [f"term{number}" for number in range(len(plan.terms))]
    text.lines += ["if len(resets) and resets[t].any():"]
    text.lines += [f"    {name}[resets[t]] = 0" for name in stopped]
    return [
        *_heads(plan, text),
        *(f"slope{b.first} = empty((batch, {len(b.heads)} * n))" for b in plain),
        *unpacking("turned", len(step.products), "turned"),
        *unpacking("dm", len(step.products), "dms"),
        *unpacking("back", len(text.backs), "backs"),
        *unpacking("carry", len(step.new), "carry"),
        *unpacking("term", len(plan.terms), "terms"),
        *unpacking("dp", len(step.symbols.pointwise), "dparams"),
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


def _shared_parts(text: StatementText, number: int, levels: dict[Value, int], level: int) -> None:
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
        if _level_of(plan, levels, range(gate, gate + count)) == level:
            size = SIZES["units"]
            into = f"dm{number}[t][:, {part} * {size} : {part + count} * {size}]"
            text.lines.append(f"{into} = {text.gates('dzx', gate, count)}")


def _level_of(plan: WindowPlan, levels: dict[Value, int], gates: Iterable[int]) -> int:
    return max(levels[plan.gradients.gates[gate]] for gate in gates)


def _way_back(plan: WindowPlan, node: Value, out: str) -> str:
    array = "dzx" if is_shared(plan, node.detail) else f"dm{node.detail}"
    return f"matmul({array}[t], turned{node.detail}, out={out})"


def _heads(plan: WindowPlan, text: StatementText) -> Sequence[str]:
    step = plan.step
    return [
        *unpacking("s", len(step.new), "states"),
        *unpacking("p", len(step.symbols.pointwise), "params"),
        *unpacking("m", len(step.products), "outs"),
        *unpacking("v", len(plan.kept), "kept"),
        "batch, n, width = s0.shape[1], s0.shape[2], xs.shape[2]",
        *(
            f"{width}{number} = empty((batch, {SIZES[width]}))"
            for width, count in text.made.items()
            for number in range(count)
        ),
    ]
