"""Statements of NumPy, each with `out=`, from nodes of a graph.

Scratch is named by its width, `units0`, and given back after its last reader; a value that a
target wants is computed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rnnkit.compute.equations.graph import COMPARISONS, Value
from rnnkit.compute.equations.loop_text import SIZES, product_of
from rnnkit.compute.equations.plan import Place, WindowPlan
from rnnkit.compute.equations.schedule import Destination, slope_parts

UFUNCS: Mapping[str, str] = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "neg": "negative",
    "tanh": "tanh",
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "abs": "absolute",
    "max": "maximum",
    "min": "minimum",
}


def column_blocks(array: str, first: int, count: int, size: str = "n") -> str:
    """Return the view of some blocks of columns of an array (B, n)."""
    return f"{array}[:, {first} * {size} : {first + count} * {size}]"


class StatementText:
    """Writes the statements of one step; `ready` says which values lie in memory by now."""

    def __init__(self, plan: WindowPlan) -> None:
        self.plan, self.step = plan, plan.step
        self.lines: list[str] = []
        self.ready: dict[Value, Place] = {}
        self.backs: list[Value] = []
        """Products with a transposed matrix that the step reads, in the order of their buffers."""
        self.made: Counter[str] = Counter()
        """How many scratch arrays there are of each width."""
        self._free: dict[str, list[str]] = {"units": [], "inputs": []}
        self._views: set[str] = set()

    def level(self, sinks: Sequence[tuple[Destination, Value]]) -> None:
        """Write what computes some values and stores them."""
        _Level(self, sinks).write()

    def view(self, name: str, text: str) -> str:
        """Name a view, once a step."""
        if name not in self._views:
            self._views.add(name)
            self.lines.append(f"{name} = {text}")
        return name

    def gates(self, array: str, first: int, count: int) -> str:
        """Return the view of gates side by side in zx or dzx."""
        if count == len(self.step.symbols.gates):
            return self.view(f"{array}_t", f"{array}[t]")
        return self.view(f"{array}{first}_{count}", column_blocks(f"{array}[t]", first, count))

    def product(self, node: Value, count: int = 1) -> str:
        """Return the view of a block of a product, or of some side by side."""
        number, product, part = product_of(self.plan, node)
        step = "t" if number in self.plan.whole else "0"
        name, row = f"m{number}", f"m{number}[{step}]"
        if count == len(product.dots):
            return self.view(f"{name}_t", row)
        part_of_row = column_blocks(row, part, count, SIZES[node.width])
        return self.view(f"{name}_{part}_{count}", part_of_row)

    def target(self, target: Destination) -> str:
        """Return the view of a target."""
        array, part, _ = target
        match array:
            case "zx" | "dzx":
                return self.gates(array, part, 1)
            case "kept":
                return self.view(f"v{part}_t", f"v{part}[t]")
            case "new":
                return self.view(f"new{part}", f"s{part}[old + 1]")
            case "carry":
                return f"carry{part}"
            case "dxs":
                return self.view("dxs_t", "dxs[t]")
            case "dp":
                return f"dp{part}"
        dots = self.step.products[int(array.removeprefix("dm"))].dots
        if len(dots) == 1:
            return self.view(f"{array}_t", f"{array}[t]")
        return self.view(
            f"{array}_{part}", column_blocks(f"{array}[t]", part, 1, SIZES[dots[0].width])
        )

    def stored(self, node: Value) -> str:
        """Return the text of a value that lies in memory; "" for one that is to be computed."""
        if place := self.ready.get(node):
            return self.target(Destination(*place))
        match node.op:
            case "constant":
                return repr(node.detail)
            case "x":
                return self.gates("zx", node.detail, 1)
            case "state":
                return self.view(f"old{node.detail}", f"s{node.detail}[old]")
            case "parameter":
                return f"p{self.step.symbols.pointwise.index(node.detail)}"
            case "input":
                return self.view("xs_t", "xs[t]")
            case "dot":
                return self.product(node)
            case "back":
                return f"back{self.backs.index(node)}"
        return ""

    def scratch(self, width: str) -> str:
        """Return the name of an array that nothing uses."""
        width = width or "units"
        if self._free[width]:
            return self._free[width].pop()
        self.made[width] += 1
        return f"{width}{self.made[width] - 1}"

    def release(self, name: str) -> None:
        """Give scratch back."""
        self._free[name.rstrip("0123456789")].append(name)

    def operation(self, op: str, args: Sequence[str], out: str) -> None:
        """Write out = op(args); `out` may be one of them."""
        write = self.lines.append
        if op == "sigmoid":
            write(f"multiply({args[0]}, 0.5, out={out})")
            write(f"tanh({out}, out={out})")
            write(f"multiply({out}, 0.5, out={out})")
            write(f"add({out}, 0.5, out={out})")
        elif op == "relu":
            write(f"maximum({args[0]}, 0.0, out={out})")
        elif op == "softplus":
            write(f"positive = maximum({args[0]}, 0.0)")
            write(f"absolute({args[0]}, out={out})")
            write(f"negative({out}, out={out})")
            write(f"exp({out}, out={out})")
            write(f"log1p({out}, out={out})")
            write(f"add({out}, positive, out={out})")
        elif op == "where":
            write(f"{out}[...] = where({', '.join(args)})")
        elif op in COMPARISONS:
            write(f"{out} = {args[0]} {op} {args[1]}")
        else:
            write(f"{UFUNCS[op]}({', '.join(args)}, out={out})")


class _Level:
    """One level of a step: values in an order in which each is used soon after it is made."""

    def __init__(self, text: StatementText, sinks: Sequence[tuple[Destination, Value]]) -> None:
        self.text, self.sinks = text, sinks
        self.order = self._ordered([node for _, node in sinks])
        self.uses = Counter(arg for node in self.order for arg in node.args)
        self.uses.update(node for _, node in sinks)
        self.names: dict[Value, str] = {}
        self.held: dict[Value, str] = {}
        self.written: set[Destination] = set()

    def write(self) -> None:
        """Compute all values; what is carried on is written last."""
        for node in self.order:
            if node.op == "slope":
                self._sum(node)
            else:
                self._compute(node)
            self._store(node, [target for target, each in self.sinks if each is node])
        rest = [sink for sink in self.sinks if sink[0] not in self.written]
        for target, node in sorted(rest, key=lambda sink: sink[0].array == "carry"):
            self._copy(target, node)

    def _ordered(self, nodes: Sequence[Value]) -> list[Value]:
        found: dict[Value, None] = {}

        def visit(node: Value) -> None:
            if node not in found and not self.text.stored(node):
                for arg in node.args:
                    visit(arg)
                found[node] = None

        for node in nodes:
            visit(node)
        return list(found)

    def _name(self, node: Value) -> str:
        return self.names.get(node) or self.text.stored(node)

    def _sum(self, node: Value) -> None:
        parts = slope_parts(self.text.plan, node.detail)
        targets = {
            target.part for target, each in self.sinks if each is node and target.array == "carry"
        }
        if len(parts) == 1 and targets <= {node.detail}:
            self.names[node] = parts[0]
            return
        out = self._out(node)
        if len(parts) == 1:  # states that change places would be written before they are read
            self.text.lines.append(f"{out}[...] = {parts[0]}")
            return
        self.text.lines.append(f"add({parts[0]}, {parts[1]}, out={out})")
        for part in parts[2:]:
            self.text.lines.append(f"add({out}, {part}, out={out})")

    def _compute(self, node: Value) -> None:
        args = [self._name(arg) for arg in node.args]
        if node.op in COMPARISONS:
            self.names[node] = f"c{node.index}"
            self.text.operation(node.op, args, self.names[node])
            self._used(node.args)
        else:
            self._used(node.args)  # an argument's scratch may take the result
            self.text.operation(node.op, args, self._out(node))

    def _out(self, node: Value) -> str:
        """Return where a value is computed: in the first of its targets that may be written."""
        for target, each in self.sinks:
            if each is node and self._is_free(target):
                self.names[node] = self.text.target(target)
                self.written.add(target)
                return self.names[node]
        self.held[node] = self.names[node] = self.text.scratch(node.width)
        return self.names[node]

    def _is_free(self, target: Destination) -> bool:
        if target.array == "carry":
            slope = self.text.step.graph.node("slope", detail=target.part, width="units")
            return not self.uses[slope]
        return target.assign == "="

    def _store(self, node: Value, targets: Sequence[Destination]) -> None:
        for target in targets:
            if target in self.written:
                self._used((node,))
            elif target.array != "carry":
                self._copy(target, node)

    def _copy(self, target: Destination, node: Value) -> None:
        value = self._name(node)
        if target.assign == "+=":
            self.text.lines.append(f"{self.text.target(target)} += {value}.sum(axis=0)")
        else:
            self.text.lines.append(f"{self.text.target(target)}[...] = {value}")
        self.written.add(target)
        self._used((node,))

    def _used(self, nodes: Sequence[Value]) -> None:
        for node in nodes:
            self.uses[node] -= 1
            if not self.uses[node] and node in self.held:
                self.text.release(self.held.pop(node))
