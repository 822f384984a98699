"""The compiled window of a cell: the time loop forward and backward, as source for Numba."""

from __future__ import annotations

from rnnkit.compute.equations.graph import Value, computed_from
from rnnkit.compute.equations.loop_text import (
    Destination,
    LoopText,
    RowLoop,
    carries,
    indented,
    unpacking,
)
from rnnkit.compute.equations.plan import Place, WindowPlan

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
        for number, product in enumerate(step.products):
            if plan.levels[product.dots[0]] == level and not product.hoisted:
                row = "t" if number in plan.whole else "0"
                out = f"m{number}[{row}]"
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
    plan, step = text.plan, text.plan.step
    loops = []
    for block in plan.blocks:
        if plan.own_loop(block) and plan.levels[block.heads[0]] == level:
            loops.append(text.block_loop(block))
            text.ready |= {head: plan.places[head] for head in block.heads}
    placed = {
        node: place
        for node, place in plan.places.items()
        if plan.levels[node] == level and node not in text.ready
    }
    sinks = [(Destination(*placed[node]), node) for node in step.nodes if node in placed]
    new = [(k, node) for k, node in enumerate(step.new) if plan.levels[node] == level]
    loops += text.loops(sinks + [(Destination("new", k), node) for k, node in new])
    text.ready |= {node: Place("new", k) for k, node in new} | placed
    return loops


def _factor(plan: WindowPlan, value: Value) -> str:
    """Return the array (B, n) that a product multiplies."""
    if value.op == "state":
        return f"s{value.detail}[old]"
    return f"v{plan.places[value].part}[t]"


def _backward(plan: WindowPlan) -> list[str]:
    text, step = LoopText(plan), plan.step
    new = {node: Place("new", k) for k, node in enumerate(step.new)}
    text.ready = new | dict(plan.places)
    text.backs = backs(plan)
    levels = back_levels(plan)
    sinks = gradient_sinks(plan)
    last = max((levels[node] for _, node in sinks), default=0)
    body: list[str] = []
    for level in range(last + 1):
        for number, node in enumerate(text.backs):
            if levels[node] == level:
                body.append(_way_back(plan, node, f"back{number}"))
        # What is carried on is written last: until then it is that of the step after.
        now = [
            (target, node)
            for target, node in sinks
            if (last if target.array == "carry" else levels[node]) == level
        ]
        body += text.rows(text.loops(now))
    if step.symbols.gates:
        body += SUM_OF_BIAS
    body += [_way_back(plan, node, f"term{number}") for number, (_, node) in enumerate(plan.terms)]
    carried = [k for k in range(len(step.new)) if carries(plan, k)]
    stop = [f"carry{k}[row] = T(0)" for k in carried]
    stop += [f"term{number}[row] = T(0)" for number in range(len(plan.terms))]
    body += ["if len(resets) > 0:", "    for row in range(first, last):"]
    body += ["        if resets[t, row]:", *(f"            {line}" for line in stop)]
    return [
        *_heads(plan),
        *unpacking("turned", len(step.products), "turned"),
        *unpacking("dm", len(step.products), "dms"),
        *unpacking("back", len(text.backs), "backs"),
        *unpacking("carry", len(step.new), "carry"),
        *unpacking("term", len(plan.terms), "terms"),
        *unpacking("dp", len(step.symbols.pointwise), "dparams"),
        *_constants(text),
        "for t in range(steps - 1, -1, -1):",
        *indented(["old = t * stride", *body]),
    ]


def backs(plan: WindowPlan) -> list[Value]:
    """Return the products with a transposed matrix that a step of the way back reads itself."""
    needed = computed_from(plan.roots)
    return [node for node in plan.step.graph.nodes if node in needed and node.op == "back"]


def back_levels(plan: WindowPlan) -> dict[Value, int]:
    """Return how many rounds of products each value of the way back waits for."""
    forward = set(plan.step.nodes)
    levels = {plan.step.graph.number(0.0): 0}  # the gradient of a state that no step reads
    gates = {gate: plan.gradients.gates[gate] for gate in plan.stops.values()}

    def level(node: Value) -> int:
        if node not in levels:
            if node in forward:
                levels[node] = 0
            elif node.op == "before":
                levels[node] = level(gates[node.detail])
            else:
                levels[node] = max(map(level, node.args), default=0) + (node.op == "back")
        return levels[node]

    for _, node in [*gradient_sinks(plan), *plan.terms]:
        level(node)
    return levels


def gradient_sinks(plan: WindowPlan) -> list[tuple[Destination, Value]]:
    """Return what a step of the way back computes, and where it goes."""
    gradients, zero = plan.gradients, plan.step.graph.number(0.0)
    sinks = [(Destination("dzx", gate), node) for gate, node in enumerate(gradients.gates)]
    for number, blocks in enumerate(gradients.products):
        if not is_shared(plan, number):
            dots = plan.step.products[number].dots
            sinks += [
                (Destination(f"dm{number}", part), _as_wide(node, dot))
                for part, (node, dot) in enumerate(zip(blocks, dots, strict=True))
            ]
    names = plan.step.symbols.pointwise
    sinks += [
        (Destination("dp", place, "+="), gradients.pointwise[name])
        for place, name in enumerate(names)
        if not gradients.pointwise[name].is_zero
    ]
    if plan.inputs is not None:
        sinks.append((Destination("dxs", 0), plan.inputs))
    for state, carried in enumerate(plan.carried):
        if carries(plan, state):
            direct = zero if carried.direct is None else carried.direct
            sinks.append((Destination("carry", state), direct))
    return sinks


def _as_wide(node: Value, like: Value) -> Value:
    """Return a node, a number with the width of another."""
    if node.op != "constant":
        return node
    return node.graph.node("constant", detail=node.detail, width=like.width)


def is_shared(plan: WindowPlan, number: int) -> bool:
    """Tell whether a product's gradient is that of the gates: one array for both."""
    gates, blocks = plan.gradients.gates, plan.gradients.products[number]
    stopped, width = plan.stops.values(), plan.step.products[number].dots[0].width
    return (
        width == "units"
        and len(gates) == len(blocks)
        and all(
            (node.op == "before" and node.detail == gate) if gate in stopped else own is node
            for gate, (own, node) in enumerate(zip(gates, blocks, strict=True))
        )
    )


def _way_back(plan: WindowPlan, node: Value, out: str) -> str:
    number = node.detail
    array = "dzx" if is_shared(plan, number) else f"dm{number}"
    return f"multiply_rows({array}[t], turned{number}, {out}, first, last)"


def _heads(plan: WindowPlan) -> list[str]:
    step = plan.step
    return [
        *unpacking("s", len(step.new), "states"),
        *unpacking("p", len(step.symbols.pointwise), "params"),
        *unpacking("m", len(step.products), "outs"),
        *unpacking("v", len(plan.kept), "kept"),
        "T = s0.dtype.type",
        "n = s0.shape[2]",
        "width = xs.shape[2]",
    ]


def _constants(text: LoopText) -> list[str]:
    return [f"{name} = {view}" for name, view in text.constants.items()]
