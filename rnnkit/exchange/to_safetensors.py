"""A model's parameters as safetensors, under rnnkit's own names; the spec is in the metadata."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np

from rnnkit.core.context import Context
from rnnkit.exchange.packages import needed
from rnnkit.exchange.proof import Proof, difference, prove_network
from rnnkit.exchange.trained import Trained, describe
from rnnkit.network.network import States
from rnnkit.types import Array

FILE = "model.safetensors"


class Safetensors:
    """Writes every stored parameter as `layer/name`; what is shared stands once."""

    def refusals(self, model: Trained) -> list[str]:
        """Refuse nothing: every parameter has a name."""
        return []

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Write model.safetensors."""
        store = model.store
        arrays = {
            # The library writes the buffer of a transposed view as it lies, and says nothing.
            name: np.ascontiguousarray(array)
            for name, array in store.stored().items()
        }
        facts = {"rnnkit": json.dumps(describe(model)), "verified": str(verified).lower()}
        _library().save_file(arrays, folder / FILE, metadata=facts)

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Give the parameters of the file to a new store, and compare its outputs."""
        library, network = _library(), model.network
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


def _library() -> ModuleType:
    return needed("safetensors.numpy")


TARGET = Safetensors()
