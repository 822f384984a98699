"""ONNX graphs in ONNX Runtime, compared with rnnkit: ragged sequences, encoders and decoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rnnkit.contracts.ragged import side_by_side
from rnnkit.core.context import Context
from rnnkit.exchange.onnx_stack import states_in, states_out
from rnnkit.exchange.packages import needed
from rnnkit.exchange.pieces import Piece
from rnnkit.exchange.proof import Proof, difference, states_apart, window
from rnnkit.network.network import Network
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.types import Array, Params

GraphRunner: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]
"""`session(inputs)` gives the outputs of a graph by name; it takes what the graph reads of them."""

LENGTHS = 7, 1, 4


def session(path: Path) -> GraphRunner:
    """Return a graph ready to run, on one thread."""
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    reads = {each.name for each in opened.get_inputs()}
    names = [each.name for each in opened.get_outputs()]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {name: array for name, array in inputs.items() if name in reads}
        return dict(zip(names, opened.run(names, given), strict=True))

    return run


def as_input(xs: Array) -> Array:
    """Return ids as int64, as the graphs read them, and values as they are."""
    return xs.astype(np.int64) if xs.dtype.kind in "iu" else xs


def prove_ragged(
    network: Network,
    params: Mapping[str, Params],
    pieces: Sequence[Piece],
    graph: GraphRunner,
    program: str,
) -> Proof:
    """Compare sequences of several lengths, side by side in the graph, with each alone in rnnkit.

    Raises ThresholdError where they differ.
    """
    padded, lengths = _left_aligned(network)
    first = network.initial_states(len(LENGTHS), np.dtype(np.float32))
    found = graph({"inputs": padded, "lengths": lengths, **states_in(pieces, first)})
    ended, largest = states_out(pieces, found), 0.0
    for at, length in enumerate(LENGTHS):
        alone = slice(at, at + 1)
        start = network.initial_states(1, np.dtype(np.float32))
        ys, after, _ = network.scan(params, padded[:length, alone], start, None, Context())
        largest = max(
            largest,
            difference(ys, found["outputs"][:length, alone]),
            states_apart(after, {n: tuple(s[alone] for s in each) for n, each in ended.items()}),
        )
    proof = Proof(program, f"{len(LENGTHS)} ragged sequences", largest)
    proof.check()
    return proof


def prove_pair(
    network: Seq2Seq,
    params: Mapping[str, Params],
    pieces: Sequence[Piece],
    encoder: GraphRunner,
    decoder: GraphRunner,
    program: str,
) -> Proof:
    """Compare what a decoder gives for sources of several lengths, in two windows, one carried.

    Raises ThresholdError where outputs or states differ.
    """
    padded, lengths = _left_aligned(network)
    source = side_by_side([padded[:length, at] for at, length in enumerate(LENGTHS)])
    targets = as_input(window(network, np.random.default_rng(2), 9, len(LENGTHS)))
    encoded, _ = network.encode(params, source, Context())
    known = {**encoder({"source": padded, "lengths": lengths}), "lengths": lengths}
    states, largest = encoded.states, 0.0
    for part in np.split(targets, [5]):
        ys, states, _ = network.decode(params, part, states, encoded, Context())
        found = decoder({**known, "inputs": part})
        carried = states_out(pieces[network.encoding :], found)
        largest = max(largest, difference(ys, found["outputs"]), states_apart(states, carried))
        known |= states_in(pieces[network.encoding :], carried)
    proof = Proof(program, f"{len(LENGTHS)} sources of other lengths, 2 windows", largest)
    proof.check()
    return proof


def _left_aligned(network: Network) -> tuple[Array, Array]:
    """Return sequences that begin together, and their lengths; what pads them is data too."""
    padded = window(network, np.random.default_rng(1), max(LENGTHS), len(LENGTHS))
    return as_input(padded), np.array(LENGTHS, np.int64)
