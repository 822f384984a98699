"""An encoder and a decoder as two ONNX graphs.

encoder.onnx reads `source` (S, B) and `lengths` (B,), sources beginning together at step 0, and
gives the decoder's first states (`decoder.1.lstm/h_in`, ...), `memory` (S, B, F) where the decoder
attends, and `last` (B, H) where it peeks. decoder.onnx reads them, with `lengths` where it attends,
and `inputs` (T, B); it gives `outputs` (T, B, V) and its states after them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnkit.exchange.onnx_graph import FLOAT, INT64, STREAMS, Graph, Wires
from rnnkit.exchange.onnx_layers import write_layer
from rnnkit.exchange.onnx_stack import give_outputs, shape_of, with_states
from rnnkit.exchange.pieces import Piece
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.network.seq2seq.encoded import last_output


def attends(pieces: Sequence[Piece]) -> bool:
    """Tell whether a layer of the decoder reads the encoder's outputs."""
    return any(each.type == "attention" for piece in pieces for each in piece.walk())


def encoder_graph(pieces: Sequence[Piece], network: Seq2Seq) -> Graph:
    """Return the graph that reads a source, all of `pieces` given."""
    graph, ahead = Graph(), pieces[: network.encoding]
    x = graph.reads("source", *shape_of(network.encoder.inputs, "source_steps"))
    lengths = graph.reads("lengths", INT64, [STREAMS])
    after: dict[str, dict[str, str]] = {}
    for piece in ahead:
        after[piece.name] = {}
        x = write_layer(piece, x, Wires(graph, {}, after[piece.name], lengths))
    if attends(pieces[network.encoding :]):
        graph.gives("memory", x, ["source_steps", STREAMS, network.encoder.outputs.known()])
    by_name = {piece.name: piece for piece in pieces}
    for gives, takes in network.pairs:
        given = list(after[gives].values())
        for at, (state, width) in enumerate(by_name[takes].states.items()):
            if at == 0 or network.bridge == "all":
                value = given[at]
            else:  # what does not pass is as the layer starts
                value = graph.node("Mul", [given[0], graph.constant(0, np.float32)])
            value = graph.node("Squeeze", [value, graph.constant([0])])
            graph.gives(f"{takes}/{state}_in", value, [STREAMS, width])
    if network.peeking:
        name = network.pairs[-1][0]
        output, width = next(iter(after[name].values())), next(iter(by_name[name].states.values()))
        value = graph.node("Squeeze", [output, graph.constant([0])])
        graph.gives("last", value, [STREAMS, width])
    return graph


def decoder_graph(pieces: Sequence[Piece], network: Seq2Seq) -> Graph:
    """Return the graph that writes, all of `pieces` given."""
    graph, behind = Graph(), pieces[network.encoding :]
    x = graph.reads("inputs", *shape_of(network.inputs, "steps"))
    memory, last = {}, ""
    if attends(behind):
        width = network.encoder.outputs.known()
        memory = {
            "memory": graph.reads("memory", FLOAT, ["source_steps", STREAMS, width]),
            "memory_lengths": graph.reads("lengths", INT64, [STREAMS]),
        }
    if network.peeking:
        last = graph.reads("last", FLOAT, [STREAMS, last_output(network.encoder).known()])
    ended = []
    for piece in behind:
        if piece.name in network.peeking:
            x = _joined(graph, x, last)
        x, after = with_states(graph, piece, x, **memory)
        ended.append((piece, after))
    give_outputs(graph, ended, x, network.outputs.known())
    return graph


def _joined(graph: Graph, x: str, last: str) -> str:
    """Put `last` (B, H) beside every step of x (T, B, F)."""
    shape = graph.node("Shape", [x], start=0, end=2)
    whole = graph.node("Concat", [shape, graph.constant([1])], axis=0)
    return graph.node("Concat", [x, graph.node("Expand", [last, whole])], axis=2)
