"""Where a spec meets its data: every width decided."""

from __future__ import annotations

from dataclasses import replace

from rnnkit.core.signal import Signal
from rnnkit.errors import Problem, ShapeError, SpecError
from rnnkit.network.network import Network
from rnnkit.network.seq2seq import Seq2Seq, paired
from rnnkit.spec.model import ModelSpec, PairSpec, Spec, StackSpec


def build_network(spec: Spec, inputs: Signal, targets: Signal) -> tuple[Spec, Network]:
    """Return the resolved spec, every width in it, and its network.

    Raises SpecError where two widths do not fit.
    """
    try:
        model, network = _sized(spec.model, inputs, targets)
        network = replace(network, rates=spec.train.rates())
        network.declared()
    except ShapeError as error:
        raise SpecError(Problem(spec.name, "SPEC_SHAPE", f"model: {error}")) from error
    return spec.model_copy(update={"model": model}), network


def _sized(
    model: ModelSpec | PairSpec, inputs: Signal, targets: Signal
) -> tuple[ModelSpec | PairSpec, Network]:
    if isinstance(model, ModelSpec):
        network = Network.sized(model.layers, model.loss, inputs, targets)
        return model.model_copy(update={"layers": network.layers}), network
    pair: Seq2Seq = paired(
        model.encoder.layers,
        model.decoder.layers,
        model.loss,
        inputs,
        targets,
        model.bridge,
        model.peek,
    )
    parts = pair.layers[: pair.encoding], pair.layers[pair.encoding :]
    encoder, decoder = (StackSpec(layers=layers) for layers in parts)
    return model.model_copy(update={"encoder": encoder, "decoder": decoder}), pair
