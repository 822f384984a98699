"""The equations of a network on a page, each with the layers that compute by it."""

from __future__ import annotations

from collections.abc import Mapping

from rnnkit.compute.equations.notation import Notation
from rnnkit.contracts.printed_equations import printed_equations
from rnnkit.network.network import Network

LEGEND = (
    "x W is a product with a matrix, * is unit by unit; Wx_i and b_i are the columns of the gate "
    "i\nin Wx and b, h is a state before the step and h' the one after it"
)


def equations_of(network: Network) -> dict[str, Notation | None]:
    """Return the equations of each layer, inner ones too, by name; None where it has none."""
    found: dict[str, Notation | None] = {}
    for name, layer in network.named:
        found |= printed_equations(name, layer)
    return found


def equations_text(found: Mapping[str, Notation | None]) -> str:
    """Return equations for people, those of equal layers once, and what the signs mean."""
    parts = [
        "\n".join([names, *(f"  {line}" for line in notation.text)])
        for names, notation in _by_equations(found)
    ]
    return "\n\n".join([*parts, *_without(found), *([LEGEND] if parts else [])])


def equations_latex(found: Mapping[str, Notation | None]) -> str:
    """Return the same as a piece of a document: what is no equation is a comment."""
    parts = [f"% {names}\n{notation.aligned()}" for names, notation in _by_equations(found)]
    return "\n\n".join([*parts, *(f"% {line}" for line in _without(found))])


def _by_equations(found: Mapping[str, Notation | None]) -> list[tuple[str, Notation]]:
    """Return each set of equations with the names of its layers."""
    layers: dict[Notation, list[str]] = {}
    for name, notation in found.items():
        if notation:
            layers.setdefault(notation, []).append(name)
    return [(", ".join(names), notation) for notation, names in layers.items()]


def _without(found: Mapping[str, Notation | None]) -> list[str]:
    names = ", ".join(name for name, notation in found.items() if not notation)
    return [f"no equations: {names}"] if names else []
