"""A model as ONNX graphs, run by ONNX Runtime before they are kept.

What each graph reads and gives is in `onnx_stack` and `onnx_pair`. The metadata has `rnnkit`, what
`exchange.trained.describe` tells, and `verified`. A script beside the graph needs onnxruntime and
NumPy alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from rnnkit.exchange.onnx_layers import WRITERS
from rnnkit.exchange.onnx_pair import decoder_graph, encoder_graph
from rnnkit.exchange.onnx_proof import as_input, prove_pair, prove_ragged, session
from rnnkit.exchange.onnx_scripts import prove_script, write_script
from rnnkit.exchange.onnx_stack import stack_graph, states_in, states_out
from rnnkit.exchange.packages import needed
from rnnkit.exchange.pieces import Piece, pieces_of, refusals
from rnnkit.exchange.proof import Proof, proofs_as_one, prove_network
from rnnkit.exchange.trained import Trained, describe
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.network.states import States
from rnnkit.types import Array


class Onnx:
    """Writes model.onnx; for whole sequences ragged.onnx too; for pairs encoder and decoder."""

    def refusals(self, model: Trained) -> list[str]:
        """Refuse layers that have no operators."""
        return refusals(pieces_of(model.network, model.store.values), _reason, equations=True)

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Write the graphs."""
        pieces, network = pieces_of(model.network, model.store.values), model.network
        if isinstance(network, Seq2Seq):
            graphs = {
                "encoder": encoder_graph(pieces, network),
                "decoder": decoder_graph(pieces, network),
            }
        else:
            graphs = {"model": stack_graph(pieces, network, ragged=False)}
            if model.spec.data.whole:
                graphs["ragged"] = stack_graph(pieces, network, ragged=True)
        facts = {"rnnkit": json.dumps(describe(model)), "verified": str(verified).lower()}
        for name, graph in graphs.items():
            data = graph.model(name, facts).SerializeToString()
            (folder / f"{name}.onnx").write_bytes(data)
        write_script(model, folder)

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Run every graph of the folder in ONNX Runtime."""
        pieces, network = pieces_of(model.network, model.store.values), model.network
        program = f"onnxruntime {needed('onnxruntime').__version__}"
        if isinstance(network, Seq2Seq):
            encoder, decoder = (session(folder / f"{n}.onnx") for n in ("encoder", "decoder"))
            return prove_pair(network, model.store.values, pieces, encoder, decoder, program)
        graph = session(folder / "model.onnx")

        def run(xs: Array, states: States) -> tuple[Array, States]:
            found = graph({"inputs": as_input(xs), **states_in(pieces, states)})
            return found["outputs"], states_out(pieces, found)

        proof = prove_network(network, model.store.values, run, program)
        asked = prove_script(model, folder, program)
        proof = proofs_as_one(proof, asked) if asked else proof
        if not model.spec.data.whole:
            return proof
        ragged = session(folder / "ragged.onnx")
        return proofs_as_one(
            proof, prove_ragged(network, model.store.values, pieces, ragged, program)
        )


def _reason(piece: Piece) -> str | None:
    return None if piece.type in WRITERS else f"there is no operator for the type {piece.type!r}"


TARGET = Onnx()
