"""An encoder-decoder of layers whose widths the data, and the encoder, decide."""

from __future__ import annotations

from collections.abc import Sequence

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.stack import Beside, bridge_problem, shaped_at, sized
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.network.network import Network
from rnnkit.network.seq2seq.encoded import last_output
from rnnkit.network.seq2seq.network import Bridge, Seq2Seq


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
    ahead, memory = sized(encoder, "encoder.", inputs)
    last = last_output(Network(ahead, loss, inputs, targets)) if peek else None
    behind, outputs = sized(decoder, "decoder.", inputs, targets, Beside(memory, last))
    with shaped_at("loss"):
        loss.check(outputs, targets)
    whole = Seq2Seq(ahead + behind, loss, inputs, targets, "", len(encoder), bridge, peek)
    signals = whole.entering()
    sizes = [layer.state_sizes(signals[name]) for name, layer in whole.named]
    gives, takes = (
        list(filter(None, part)) for part in (sizes[: len(encoder)], sizes[len(encoder) :])
    )
    if problem := bridge_problem(gives, takes, bridge == "all"):
        raise ShapeError(problem, "decoder" if gives else "encoder")
    return whole
