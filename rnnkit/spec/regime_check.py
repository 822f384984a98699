"""Do truncation and feeding fit the model and the data of a spec?"""

from __future__ import annotations

import json

from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.layer import Layer, sees_future
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.registry import Registry
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft, Path, path_text
from rnnkit.spec.model import MAX_LAYERS

LAYERS: Path = ("model", "layers")
STYLE: Path = ("train", "bptt", "style")
FEED: Path = ("train", "feed", "type")
PAIR: Path = ("model", "encoder")


def check_regime(draft: Draft, registry: Registry) -> None:
    """Report on the draft what cannot be truncated, or has no guesses to read."""
    blocks = Blocks(draft, registry)
    if draft.get(STYLE) == "true":
        _check_truncation(blocks)
    if draft.get(FEED) in ("greedy", "sample"):
        _check_feed(blocks)


def _check_truncation(blocks: Blocks) -> None:
    draft = blocks.draft
    if draft.get(PAIR) is not None:
        message = 'a decoder starts from its encoder, and no loss stops on the way ("window" does)'
        draft.report(STYLE, "SPEC_INCONSISTENT", message)
        return
    if draft.get(("train", "recompute")) is True:
        message = "true truncation already holds no more than a window (leave one of the two out)"
        draft.report(("train", "recompute"), "SPEC_INCONSISTENT", message)
    layers = draft.get(LAYERS)
    count = min(len(layers), MAX_LAYERS) if isinstance(layers, list) else 0
    for path in [(*LAYERS, i) for i in range(count)]:
        layer = blocks.find(path, Layer)
        if layer and sees_future(layer):
            message = (
                f"{path_text(path)} reads later inputs, so no loss can be cut off from the steps "
            )
            message += 'before (take "window", or remove the layer)'
            draft.report(STYLE, "SPEC_INCONSISTENT", message)
            return


def _check_feed(blocks: Blocks) -> None:
    draft, kind = blocks.draft, blocks.draft.get(FEED)
    data, loss = blocks.find(("data",), Dataset), blocks.find(("model", "loss"), Loss)
    if data and not (data.predicts_next or draft.get(PAIR) is not None):
        message = f"{json.dumps(kind)} needs targets that are the next inputs, but those of "
        message += f'{data.type} are not (leave "feed" out)'
        draft.report(FEED, "SPEC_INCONSISTENT", message)
    if loss and not loss.chooses:
        message = f"{json.dumps(kind)} needs a softmax over ids, which {loss.type} has not "
        message += '(take softmax_cross_entropy, or leave "feed" out)'
        draft.report(FEED, "SPEC_INCONSISTENT", message)
