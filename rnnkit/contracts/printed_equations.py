"""The equations of layers in print."""

from __future__ import annotations

from rnnkit.compute.equations.notation import Notation, write_equations
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.layer import Layer
from rnnkit.core.signal import Signal


def printed_equations(name: str, layer: Layer) -> dict[str, Notation | None]:
    """Return the equations of a layer by its name, None where it has none.

    Of a wrapper they are those of each layer that it holds, by `NAME.KEY`. Raises PluginError for
    equations that make no step.
    """
    if isinstance(layer, EquationCell):
        layer.step_graph()  # its errors tell the class and the line
        return {name: write_equations(layer.equations, layer.symbols(Signal(1)))}
    found: dict[str, Notation | None] = {}
    for key, inner in layer.inner().items():
        found |= printed_equations(f"{name}.{key}", inner)
    return found or {name: None}
