"""A model as a functional one of Keras 3, model.keras, whose states are inputs and outputs by name.

`inputs` (B, T) or (B, T, F) become `outputs` (B, T, V); of a layer `lstm` the states `lstm_h` and
`lstm_c` (B, n) go in and come out. Keras runs in a process of its own, with whatever backend is
installed: one writes the file, another loads it for the proof.
"""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnkit.exchange.keras_graph import KerasGraph
from rnnkit.exchange.keras_layers import CALLED, not_in_keras, write_keras
from rnnkit.exchange.other_process import Ask, asked
from rnnkit.exchange.packages import no_package, version_of
from rnnkit.exchange.pieces import Piece, attribute_names, pieces_of, refusals
from rnnkit.exchange.proof import Proof, Runner, prove_network
from rnnkit.exchange.trained import Trained, describe
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array

BACKENDS = "torch", "jax", "tensorflow"


class Keras:
    """Writes model.keras, which also holds rnnkit.json: what `describe` tells."""

    def refusals(self, model: Trained) -> list[str]:
        """Refuse layers that Keras has not."""
        if model.network.reads_source:
            return ["an encoder and a decoder are not written for Keras (--to onnx has them)"]
        return refusals(pieces_of(model.network, model.store.values), not_in_keras)

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Let Keras build the model and save it."""
        graph = keras_graph(pieces_of(model.network, model.store.values), model.network)
        plan = {"plan": np.array(json.dumps(graph.plan(model.spec.name)))}
        with asked("keras-build", folder, environment()) as ask:
            ask({**graph.arrays, **plan})
        facts = {**describe(model), "verified": verified}
        with zipfile.ZipFile(folder / "model.keras", "a") as archive:
            archive.writestr("rnnkit.json", json.dumps(facts))

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Load the file in a process of its own, and run it."""
        chosen = environment()
        program = f"keras {version_of('keras')} on {chosen['KERAS_BACKEND']}"
        pieces = pieces_of(model.network, model.store.values)
        with asked("keras", folder, chosen) as ask:
            run = _runner(pieces, ask)
            return prove_network(model.network, model.store.values, run, program)


def keras_graph(pieces: Sequence[Piece], network: Network) -> KerasGraph:
    """Return a stack as Keras is told to build it."""
    every = [piece for outer in pieces for piece in outer.walk()]
    tied = {piece.settings["tie"] for piece in every if piece.settings.get("tie")}
    graph = KerasGraph(attribute_names(pieces, CALLED), tied)
    if network.inputs.ids:
        x = graph.reads("inputs", [None], "int32")
    else:
        x = graph.reads("inputs", [None, network.inputs.known()])
    for piece in pieces:
        x = write_keras(piece, x, graph)
    graph.outputs = {"outputs": x, **graph.outputs}
    return graph


def _runner(pieces: Sequence[Piece], ask: Ask) -> Runner:
    names = attribute_names(pieces, CALLED)
    called = {
        piece.name: [f"{names[piece.innermost().name]}_{state}" for state in piece.states]
        for piece in pieces
        if piece.states
    }

    def run(xs: Array, states: States) -> tuple[Array, States]:
        x = np.moveaxis(xs, 0, 1)
        x = x.astype(np.int32) if x.dtype.kind in "iu" else x
        named = {name: dict(zip(called[name], states[name], strict=True)) for name in called}
        before = {key: array for each in named.values() for key, array in each.items()}
        found = ask({"inputs": x, **before})
        after = {layer: tuple(found[key] for key in keys) for layer, keys in called.items()}
        return np.moveaxis(found["outputs"], 0, 1), after

    return run


def environment() -> dict[str, str]:
    """Return what chooses the backend: the user's choice, or the first that is installed."""
    version_of("keras")
    chosen = os.environ.get("KERAS_BACKEND")
    found = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if not chosen and not found:
        raise no_package("keras", f"with a backend: none of {', '.join(BACKENDS)} is installed")
    return {"KERAS_BACKEND": chosen or found[0]}


TARGET = Keras()
