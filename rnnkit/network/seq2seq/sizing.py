"""An encoder-decoder of layers whose widths the data, and the encoder, decide."""

from __future__ import annotations

from collections.abc import Sequence

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.stack import bridge_problem, joined, layer_names, peeking
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.network.network import Network
from rnnkit.network.seq2seq.network import Bridge, Seq2Seq, last_output


def paired(
    encoder: Sequence[Layer],
    decoder: Sequence[Layer],
    loss: Loss,
    inputs: Signal,
    targets: Signal,
    bridge: Bridge,
    peek: bool,
) -> Seq2Seq:
    """Give each layer the widths that its spec left to the data, and to the encoder.

    Both parts read `inputs`. Raises ShapeError where two widths do not fit.
    """
    found: list[Layer] = []
    memory = inputs
    for name, layer in zip(layer_names(encoder, "encoder."), encoder, strict=True):
        memory = _resolved(found, name, layer, memory)
    ahead = Network(tuple(found), loss, inputs, targets, "encoder.")
    last = last_output(ahead) if peek else None
    joins, signal = peeking(decoder) if last else (), inputs
    for at, name in enumerate(layer_names(decoder, "decoder.")):
        signal = joined(signal, last) if last and at in joins else signal
        target = targets if at == len(decoder) - 1 else None
        signal = _resolved(found, name, decoder[at], signal, target, memory)
    loss.check(signal, targets)
    whole = Seq2Seq(tuple(found), loss, inputs, targets, "", len(encoder), bridge, peek)
    problem = bridge_problem(*whole.state_sizes(), bridge == "all")
    if problem:
        raise ShapeError(f"bridge: {problem}")
    return whole


def _resolved(
    found: list[Layer],
    name: str,
    layer: Layer,
    inputs: Signal,
    target: Signal | None = None,
    memory: Signal | None = None,
) -> Signal:
    """Add a layer with its widths to `found`; return what it gives."""
    try:
        found.append(layer.resolve(inputs, target, memory))
        return found[-1].output(inputs)
    except ShapeError as error:
        raise ShapeError(f"layer {name} {error}") from error
