"""Do the blocks of a spec fit together? Asked before any data is opened.

Widths that only the data gives stay unknown. A block that is not valid, or that cannot take what it
receives, silences what depends on it, so that each mistake is reported once.
"""

from __future__ import annotations

from rnnkit.contracts.checked_dataset import signals_of, suited_to
from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.schedule import Schedule
from rnnkit.contracts.stack import Beside, bridge_problem
from rnnkit.core.signal import Signal
from rnnkit.errors import Path, path_text
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft
from rnnkit.spec.stack_check import RECOMPUTE, ShareableLayer, StackCheck, reads_later

MODEL: Path = ("model",)
ENCODER: Path = ("model", "encoder")
DECODER: Path = ("model", "decoder")


def check_shapes(draft: Draft, registry: Registry) -> None:
    """Report on the draft what does not fit together."""
    blocks = Blocks(draft, registry)
    data = blocks.find(("data",), Dataset)
    inputs, targets = blocks.ask(("data",), data, signals_of) or (None, None)
    # A plugin whose validation fails by another error than Pydantic's is named by `find`.
    blocks.find(("train", "optimizer"), Optimizer)
    blocks.find(("train", "schedule"), Schedule)
    model = draft.get(MODEL)
    pair = isinstance(model, dict) and bool({"encoder", "decoder"} & set(model))
    found = (_check_pair if pair else _check_stack)(blocks, data, inputs)
    loss = blocks.find(("model", "loss"), Loss)
    if found and targets:
        outputs, wanted = found, targets
        blocks.ask(("model", "loss"), loss, lambda loss: loss.check(outputs, wanted))
    if loss:
        asks = loss
        blocks.ask(("data",), data, lambda data: suited_to(data, asks))


def _check_stack(blocks: Blocks, data: Dataset | None, inputs: Signal | None) -> Signal | None:
    """Report what does not fit; return what the last layer gives, as far as it is known."""
    if data is not None and data.has_source:
        message = "this data has sources, which an encoder reads"
        advice = '(give the model "encoder" and "decoder" in place of "layers")'
        blocks.draft.report(MODEL, "SPEC_INCONSISTENT", f"{message} {advice}")
    stack = StackCheck(blocks, inputs, data.ahead if data else "")
    stack.check_each()
    stack.check_names({})
    stack.check_ties({})
    later = reads_later(stack.paths, stack.layers)
    if later and not stack.ahead and blocks.draft.get(RECOMPUTE) is True:
        message = (
            f"{path_text(later)} reads later inputs, so no window can be cut into blocks (leave "
        )
        message += '"recompute" out, or remove the layer)'
        blocks.draft.report(RECOMPUTE, "SPEC_INCONSISTENT", message)
    return stack.outputs


def _check_pair(blocks: Blocks, data: Dataset | None, inputs: Signal | None) -> Signal | None:
    """Do the same for an encoder and a decoder."""
    draft = blocks.draft
    if data is not None and not data.has_source:
        message = f'{data.type} data has no sources for an encoder (data of type "pairs" has)'
        draft.report(("data", "type"), "SPEC_INCONSISTENT", message)
    encoder = StackCheck(blocks, inputs, "", (*ENCODER, "layers"))
    gives = encoder.state_sizes()
    last = Signal(gives[-1][0]) if gives and draft.get((*MODEL, "peek")) is True else None
    beside = Beside(encoder.outputs or Signal(None), last)
    decoder = StackCheck(blocks, inputs, "token", (*DECODER, "layers"), beside)
    names: dict[str, Path] = {}
    tables: dict[str, ShareableLayer] = {}
    for part in (encoder, decoder):
        part.check_each(sized=part is decoder)
    for part in (encoder, decoder):
        part.check_names(names)
        part.check_ties(tables)
    takes = decoder.state_sizes()
    if gives is not None and takes is not None:
        whole = draft.get((*MODEL, "bridge")) != "output"
        if problem := bridge_problem(gives, takes, whole):
            draft.report(DECODER if gives else ENCODER, "SPEC_SHAPE", problem)
    if draft.get(RECOMPUTE) is True:
        message = "a model with an encoder is not learned in blocks (leave it out)"
        draft.report(RECOMPUTE, "SPEC_INCONSISTENT", message)
    return decoder.outputs
