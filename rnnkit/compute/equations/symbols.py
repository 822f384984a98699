"""What the equations of a cell may name, as its author declares it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rnnkit.compute.equations.refusals import EquationError

WIDTHS = ("units", "inputs")


class Symbols(NamedTuple):
    """What equations may name: gates, states, pointwise parameters, matrices.

    `recurrent` are the gates that have a part of h Wh. A matrix is given by the widths of what it
    takes and gives and the names of its blocks, () for a matrix of one.
    """

    gates: tuple[str, ...]
    recurrent: tuple[str, ...]
    states: tuple[str, ...]
    pointwise: tuple[str, ...]
    matrices: Mapping[str, tuple[str, str, tuple[str, ...]]]


def check_symbols(symbols: Symbols) -> None:
    """Raise EquationError for a name that does not say what it stands for."""
    lists = {field: getattr(symbols, field) for field in ("gates", "recurrent", "states")}
    for field, names in lists.items():
        if isinstance(names, str):
            raise EquationError(f"`{field}` is one text: write ({names!r},), with the comma")
        _check_once(f"`{field}`", names)
    if not symbols.states:
        raise EquationError("`states` names none: the first is the output")
    if "input" in symbols.gates:
        raise EquationError("no gate is called input: x.input is x itself")
    for name in symbols.recurrent:
        if name not in symbols.gates:
            raise EquationError(unknown_name("`recurrent` names no gate", name, symbols.gates))
    own = ["Wx", "b"] if symbols.gates else []
    if symbols.recurrent and symbols.matrices["Wh"] != ("units", "units", symbols.recurrent):
        own.append("Wh")
    _check_once("the cell", [*own, *symbols.matrices, *symbols.pointwise])
    for name, (source, target, blocks) in symbols.matrices.items():
        for width in (source, target):
            if width not in WIDTHS:
                raise EquationError(
                    f"the matrix {name} has the width {width!r}: write 'units' or 'inputs'"
                )
        _check_once(f"the matrix {name}", blocks)


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """Return the sentence about a name that was not declared."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f", did you mean {close[0]}?" if close else ""
    return f"{what} {name}{hint} (there is {', '.join(known) or 'none'})"


def _check_once(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise EquationError(f"{where} has the name {name} twice")
