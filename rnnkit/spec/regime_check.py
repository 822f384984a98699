"""Do truncation, feeding and metrics of a spec fit its model and its data?"""

from __future__ import annotations

import json

from rnnkit.contracts.checked_dataset import signals_of
from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.registry import Registry
from rnnkit.errors import Path, path_text
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft
from rnnkit.spec.stack_check import LAYERS, RECOMPUTE, layer_paths, reads_later

STYLE: Path = ("train", "bptt", "style")
FEED: Path = ("train", "feed", "type")
METRICS: Path = ("evaluate", "metrics")
PAIR: Path = ("model", "encoder")


def check_regime(draft: Draft, registry: Registry) -> None:
    """Report on the draft what cannot be truncated, measured, or has no guesses to read."""
    blocks = Blocks(draft, registry)
    data, loss = blocks.find(("data",), Dataset), blocks.find(("model", "loss"), Loss)
    if draft.get(STYLE) == "true":
        _check_truncation(blocks)
    if loss and loss.spans_time:
        _check_uncut(draft, loss)
    if draft.get(FEED) in ("greedy", "sample"):
        _check_feed(draft, data, loss)
    asked = draft.get(METRICS)
    if isinstance(asked, list) and asked and loss and not draft.broken(METRICS):
        _check_metrics(blocks, str(asked[0]), data, loss)


def _check_truncation(blocks: Blocks) -> None:
    draft = blocks.draft
    if draft.get(PAIR) is not None:
        message = 'a decoder starts from its encoder, and no loss stops on the way ("window" does)'
        draft.report(STYLE, "SPEC_INCONSISTENT", message)
        return
    if draft.get(RECOMPUTE) is True:
        message = "true truncation already holds no more than a window (leave one of the two out)"
        draft.report(RECOMPUTE, "SPEC_INCONSISTENT", message)
    paths = layer_paths(draft, LAYERS)
    if later := reads_later(paths, [blocks.find(path, Layer) for path in paths]):
        message = (
            f"{path_text(later)} reads later inputs, so no loss can be cut off from the steps "
        )
        message += 'before (take "window", or remove the layer)'
        draft.report(STYLE, "SPEC_INCONSISTENT", message)


def _check_uncut(draft: Draft, loss: Loss) -> None:
    """Report what cuts a window, whose loss is no sum of its parts."""
    cuts = ((RECOMPUTE, True, "in blocks"), (STYLE, "true", "with true truncation"))
    for path, value, how in cuts:
        if draft.get(path) == value:
            message = f"the loss {loss.type} spans time, so no window can be learned {how} "
            message += f'(leave "{path[1]}" out)'
            draft.report(path, "SPEC_INCONSISTENT", message)


def _check_feed(draft: Draft, data: Dataset | None, loss: Loss | None) -> None:
    kind = json.dumps(draft.get(FEED))
    if data and not (data.predicts_next or draft.get(PAIR) is not None):
        message = f"{kind} needs targets that are the next inputs, but those of "
        message += f'{data.type} are not (leave "feed" out)'
        draft.report(FEED, "SPEC_INCONSISTENT", message)
    if loss and not loss.gives_probabilities():
        message = f"{kind} needs a distribution over ids, which {loss.type} does not give "
        message += '(take softmax_cross_entropy, or leave "feed" out)'
        draft.report(FEED, "SPEC_INCONSISTENT", message)


def _check_metrics(blocks: Blocks, asked: str, data: Dataset | None, loss: Loss) -> None:
    """Report what counts labels, where values are estimated."""
    signals = blocks.ask(("data",), data, signals_of)
    if signals and loss.estimates and not signals[1].ids:
        message = f"{json.dumps(asked)} needs a loss that decides among labels, but {loss.type} "
        message += "estimates values (take it out)"
        blocks.draft.report((*METRICS, 0), "SPEC_INCONSISTENT", message)
