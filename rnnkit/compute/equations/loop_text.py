"""Statements of compiled loops over the units of a stream, from nodes of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rnnkit.compute.equations.blocks import GateBlock
from rnnkit.compute.equations.graph import Value, computed_from
from rnnkit.compute.equations.plan import Place, WindowPlan
from rnnkit.compute.equations.schedule import Destination, WayBack, slope_parts
from rnnkit.compute.equations.trace import StepProduct

INDENT = "    "
SIZES = {"units": "n", "inputs": "width", "": "n"}
"""What counts the values of a width in generated code."""

EXPRESSIONS: Mapping[str, str] = {
    "+": "{0} + {1}",
    "-": "{0} - {1}",
    "*": "{0} * {1}",
    "/": "{0} / {1}",
    "<": "{0} < {1}",
    "<=": "{0} <= {1}",
    "neg": "-{0}",
    "abs": "abs({0})",
    "sqrt": "sqrt({0})",
    "tanh": "compiled_tanh({0})",
    "sigmoid": "compiled_sigmoid({0}, T(0.5))",
    "exp": "compiled_exp({0})",
    "log": "compiled_log({0})",
    "softplus": "compiled_softplus({0})",
    "where": "({1} if {0} else {2})",
    # Comparisons that are false for NaN keep it, where min and max might not.
    "relu": "(T(0) if {0} < T(0) else {0})",
    "max": "({0} if {1} <= {0} else ({0} if {0} != {0} else {1}))",
    "min": "({0} if {0} <= {1} else ({0} if {0} != {0} else {1}))",
}


class RowLoop(NamedTuple):
    """The views of a row that a loop reads and writes, its statements, and how often it runs."""

    views: dict[str, str]
    lines: list[str]
    extent: str


class LoopText:
    """Writes loops of one plan; `ready` says which values lie in memory by now.

    `biased`: the bias is in the gates already.
    """

    def __init__(self, plan: WindowPlan, *, biased: bool = False) -> None:
        self.plan, self.step, self.biased = plan, plan.step, biased
        self.ready: dict[Value, Place] = {}
        self.backs: list[Value] = []
        """Products with a transposed matrix that the step reads, in the order of their buffers."""
        self.constants: dict[str, str] = {}
        """Views that are the same for all rows and steps."""

    def loops(self, sinks: Sequence[tuple[Destination, Value]]) -> list[RowLoop]:
        """Return the loops that compute and store some values, one for each width."""
        found = []
        for width in ("inputs", "units"):
            own = [sink for sink in sinks if (sink[1].width or "units") == width]
            if own:
                found.append(self._loop(own, SIZES[width]))
        return found

    def block_loop(self, block: GateBlock) -> RowLoop:
        """Return one loop over gates that lie side by side, each in its own place."""
        views: dict[str, str] = {}
        count, head = len(block.heads), block.heads[0]

        def text(node: Value) -> str:
            if node.op == "constant":
                return f"T({node.detail!r})"
            if node.op == "x":
                return self._gate(gates, block.first, count)
            if node.op == "dot":
                return f"{self._product(views, node, count)}[k]"
            return f"({EXPRESSIONS[node.op].format(*map(text, node.args))})"

        gates = self._gates(views, "z", block.first, count)
        return RowLoop(views, [f"{gates}[k] = {text(head)}"], f"{count} * n")

    def rows(self, loops: Iterable[RowLoop]) -> list[str]:
        """Return the statements of some loops for each stream."""
        views, body = dict[str, str](), list[str]()
        for loop in loops:
            views |= loop.views
            inner = loop.lines
            body += [f"for k in range({loop.extent}):", *indented(inner)] if loop.extent else inner
        if not body:
            return []
        # A row is named before its parts, and those side by side.
        named = sorted(views.items(), key=lambda view: (":" in view[1], view[0]))
        return [
            "for row in range(first, last):",
            *indented([f"{name} = {view}" for name, view in named] + body),
        ]

    def _loop(self, sinks: Sequence[tuple[Destination, Value]], extent: str) -> RowLoop:
        loop = RowLoop({}, [], extent)
        names: dict[Value, str] = {}
        late: list[str] = []
        for number, (target, node) in enumerate(sinks):
            value = self._emit(loop, names, node)
            later = computed_from(each for _, each in sinks[number + 1 :]) - names.keys()
            # A value is stored as soon as it is known, which frees its register, but not over what
            # the loop is still to read.
            stores = late if any(self._overwrites(target, each) for each in later) else loop.lines
            stores.append(f"{self._target(loop.views, target)}[k] {target.assign} {value}")
        return loop._replace(lines=loop.lines + late)

    def _emit(self, loop: RowLoop, names: dict[Value, str], node: Value) -> str:
        if node in names:
            return names[node]
        if node.op == "constant":
            return f"T({node.detail!r})"
        text = self._load(loop.views, node)
        if not text:
            args = [self._emit(loop, names, arg) for arg in node.args]
            text = EXPRESSIONS[node.op].format(*args)
        name = names[node] = f"t{len(names)}"
        loop.lines.append(f"{name} = {text}")
        return name

    def _load(self, views: dict[str, str], node: Value) -> str:
        """Return what reads a value from memory; "" for one that is to be computed."""
        if node in self.ready:
            return f"{self._target(views, Destination(*self.ready[node]))}[k]"
        match node.op:
            case "x":
                return self._gate(self._gates(views, "z", node.detail), node.detail)
            case "state":
                return f"{_row(views, f'o{node.detail}', f's{node.detail}[old, row]')}[k]"
            case "parameter":
                return f"p{self.step.symbols.pointwise.index(node.detail)}[k]"
            case "input":
                return f"{_row(views, 'xr', 'xs[t, row]')}[k]"
            case "dot":
                return f"{self._product(views, node)}[k]"
            case "back":
                number = self.backs.index(node)
                return f"{_row(views, f'back{number}_row', f'back{number}[row]')}[k]"
            case "slope":
                return self._slope(views, node.detail)
        return ""

    def _slope(self, views: dict[str, str], state: int) -> str:
        """Return the gradient of a new state."""
        found = []
        for array in slope_parts(self.plan, state):
            name, row = (
                ("dyr", "dys[t, row]") if array == "dys[t]" else (f"{array}_row", f"{array}[row]")
            )
            found.append(f"{_row(views, name, row)}[k]")
        return " + ".join(found)

    def _product(self, views: dict[str, str], node: Value, count: int = 1) -> str:
        """Return the view of a block of a product, or of some side by side."""
        number, product, part = product_of(self.plan, node)
        step = "t" if number in self.plan.whole else "0"
        name, row = f"m{number}r", f"m{number}[{step}, row]"
        if count == len(product.dots):
            return _row(views, name, row)
        blocks = len(product.dots)
        return _part(views, (name, row), blocks, part, count, SIZES[node.width])

    def _target(self, views: dict[str, str], target: Destination) -> str:
        array, part, _ = target
        match array:
            case "zx":
                return self._gates(views, "z", part)
            case "dzx":
                return self._gates(views, "dz", part)
            case "kept":
                return _row(views, f"v{part}r", f"v{part}[t, row]")
            case "new":
                return _row(views, f"w{part}", f"s{part}[old + 1, row]")
            case "carry":
                return _row(views, f"carry{part}_row", f"carry{part}[row]")
            case "dxs":
                return _row(views, "dxr", "dxs[t, row]")
            case "dp":
                return f"dp{part}"
        number = int(array.removeprefix("dm"))
        dots = self.step.products[number].dots
        if len(dots) == 1:
            return _row(views, f"{array}r", f"{array}[t, row]")
        size = SIZES[dots[0].width]
        return _part(views, (f"{array}r", f"{array}[t, row]"), len(dots), part, 1, size)

    def _gates(self, views: dict[str, str], name: str, first: int, count: int = 1) -> str:
        """Return the view of gates side by side in zx or dzx."""
        row = f"{name}x[t, row]"
        if count == len(self.step.symbols.gates):
            return _row(views, f"{name}r", row)
        gates = len(self.step.symbols.gates)
        return _part(views, (f"{name}r", row), gates, first, count)

    def _gate(self, view: str, first: int, count: int = 1) -> str:
        """Return what reads gates with their bias."""
        if self.biased:
            return f"{view}[k]"
        return f"({view}[k] + {self._bias(first, count)}[k])"

    def _bias(self, first: int, count: int = 1) -> str:
        if count == len(self.step.symbols.gates):
            return "bias"
        name = f"b{first}" if count == 1 else f"b{first}_{count}"
        self.constants[name] = f"bias[{first} * n : {first + count} * n]"
        return name

    def _overwrites(self, target: Destination, node: Value) -> bool:
        """Tell whether storing to a target destroys what a value is read from."""
        if target.array == "carry":
            return node.op == "slope" and node.detail == target.part
        if target.array == "zx":
            return node.op == "x" and node.detail == target.part
        return False


def product_of(plan: WindowPlan, node: Value) -> tuple[int, StepProduct, int]:
    """Return the number of the product that gives a block, the product, and the place in it."""
    for number, product in enumerate(plan.step.products):
        for part, each in enumerate(product.dots):
            if each is node:
                return number, product, part
    raise LookupError(node.detail)


def indented(lines: Iterable[str]) -> list[str]:
    """Return lines one level deeper."""
    return [INDENT + line for line in lines]


def unpacking(prefix: str, count: int, source: str) -> list[str]:
    """Return the statement that names the parts of a tuple; none where it is empty."""
    names = ", ".join(f"{prefix}{number}" for number in range(count))
    return [f"({names},) = {source}"] if count else []


def memory_names(plan: WindowPlan) -> list[str]:
    """Return the statements that name the arrays of a window."""
    step = plan.step
    return [
        *unpacking("s", len(step.new), "states"),
        *unpacking("p", len(step.symbols.pointwise), "params"),
        *unpacking("m", len(step.products), "outs"),
        *unpacking("v", len(plan.kept), "kept"),
    ]


def slope_names(back: WayBack) -> list[str]:
    """Return the statements that name the arrays of the way back."""
    step = back.plan.step
    return [
        *unpacking("turned", len(step.products), "turned"),
        *unpacking("dm", len(step.products), "dms"),
        *unpacking("back", len(back.backs), "backs"),
        *unpacking("carry", len(step.new), "carry"),
        *unpacking("term", len(back.plan.terms), "terms"),
        *unpacking("dp", len(step.symbols.pointwise), "dparams"),
    ]


def _row(views: dict[str, str], name: str, row: str) -> str:
    views[name] = row
    return name


def _part(
    views: dict[str, str], row: tuple[str, str], of: int, part: int, count: int, size: str = "n"
) -> str:
    """Name `count` parts of a row of `of`, and the row.

    The last part has no end: Numba then leaves out a comparison, 0.04 us a row of an LSTM.
    """
    name, views[row[0]] = row[0], row[1]
    own = f"{name}{part}" if count == 1 else f"{name}{part}_{count}"
    start = f"{part} * {size}" if part else ""
    stop = f"{part + count} * {size}" if part + count < of else ""
    views[own] = f"{name}[{start}:{stop}]"
    return own
