"""Do the encoder and the decoder of a draft fit together?"""

from __future__ import annotations

import json

from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.stack import bridge_problem
from rnnkit.core.signal import Signal
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft, Path, path_text
from rnnkit.spec.stack_check import RECOMPUTE, Beside, StackCheck

MODEL: Path = ("model",)
ENCODER: Path = ("model", "encoder", "layers")
DECODER: Path = ("model", "decoder", "layers")


def is_pair(draft: Draft) -> bool:
    """Tell whether the model is meant to have an encoder and a decoder."""
    model = draft.get(MODEL)
    return isinstance(model, dict) and bool({"encoder", "decoder"} & set(model))


def check_pair(blocks: Blocks, data: Dataset | None, inputs: Signal | None) -> Signal | None:
    """Report what does not fit; return what the decoder gives, as far as it is known."""
    draft = blocks.draft
    if data is not None and not data.has_source:
        message = f'{data.type} data has no sources for an encoder (data of type "pairs" has)'
        draft.report(("data", "type"), "SPEC_INCONSISTENT", message)
    encoder = StackCheck(blocks, inputs, False, ENCODER)
    memory = encoder.outputs or Signal(None)
    last = _last(encoder) if draft.get(("model", "peek")) is True else None
    decoder = StackCheck(blocks, inputs, True, DECODER, Beside(memory, last))
    encoder.check_names()
    decoder.check_names()
    encoder.check_each(sized=False)
    decoder.check_each()
    _check_names(draft, encoder, decoder)
    decoder.check_ties(encoder)
    _check_bridge(draft, encoder, decoder)
    if draft.get(RECOMPUTE) is True:
        message = "a model with an encoder is not learned in blocks (leave it out)"
        draft.report(RECOMPUTE, "SPEC_INCONSISTENT", message)
    return decoder.outputs


def _last(encoder: StackCheck) -> Signal | None:
    """Return the output of the last recurrent layer."""
    sizes = encoder.state_sizes() or []
    return Signal(sizes[-1][0]) if sizes else None


def _check_bridge(draft: Draft, encoder: StackCheck, decoder: StackCheck) -> None:
    gives, takes = encoder.state_sizes(), decoder.state_sizes()
    if gives is None or takes is None:
        return
    problem = bridge_problem(gives, takes, draft.get(("model", "bridge")) != "output")
    if problem:
        side = ("model", "encoder") if not gives else ("model", "decoder")
        draft.report(side, "SPEC_SHAPE", problem)


def _check_names(draft: Draft, encoder: StackCheck, decoder: StackCheck) -> None:
    """Report a name that both parts give."""
    first = {layer.name: i for i, layer in enumerate(encoder.layers) if layer and layer.name}
    for i, layer in enumerate(decoder.layers):
        if layer and layer.name in first:
            message = f"{json.dumps(layer.name)} is also the name of "
            message += f"{path_text((*ENCODER, first[layer.name]))} (names are unique)"
            draft.report((*DECODER, i, "name"), "SPEC_INCONSISTENT", message)
