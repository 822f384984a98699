"""The step of a cell by its equations as a C99 function, written from their graph.

A step is a row of rounds: products, each of which waits for a value of all units, and after them a
loop over the units that computes what the next products read, at last the new state. A product
that is only added to the gates' parts of x Wx + b is added to their array in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rnnkit.compute.equations.graph import TRANSCENDENTAL, Value, by_index
from rnnkit.compute.equations.trace import StepGraph, StepProduct
from rnnkit.exchange.c_expressions import expression
from rnnkit.exchange.c_source import SourceFile, c_identifier
from rnnkit.exchange.pieces import Piece

SIZES = {"units": "H", "inputs": "N"}
"""What the widths of values are called in a function."""


class ArrayPart(NamedTuple):
    """Where a value lies: part `part` of an array of parts of `size` numbers."""

    array: str
    part: int
    size: str

    @property
    def start(self) -> str:
        """Where its numbers begin."""
        return self.array + (f" + {_times(self.part, self.size)}" if self.part else "")

    @property
    def element(self) -> str:
        """Its number j."""
        return f"{self.array}[{f'{_times(self.part, self.size)} + ' if self.part else ''}j]"


def write_cell_step(source: SourceFile, piece: Piece, name: str) -> None:
    """Add the function `name` of a cell by its equations."""
    assert piece.step is not None, piece.type
    body = _StepBody(source, piece, piece.step, name)
    states = "".join(f", float *{state}" for state in body.states)
    source.function(name, f"const float *x{states}, float *y", "\n".join(body.lines()))


class _StepBody:
    """The body of one function in the making; `places` tells where values lie."""

    def __init__(self, source: SourceFile, piece: Piece, step: StepGraph, name: str) -> None:
        self.source, self.piece, self.step, self.name = source, piece, step, name
        self.states = [f"s_{c_identifier(state)}" for state in piece.states]
        self.places: dict[Value, ArrayPart] = {}
        self.readers: dict[Value, list[Value]] = {node: [] for node in step.nodes}
        self.rounds: dict[Value, int] = {}
        for node in step.nodes:
            for arg in node.args:
                self.readers[arg].append(node)
            below = max((self.rounds[arg] for arg in node.args), default=0)
            self.rounds[node] = below + (node.op == "dot")
        self.computed: set[Value] = set()
        self.declared = [f"enum {{ H = {piece.gives.known()}, N = {piece.reads.known()} }};"]
        self.names = 0

    def lines(self) -> list[str]:
        """Return the statements."""
        lines = self._inputs()
        for number in range(max(self.rounds[node] for node in self.step.new)):
            waiting = [p for p in self.step.products if self.rounds[p.dots[0]] == number + 1]
            for width in SIZES:
                read = [p.value for p in waiting if p.value.width == width]
                lines += self._loop(width, [each for each in read if each not in self.places])
            for product in waiting:
                lines += self._product(product)
        lines += self._new_states()
        return [*self.declared, *lines]

    def _inputs(self) -> list[str]:
        """Tell where the leaves of the graph lie, and form x Wx + b."""
        for node in self.step.nodes:
            match node.op:
                case "x":
                    self.places[node] = ArrayPart("z", node.detail, "H")
                case "input":
                    self.places[node] = ArrayPart("x", 0, "N")
                case "state":
                    self.places[node] = ArrayPart(self.states[node.detail], 0, "H")
                case "parameter":
                    self.places[node] = ArrayPart(self._array(node.detail), 0, "H")
        if not self.step.symbols.gates:
            reads = any(node.op == "input" for node in self.step.nodes)
            return [] if reads else ["(void)x;"]
        width = _times(len(self.step.symbols.gates), "H")
        self.declared.append(f"float z[{width}];")
        return [
            f"memcpy(z, {self._array('b')}, sizeof z);",
            f"add_product(x, N, {self._array('Wx')}, {width}, {width}, z);",
        ]

    def _array(self, parameter: str) -> str:
        name = f"{self.name}_{c_identifier(parameter)}"
        return self.source.array(self.piece.arrays[parameter], name)

    def _product(self, product: StepProduct) -> list[str]:
        """Form a product, in an array of its own or on top of what it alone is added to."""
        blocks = self.step.symbols.matrices[product.matrix][2]
        size, count = SIZES[product.dots[0].width], len(product.dots)
        if sums := self._sums(product):
            self.places |= sums
            into = next(iter(sums.values())).start
        else:
            into = self._new_name("p")
            self.declared.append(f"float {into}[{_times(count, size)}] = {{0}};")
            for part, dot in enumerate(product.dots):
                self.places[dot] = ArrayPart(into, part, size)
        value, rows = self.places[product.value].start, SIZES[product.value.width]
        matrix = ArrayPart(self._array(product.matrix), product.first, size).start
        columns, stride = _times(count, size), _times(max(len(blocks), 1), size)
        return [f"add_product({value}, {rows}, {matrix}, {stride}, {columns}, {into});"]

    def _sums(self, product: StepProduct) -> dict[Value, ArrayPart]:
        """Return the sums with gates side by side that are all that a product is for; {} if not."""
        sums = [found for dot in product.dots if (found := self._sum_with_gate(dot))]
        gates = [gate.detail for _, gate in sums]
        if len(sums) < len(product.dots) or gates != list(range(gates[0], gates[-1] + 1)):
            return {}
        return {node: self.places[gate] for node, gate in sums}

    def _sum_with_gate(self, dot: Value) -> tuple[Value, Value] | None:
        """Return the sum with a gate's part of x Wx + b that alone reads both, and the gate."""
        node = self._only_reader(dot)
        if node is None or node.op != "+":
            return None
        gate = node.args[1] if node.args[0] is dot else node.args[0]
        return (node, gate) if gate.op == "x" and self._only_reader(gate) is node else None

    def _only_reader(self, node: Value) -> Value | None:
        readers = self.readers[node]
        return readers[0] if len(readers) == 1 and node not in self.step.new else None

    def _loop(self, width: str, targets: Sequence[Value]) -> list[str]:
        """Compute values into arrays, and with them those that a later loop reads too."""
        if not targets:
            return []
        nodes = self._needed(targets)
        kept = {
            node: ArrayPart(self._new_name("a"), 0, SIZES[width])
            for node in nodes
            if node in targets or self._read_after(node, nodes)
        }
        body, _ = self._assigned(nodes, {node: place.element for node, place in kept.items()})
        self.places |= kept
        self.computed.update(nodes)
        self.declared += [f"float {place.array}[{place.size}];" for place in kept.values()]
        return _for_each(SIZES[width], body)

    def _new_states(self) -> list[str]:
        """Compute the new states, all of them before one is written."""
        new, output = self.step.new, f"y[j] = {self.states[0]}[j]"
        if len(new) == 1:
            body, known = self._assigned(self._needed(new), {})
            return _for_each("H", [*body, f"{output} = {expression(new[0], known)};"])
        names = {node: f"new_{state[2:]}" for node, state in zip(new, self.states, strict=True)}
        body, known = self._assigned([*self._there(new), *self._needed(new)], names)
        ends = [output, *(f"{state}[j]" for state in self.states[1:])]
        body += [f"{end} = {names[node]};" for end, node in zip(ends, new, strict=True)]
        return _for_each("H", body)

    def _there(self, nodes: Iterable[Value]) -> list[Value]:
        return [node for node in dict.fromkeys(nodes) if node in self.places]

    def _needed(self, targets: Iterable[Value]) -> list[Value]:
        """Return what is to be computed for some values, those first that others read."""
        found, waiting = set[Value](), list(targets)
        while waiting:
            node = waiting.pop()
            if node not in found and node not in self.places and node.width:
                found.add(node)
                waiting += node.args
        return by_index(found)

    def _read_after(self, node: Value, nodes: Sequence[Value]) -> bool:
        readers = [each for each in self.readers[node] if each not in self.computed]
        return node in self.step.new or any(each not in nodes for each in readers)

    def _assigned(
        self, nodes: Sequence[Value], names: Mapping[Value, str]
    ) -> tuple[list[str], Callable[[Value], str | None]]:
        """Return assignments to names, and what knows the names: the rest is part of expressions.

        Given names apart, what is read twice has one, and what takes long to compute, one after the
        other, unless it is only wanted in one case.
        """
        uses = Counter(arg for node in nodes for arg in node.args)
        long = {arg for node in nodes for arg in node.args if node.op != "where"} & {
            node for node in nodes if node.op in TRANSCENDENTAL
        }
        lines, local = list[str](), dict[Value, str]()

        def known(value: Value) -> str | None:
            place = self.places.get(value)
            return local.get(value, place and place.element)

        for node in nodes:
            name = names.get(node) or (
                self._new_name("v") if uses[node] > 1 or node in long else ""
            )
            if name:
                kind = "" if name.endswith("]") else "const float "
                lines.append(f"{kind}{name} = {expression(node, known)};")
                local[node] = name
        return lines, known

    def _new_name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"


def _for_each(size: str, body: Sequence[str]) -> list[str]:
    head = f"for (int j = 0; j < {size}; j++)"
    if len(body) == 1:
        return [head, f"    {body[0]}"]
    return [f"{head} {{", *(f"    {line}" for line in body), "}"]


def _times(count: int, size: str) -> str:
    """Return the product of a count from 1 and a size."""
    return size if count == 1 else f"{count} * {size}"
