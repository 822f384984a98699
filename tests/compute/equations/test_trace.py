"""What an author of equations may do wrong: each is a sentence with class, line and remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from rnnkit.compute.equations import dot, exp, log, maximum, sigmoid, sqrt, tanh, where
from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.trace import StepGraph
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import ParamSpec
from rnnkit.errors import PluginError

Equations = Callable[[Any, Any, Any, Any], Any]


def cell(
    equations: Equations,
    gates: Any = ("f", "n"),
    recurrent: Any = True,
    states: Any = ("h",),
    extra: tuple[str, ...] = (),
    matrices: dict[str, tuple[str, ...]] | None = None,
) -> EquationCell:
    """Return a cell of a new class."""
    methods = {
        "__module__": __name__,
        "__annotations__": {"type": Literal["faulty"]},
        "type": "faulty",
        "gates": gates,
        "recurrent": recurrent,
        "states": states,
        "equations": lambda self, x, r, s, p: equations(x, r, s, p),
        "extra": lambda self, inputs: {name: ParamSpec((self.units,), Zeros()) for name in extra},
        "matrices": lambda self: matrices or {},
    }
    kind = type(EquationCell)("Faulty", (EquationCell,), methods)
    found = kind(units=3)
    assert isinstance(found, EquationCell)
    return found


def read(x: Any, r: Any) -> Any:
    """Return a value that reads all there is of two gates."""
    return x.f + r.f + x.n + r.n


NUMBERS = "equations are written once for all"
AS_ONE = (
    "Python's if, and, or, not, min and max look at one value, but equations are written once for "
    "all: write where(a < b, then, otherwise), maximum or minimum"
)
OF_ONE = (
    "a function of one number reads a value of every unit: write that of rnnkit.compute.equations"
)
NO_PARTS = "a value has no parts: write the equation of one unit"
EQUAL = (
    "== and != compare no values, which are hardly ever equal: write where(a < b, then, otherwise)"
)
JOINED = (
    "&, | and ~ join no comparisons: write where(a < b, where(c < d, then, otherwise), otherwise)"
)
NO_GRADIENT = "// and % have no gradient: write / and the functions of rnnkit.compute.equations"
NO_NUMBER = "a comparison is no number: write where(a < b, 1, 0)"


def of_arrays(name: str) -> str:
    return (
        f"np.{name} reads arrays, but equations are written once for all: write the function of "
        "rnnkit.compute.equations, and numbers in place of arrays"
    )


WRONG: dict[str, tuple[Equations, str]] = {
    "if": (lambda x, r, s, p: x.f if x.f > 0 else x.n, AS_ONE),
    "and": (lambda x, r, s, p: x.f > 0 and x.n, AS_ONE),
    "not": (lambda x, r, s, p: not x.f, AS_ONE),
    "a chain": (lambda x, r, s, p: where(0 < x.f < 1, x.f, x.n), AS_ONE),
    "max": (lambda x, r, s, p: max(x.f, x.n), AS_ONE),
    "min": (lambda x, r, s, p: min(x.f, 0), AS_ONE),
    "math": (lambda x, r, s, p: math.tanh(x.f), OF_ONE),
    "float": (lambda x, r, s, p: float(x.f), OF_ONE),
    "int": (lambda x, r, s, p: int(x.f), OF_ONE),
    "round": (lambda x, r, s, p: round(x.f), OF_ONE),
    "range": (lambda x, r, s, p: list(range(x.f)), OF_ONE),
    "numpy": (lambda x, r, s, p: np.tanh(x.f), of_arrays("tanh")),
    "np.maximum": (lambda x, r, s, p: np.maximum(x.f, 0), of_arrays("maximum")),
    "np.add.reduce": (lambda x, r, s, p: np.add.reduce(x.f), of_arrays("add")),
    "np.where": (lambda x, r, s, p: np.where(x.f < 0, x.f, x.n), of_arrays("where")),
    "np.clip": (lambda x, r, s, p: np.clip(x.f, 0, 1), of_arrays("clip")),
    "np.dot": (lambda x, r, s, p: np.dot(x.f, x.n), of_arrays("dot")),
    "an array of values": (lambda x, r, s, p: np.asarray(x.f), NO_PARTS),
    "iteration": (lambda x, r, s, p: sum(x.f), NO_PARTS),
    "unpacking": (lambda x, r, s, p: (lambda a, b: a)(*x.f), NO_PARTS),
    "a part": (lambda x, r, s, p: x.f[0], NO_PARTS),
    "len": (lambda x, r, s, p: len(x.f), NO_PARTS),
    "==": (lambda x, r, s, p: where(x.f == 0, x.f, x.n), EQUAL),
    "== of two": (lambda x, r, s, p: x.f == x.n, EQUAL),
    "!=": (lambda x, r, s, p: where(x.f != 0, x.f, x.n), EQUAL),
    "a number ==": (lambda x, r, s, p: 0 == x.f, EQUAL),  # noqa: SIM300
    "in": (lambda x, r, s, p: x.f in (x.n, x.f), EQUAL),
    "&": (lambda x, r, s, p: where((x.f < 0) & (x.n < 0), x.f, x.n), JOINED),
    "~": (lambda x, r, s, p: where(~(x.f < 0), x.f, x.n), JOINED),
    "//": (lambda x, r, s, p: x.f // 2, NO_GRADIENT),
    "%": (lambda x, r, s, p: 1 % x.f, NO_GRADIENT),
    "@": (lambda x, r, s, p: x.f @ x.n, "a product with a matrix is dot(value, p.NAME)"),
    "** 0.5": (
        lambda x, r, s, p: x.f**0.5,
        "** 0.5: write exp(a * log(x)), or a whole power from 1",
    ),
    "** -1": (
        lambda x, r, s, p: x.f**-1,
        "** -1: write exp(a * log(x)), or a whole power from 1",
    ),
    "2 **": (
        lambda x, r, s, p: 2**x.f,
        "a power with an exponent that is no number: write exp(b * log(a))",
    ),
    "infinity": (
        lambda x, r, s, p: maximum(x.f, -math.inf),
        "expected a value or a finite number, received -inf",
    ),
    "NaN": (lambda x, r, s, p: x.f * np.nan, "expected a value or a finite number, received nan"),
    "an array": (
        lambda x, r, s, p: x.f + np.zeros(3),
        "expected a value or a finite number, received ndarray",
    ),
    "a text": (
        lambda x, r, s, p: x.f + "1",
        "expected a value or a finite number, received str",
    ),
    "/ 0": (lambda x, r, s, p: x.f / 0, "a division by 0"),
    "log of 0": (lambda x, r, s, p: log(0 * x.f), "log of 0.0 is no finite number"),
    "sqrt of -1": (lambda x, r, s, p: sqrt(0 * x.f - 1), "sqrt of -1.0 is no finite number"),
    "1 / 0": (lambda x, r, s, p: 1 / (0 * x.f), "/ of 1.0, 0.0 is no finite number"),
    "exp of 1000": (lambda x, r, s, p: exp(0 * x.f + 1000), "exp of 1000.0 is no finite number"),
    "a comparison": (lambda x, r, s, p: (x.f < 0) * x.n, NO_NUMBER),
    "tanh of a comparison": (lambda x, r, s, p: tanh(x.f < 0), NO_NUMBER),
    "a condition that is a value": (
        lambda x, r, s, p: where(x.f, x.f, x.n),
        "where: the condition is no comparison: write one such as a < 0",
    ),
    "a condition that is known": (
        lambda x, r, s, p: where(2 > 1, x.f, x.n),  # noqa: PLR0133
        "where: the condition reads no value: choose by Python's if",
    ),
    "a gate that is not": (
        lambda x, r, s, p: x.nn,
        "x has no part nn, did you mean n? (there is f, n, input)",
    ),
    "another gate": (lambda x, r, s, p: r.output, "r has no part output (there is f, n)"),
    "a state that is not": (lambda x, r, s, p: s.c, "there is no state c (there is h)"),
    "a parameter that is not": (lambda x, r, s, p: p.u, "there is no parameter u (there is Wh)"),
    "no dot": (
        lambda x, r, s, p: dot(s.h, 2),
        "dot: the second is no matrix: write p.NAME of one that `matrices` declares, or "
        "p.NAME.BLOCK where it has several blocks",
    ),
    "all blocks": (
        lambda x, r, s, p: dot(s.h, p.Wh),
        "dot: the second is no matrix: write p.NAME of one that `matrices` declares, or "
        "p.NAME.BLOCK where it has several blocks",
    ),
    "no block": (
        lambda x, r, s, p: dot(s.h, p.Wh.g),
        "Wh has no block g (there is f, n)",
    ),
    "dot the wrong way round": (
        lambda x, r, s, p: dot(p.Wh.f, s.h),
        "dot: the first is a matrix: write dot(value, p.NAME)",
    ),
    "dot of a number": (
        lambda x, r, s, p: dot(0.5, p.Wh.f),
        "dot with Wh: expected a value, received 0.5",
    ),
    "dot of x": (
        lambda x, r, s, p: dot(x.input, p.Wh.f),
        "dot with Wh: it takes one number a unit, received as many as x has",
    ),
    "dot of a comparison": (
        lambda x, r, s, p: dot(s.h < 0, p.Wh.f),
        "dot with Wh: a comparison is no number",
    ),
    "widths": (
        lambda x, r, s, p: x.f * x.input,
        "* of a value as wide as x and one of every unit: they are only equally wide by chance "
        "(make one of the other by dot with a matrix)",
    ),
    "another mistake": (lambda x, r, s, p: sigmoid(x.f).shape, "AttributeError: 'Value' object"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_an_author_may_not_write_is_said_with_its_line(name: str) -> None:
    equations, message = WRONG[name]
    with pytest.raises(PluginError) as caught:
        cell(equations).step_graph()
    (problem,) = caught.value.problems
    code = equations.__code__
    line = code.co_firstlineno
    assert problem.code == "PLUGIN_CONTRACT"
    start = f"layer, Faulty: Faulty.equations, line {line} of {__file__}: "
    assert problem.message.startswith(start + message), problem.message
    if "Error" not in message:
        assert problem.message == f"{start}{message} (tell its author)"


UNREAD: dict[str, tuple[EquationCell, str]] = {
    "a gate": (
        cell(lambda x, r, s, p: tanh(x.f + r.f + r.n)),
        "the gate n is never read: use x.n, or take it out of `gates`",
    ),
    "the hidden state's part": (
        cell(lambda x, r, s, p: tanh(x.f + r.f + x.n)),
        "the hidden state's part of the gate n is never read: use r.n, or name the gates that "
        "have one in `recurrent` (False: none)",
    ),
    "a state": (
        cell(lambda x, r, s, p: (read(x, r), s.h), states=("h", "c")),
        "the state c is never read: use s.c, or take it out of `states`",
    ),
    "a parameter": (
        cell(lambda x, r, s, p: read(x, r), extra=("u",)),
        "the parameter u is never read: use it, or leave it out",
    ),
    "a matrix": (
        cell(lambda x, r, s, p: read(x, r), matrices={"W": ("units", "units")}),
        "the matrix W is never read: use dot(value, p.W), or leave it out",
    ),
    "a block": (
        cell(
            lambda x, r, s, p: read(x, r) + dot(s.h, p.W.i),
            matrices={"W": ("units", "units", "i", "o")},
        ),
        "the matrix W.o is never read: use dot(value, p.W.o), or leave it out",
    ),
    "what is multiplied by 0": (
        cell(lambda x, r, s, p: 0 * x.f + r.f + x.n + r.n),
        "the gate f is never read: use x.f, or take it out of `gates`",
    ),
    "too few states": (
        cell(lambda x, r, s, p: read(x, r), states=("h", "c", "m")),
        "expected the new h, c and m, received 1 value",
    ),
    "too many states": (
        cell(lambda x, r, s, p: (read(x, r), s.h)),
        "expected the new h, received 2 values",
    ),
    "no states": (
        cell(lambda x, r, s, p: None, states=("h", "c")),
        "they return nothing: return the new h and c",
    ),
    "a state that is a number": (
        cell(lambda x, r, s, p: 1.0),
        "the new h is the number 1.0 of every unit",
    ),
    "a state that is a comparison": (
        cell(lambda x, r, s, p: x.f < x.n),
        "the new h is a comparison: write where(a < b, 1, 0)",
    ),
    "a state as wide as x": (
        cell(lambda x, r, s, p: tanh(x.input)),
        "the new h is as wide as x: make it one of dot(value, matrix)",
    ),
    "gates in one text": (
        cell(lambda x, r, s, p: x.f, gates="f"),
        "`gates` is one text: write ('f',), with the comma",
    ),
    "recurrent in one text": (
        cell(lambda x, r, s, p: x.f, recurrent="f"),
        "`recurrent` is one text: write ('f',), with the comma",
    ),
    "a gate twice": (
        cell(lambda x, r, s, p: x.f, gates=("f", "n", "f")),
        "`gates` has the name f twice",
    ),
    "a gate called input": (
        cell(lambda x, r, s, p: x.input, gates=("input", "forget")),
        "no gate is called input: x.input is x itself",
    ),
    "no gate that is recurrent": (
        cell(lambda x, r, s, p: x.f, gates=("f", "new"), recurrent=("nw",)),
        "`recurrent` names no gate nw, did you mean new? (there is f, new)",
    ),
    "no declared state": (
        cell(lambda x, r, s, p: x.f, states=()),
        "`states` names none: the first is the output",
    ),
    "a matrix of another width": (
        cell(lambda x, r, s, p: x.f, matrices={"W": ("unit", "units")}),
        "the matrix W has the width 'unit': write 'units' or 'inputs'",
    ),
    "a parameter called as a matrix": (
        cell(lambda x, r, s, p: x.f, matrices={"W": ("units", "units")}, extra=("W",)),
        "the cell has the name W twice",
    ),
    "a parameter called as the bias": (
        cell(lambda x, r, s, p: x.f, extra=("b",)),
        "the cell has the name b twice",
    ),
    "a matrix called as that of the hidden state": (
        cell(lambda x, r, s, p: x.f, matrices={"Wh": ("units", "units")}),
        "the cell has the name Wh twice",
    ),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_declared_and_what_is_returned_fit(name: str) -> None:
    faulty, message = UNREAD[name]
    with pytest.raises(PluginError) as caught:
        faulty.step_graph()
    (problem,) = caught.value.problems
    line = type(faulty).equations.__code__.co_firstlineno
    assert problem.message == (
        f"layer, Faulty: Faulty.equations, line {line} of {__file__}: {message} (tell its author)"
    )


def test_a_value_of_another_trace_is_refused() -> None:
    kept: list[Value] = []

    def equations(x: Any, r: Any, s: Any, p: Any) -> Any:
        kept.append(x.f)
        return read(x, r) + kept[0]

    cell(equations).step_graph()
    with pytest.raises(PluginError, match="a value of another call of the equations: nothing is"):
        cell(equations).step_graph()


def test_the_line_is_that_of_a_helper_in_the_same_file() -> None:
    def helper(value: Any) -> Any:
        return value if value > 0 else 0

    with pytest.raises(PluginError, match="Python's if") as caught:
        cell(lambda x, r, s, p: helper(read(x, r))).step_graph()
    assert f"line {helper.__code__.co_firstlineno + 1} of" in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    def written(two: Any) -> StepGraph:
        def equations(x: Any, r: Any, s: Any, p: Any) -> Any:
            moved = two * (two + (two - read(x, r) / two)) / two
            below = where(two > moved, two / (moved + two), two * moved - two)
            return where(two <= moved, maximum(moved, two), below)

        return cell(equations).step_graph()

    plain = written(2.0)
    for two in (np.float64(2), np.float32(2), np.int64(2), 2, np.sqrt(4.0)):
        found = written(two)
        assert [(node.op, node.detail) for node in found.nodes] == [
            (node.op, node.detail) for node in plain.nodes
        ]


def test_equations_may_compare_what_is_no_value() -> None:
    """A field, and what is left of a comparison once the equations are traced."""
    step = cell(lambda x, r, s, p: read(x, r) if "f" in ("f", "n") else s.h).step_graph()
    node = step.new[0]
    assert node == node and node != step.nodes[0] and node in step.nodes
