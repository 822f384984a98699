"""A model's parameters as safetensors, under rnnkit's own names; the spec is in the metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnkit.core.context import Context
from rnnkit.exchange.packages import needed
from rnnkit.exchange.proof import Proof, difference, prove_network
from rnnkit.exchange.safetensors_file import FILE, save_arrays
from rnnkit.exchange.trained import Trained
from rnnkit.network.states import States
from rnnkit.types import Array


class Safetensors:
    """Writes every stored parameter as `layer/name`; what is shared stands once."""

    def refusals(self, model: Trained) -> list[str]:
        """Refuse nothing: every parameter has a name."""
        return []

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Write model.safetensors."""
        save_arrays(folder, model.store.stored(), model, verified)

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Give the parameters of the file to a new store, and compare its outputs."""
        library, network = needed("safetensors.numpy"), model.network
        store = network.store(np.dtype(np.float32))
        views = store.stored()
        for name, array in library.load_file(folder / FILE).items():
            views[name][...] = array

        program = f"safetensors {needed('safetensors').__version__}"
        if network.reads_source:  # what lies in the file is all that there is to run
            given = model.store.stored()
            apart = max(difference(given[name], found) for name, found in views.items())
            proof = Proof(program, f"{len(views)} arrays", apart)
            proof.check()
            return proof

        def run(xs: Array, states: States) -> tuple[Array, States]:
            return network.scan(store.values, xs, states, None, Context())[:2]

        return prove_network(network, model.store.values, run, program)


TARGET = Safetensors()
