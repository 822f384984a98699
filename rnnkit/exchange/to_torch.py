"""A model as plain PyTorch modules: model.safetensors, and model.py that reads it.

The attributes of the modules are the types of the layers, numbered where there are several, and the
parameters are called as PyTorch calls them: `lstm.weight_ih_l0`. The proof runs model.py in a
process of its own, which cannot import rnnkit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnkit.exchange.other_process import Ask, asked
from rnnkit.exchange.packages import version_of
from rnnkit.exchange.pieces import Piece, attribute_names, pieces_of, refusals
from rnnkit.exchange.proof import Proof, Runner, prove_network
from rnnkit.exchange.safetensors_file import save_arrays
from rnnkit.exchange.torch_layers import CALLED, ModuleSource, not_in_torch, write_module
from rnnkit.exchange.torch_source import source_text
from rnnkit.exchange.trained import Trained
from rnnkit.network.states import States
from rnnkit.types import Array


class Torch:
    """Writes model.safetensors and model.py."""

    def refusals(self, model: Trained) -> list[str]:
        """Refuse layers that have no module."""
        if model.network.reads_source:
            return ["an encoder and a decoder are not written for PyTorch (--to onnx has them)"]
        return refusals(pieces_of(model.network, model.store.values), not_in_torch)

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Write the parameters and the source."""
        pieces = pieces_of(model.network, model.store.values)
        source = ModuleSource(attribute_names(pieces, CALLED))
        for piece in pieces:
            write_module(piece, "x", "x", source)
        save_arrays(folder, source.arrays, model, verified, extra="torch", format="pt")
        (folder / "model.py").write_text(source_text(model, source, verified))

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Run model.py in a process of its own."""
        program = f"torch {version_of('torch')}"
        pieces = pieces_of(model.network, model.store.values)
        with asked("torch", folder) as ask:
            run = _runner(pieces, ask)
            return prove_network(model.network, model.store.values, run, program)


def _runner(pieces: Sequence[Piece], ask: Ask) -> Runner:
    names = attribute_names(pieces, CALLED)
    carrying = {piece.name: piece.innermost() for piece in pieces if piece.states}
    both_ways = {
        piece.name for piece in pieces if any(p.type == "bidirectional" for p in piece.walk())
    }

    def run(xs: Array, states: States) -> tuple[Array, States]:
        given = {
            f"{names[cell.name]}/{at}": np.stack([part] * (2 if layer in both_ways else 1))
            for layer, cell in carrying.items()
            for at, part in enumerate(states[layer])
        }
        x = xs.astype(np.int64) if xs.dtype.kind in "iu" else xs
        found = ask({"x": x, **given})
        after = {
            layer: tuple(found[f"{names[cell.name]}/{at}"][0] for at in range(len(cell.states)))
            for layer, cell in carrying.items()
        }
        return found["y"], after

    return run


TARGET = Torch()
