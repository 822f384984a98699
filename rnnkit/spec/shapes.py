"""Do the blocks of a spec fit together? Asked before any data is opened.

Widths that only the data gives stay unknown. A block that is not valid, or that cannot take what it
receives, silences what depends on it, so that each mistake is reported once.
"""

from __future__ import annotations

from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.schedule import Schedule
from rnnkit.core.signal import Signal
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft
from rnnkit.spec.pair_check import check_pair, is_pair
from rnnkit.spec.stack_check import StackCheck


def check_shapes(draft: Draft, registry: Registry) -> None:
    """Report on the draft what does not fit together."""
    blocks = Blocks(draft, registry)
    data = blocks.find(("data",), Dataset)
    inputs, targets = blocks.ask(("data",), data, lambda d: d.signals()) or (None, None)
    # A plugin whose validation fails by another error than Pydantic's is named by `find`.
    blocks.find(("train", "optimizer"), Optimizer)
    blocks.find(("train", "schedule"), Schedule)
    if is_pair(draft):
        found = check_pair(blocks, data, inputs)
    else:
        found = _check_stack(blocks, data, inputs)
    if found and targets:
        outputs, wanted = found, targets
        loss = blocks.find(("model", "loss"), Loss)
        blocks.ask(("model", "loss"), loss, lambda loss: loss.check(outputs, wanted))


def _check_stack(blocks: Blocks, data: Dataset | None, inputs: Signal | None) -> Signal | None:
    if data is not None and data.has_source:
        message = "this data has sources, which an encoder reads"
        advice = '(give the model "encoder" and "decoder" in place of "layers")'
        blocks.draft.report(("model",), "SPEC_INCONSISTENT", f"{message} {advice}")
    stack = StackCheck(blocks, inputs, data is not None and data.predicts_next)
    stack.check_names()
    stack.check_each()
    stack.check_ties()
    stack.check_cuts()
    return stack.outputs
