"""One model in several forms: other cells in the places of its own, recurrent weights rescaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from rnnkit.analysis.plots.gradients import DTYPE
from rnnkit.analysis.plots.probe import replaced
from rnnkit.contracts.cell import Cell
from rnnkit.core.params import ParamSpec, ParamStore
from rnnkit.network.network import Network
from rnnkit.types import Array

RECURRENT = "Wh"
"""What every base of cells, and every cell of rnnkit, calls the weights that multiply h."""


@dataclass(frozen=True)
class Variant:
    """A network with parameters in float64; `label` tells it from the others, "" for the only."""

    label: str
    network: Network
    store: ParamStore


def variants(
    network: Network, seed: int, cells: Sequence[type[Cell]] = (), scales: Sequence[float] = ()
) -> list[Variant]:
    """Return a freshly started variant for each cell and each scale; one, where neither is given.

    A scale is the largest singular value that each square block of recurrent weights gets. Raises
    pydantic's ValidationError for a cell that needs more than units.
    """
    made = []
    for cell in cells or (None,):
        chosen = network if cell is None else with_cell(network, cell)
        for scale in scales or (None,):
            store = chosen.store(DTYPE)
            store.initialize(seed)
            made.append(_variant(chosen, store, cell, scale))
    return made


def rescaled(
    network: Network, trained: Mapping[str, Array], scales: Sequence[float]
) -> list[Variant]:
    """Return a variant for each scale of parameters by "layer/name"; one, where no scale is."""
    made = []
    for scale in scales or (None,):
        store = network.store(DTYPE)
        for name, array in store.stored().items():
            array[...] = trained[name]
        made.append(_variant(network, store, None, scale))
    return made


def with_cell(network: Network, cell: type[Cell]) -> Network:
    """Return the network with cells of another class; one of that class keeps its own block.

    Units and name stay, and how Wx and Wh start where the spec says so.
    """

    def change(own: Cell) -> Cell:
        if type(own) is cell:
            return own
        init = {name: how for name, how in own.init.items() if name in ("Wx", RECURRENT)}
        return cell.model_validate({"units": own.units, "name": own.name, "init": init})

    return replaced(network, change)


def has_recurrent_weights(network: Network) -> bool:
    """Tell whether a scale has something to act on."""
    return any(_is_recurrent(name) for block in network.declared().values() for name in block)


def rescale(store: ParamStore, scale: float) -> None:
    """Give every square block of recurrent weights this largest singular value."""
    with threadpool_limits(1, user_api="blas"):  # the bits must not depend on how many there are
        for layer, declaration in store.declared.items():
            for name, spec in declaration.items():
                if _is_recurrent(name) and isinstance(spec, ParamSpec):
                    for block in np.split(store.values[layer][name], spec.gates, axis=1):
                        largest = np.linalg.norm(block, 2)
                        block *= scale / largest if largest else 1.0


def _variant(
    network: Network, store: ParamStore, cell: type[Cell] | None, scale: float | None
) -> Variant:
    words = []
    if cell is not None:
        words.append(str(cell.model_fields["type"].default))
    if scale is not None:
        rescale(store, scale)
        words.append(f"scale {scale:g}")
    return Variant(", ".join(words), network, store)


def _is_recurrent(name: str) -> bool:
    return name.split(".")[-1] == RECURRENT
