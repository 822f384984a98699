"""Where a spec meets its data: every width decided."""

from __future__ import annotations

from dataclasses import replace

from rnnkit.contracts.checked_declarations import layer_declarations
from rnnkit.contracts.stack import at_layer, shaped_at
from rnnkit.core.params import Declaration, check_shared
from rnnkit.core.signal import Signal
from rnnkit.errors import Path, ShapeError, SpecError
from rnnkit.network.network import Network
from rnnkit.network.seq2seq import Seq2Seq, paired
from rnnkit.spec.model import ModelSpec, PairSpec, Spec, StackSpec


def build_network(spec: Spec, inputs: Signal, targets: Signal) -> tuple[Spec, Network]:
    """Return the resolved spec, every width in it, and its network.

    Raises SpecError, with the path of the block, where two widths do not fit, and PluginError for
    a layer whose declarations are none.
    """
    try:
        model, network = _sized(spec.model, inputs, targets)
        network = replace(network, rates=spec.train.rates())
        _check_parameters(network)
    except ShapeError as error:
        raise SpecError.at(("model", *error.path), "SPEC_SHAPE", str(error)) from error
    return spec.model_copy(update={"model": model}), network


def _check_parameters(network: Network) -> None:
    """Raise ShapeError where a layer cannot be laid out, or does not fit what it shares."""
    entering = network.entering()
    declared: dict[str, Declaration] = {}
    for position, (name, layer) in enumerate(network.named):
        with shaped_at(*_path(network, position)):
            layer_declarations(layer, entering[name], name)
            declared[name] = layer.declared(entering[name])
    for position, name in enumerate(network.names):
        with shaped_at(*_path(network, position)):
            check_shared(declared, name)


def _path(network: Network, position: int) -> Path:
    """Return the path from the model to a layer."""
    if not isinstance(network, Seq2Seq):
        return at_layer("", position)
    behind = position - network.encoding
    return at_layer("encoder.", position) if behind < 0 else at_layer("decoder.", behind)


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
