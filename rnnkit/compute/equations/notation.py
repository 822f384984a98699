"""The equations of a cell in print, as text and as LaTeX, with the names that their author gave.

A value that has no name stands where it is read; one that is read twice gets a name. A gate's part
of x Wx + b is x Wx_i + b_i, a state after the step h'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from rnnkit.compute.equations.author_names import trace_with_names
from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.languages import ATOM, FUNCTIONS, LATEX, SUM, TEXT, Language
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import Names, StepGraph


class Notation(NamedTuple):
    """The equations of a step, in the order in which they are computed."""

    text: tuple[str, ...]
    latex: tuple[str, ...]

    def aligned(self) -> str:
        """Return the LaTeX as one environment for display mathematics, aligned at the =."""
        lines = [f"  {line.replace(' = ', ' &= ', 1)}" for line in self.latex]
        return "\n".join([r"\begin{aligned}", " \\\\\n".join(lines), r"\end{aligned}"])


def write_equations(
    equations: Callable[[Names, Names, Names, Names], object], symbols: Symbols
) -> Notation:
    """Return `equations(x, r, s, p)` in print; raises EquationError for what is no step."""
    step, author = trace_with_names(equations, symbols)
    written = _Written(step, author)
    return Notation(written.lines(TEXT), written.lines(LATEX))


class _FreeNames:
    """Names of which no two are equal: one that is taken gets a number."""

    def __init__(self) -> None:
        self._taken = {"x", "where", *FUNCTIONS}

    def take(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


class _Written:
    """A step with a name for every value that has an equation or a symbol of its own."""

    def __init__(self, step: StepGraph, author: dict[Value, str]) -> None:
        self.step, self._free = step, _FreeNames()
        symbols = step.symbols
        self.states = [self._free.take(name) for name in symbols.states]
        pointwise = {name: self._free.take(name) for name in symbols.pointwise}
        packed = {"Wx": symbols.gates, "b": symbols.gates} if symbols.gates else {}
        packed |= {name: blocks for name, (_, _, blocks) in symbols.matrices.items()}
        self.parts = {name: self._parts_of(name, blocks) for name, blocks in packed.items()}
        self.names: dict[Value, str] = {}
        for node in step.nodes:
            match node.op:
                case "input":
                    self.names[node] = "x"
                case "state":
                    self.names[node] = self.states[node.detail]
                case "parameter":
                    self.names[node] = pointwise[node.detail]
        self.symbols = frozenset(self.names)
        self._name_values(author)

    def _parts_of(self, name: str, blocks: tuple[str, ...]) -> list[str]:
        """Return the names of the blocks of an array; one alone is the array."""
        whole = self._free.take(name)
        return [self._free.take(f"{name}_{b}") for b in blocks] if len(blocks) > 1 else [whole]

    def _name_values(self, author: dict[Value, str]) -> None:
        for state, node in zip(self.states, self.step.new, strict=True):
            self.names.setdefault(node, f"{state}'")
        reads = Counter(arg for node in self.step.nodes for arg in node.args)
        unnamed = [n for n in self.step.nodes if n not in self.names and n.op != "constant"]
        for node in unnamed:
            if node in author:
                self.names[node] = self._free.take(author[node])
        for node in unnamed:
            if node not in author and reads[node] > 1:
                self.names[node] = self._free.take(self._likely_name(node))

    def _likely_name(self, node: Value) -> str:
        """Return a name for a value without one: x.i and r.i look as they do in the equations."""
        symbols = self.step.symbols
        if node.op == "x":
            return f"x_{symbols.gates[node.detail]}"
        if node.op == "dot" and node.detail.name == "Wh":
            return f"r_{symbols.matrices['Wh'][2][node.detail.block]}"
        return "v"

    def lines(self, language: Language) -> tuple[str, ...]:
        """Return an equation for each value with a name, then states that are equal to one."""
        found = [
            (self.names[node], self._formula(node, language)[0])
            for node in self.step.nodes
            if node in self.names and node not in self.symbols
        ]
        for state, node in zip(self.states, self.step.new, strict=True):
            if self.names[node] != f"{state}'":
                found.append((f"{state}'", language.name(self.names[node])))
        return tuple(f"{language.name(name)} = {formula}" for name, formula in found)

    def _operand(self, node: Value, language: Language) -> tuple[str, int]:
        """Return how a value is written where it is read, and how tightly it holds together."""
        if node in self.names:
            return language.name(self.names[node]), ATOM
        return self._formula(node, language)

    def _formula(self, node: Value, language: Language) -> tuple[str, int]:
        """Return what a value is computed by, and how tightly it holds together."""
        if node.op == "constant":
            return language.number(node.detail), SUM if node.detail < 0 else ATOM
        if node.op == "x":
            matrix, bias = (language.name(self.parts[name][node.detail]) for name in ("Wx", "b"))
            product = language.forms["dot"].filled([("x", ATOM), (matrix, ATOM)])
            return language.forms["+"].filled([product, (bias, ATOM)])
        op, args = _without_negative_terms(node)
        operands = [self._operand(arg, language) for arg in args]
        if op == "dot":
            matrix = self.parts[node.detail.name][node.detail.block]
            operands.append((language.name(matrix), ATOM))
        elif op == "*" and any(arg.op == "constant" for arg in args):
            op = "scale"
        return language.forms[op].filled(operands)


def _without_negative_terms(node: Value) -> tuple[str, tuple[Value, ...]]:
    """Return the operation of a value: a + -1 is a - 1."""
    last = node.args[-1]
    if node.op in ("+", "-") and last.op == "constant" and last.detail < 0:
        return "-" if node.op == "+" else "+", (node.args[0], node.graph.number(-last.detail))
    return node.op, node.args
