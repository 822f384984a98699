"""Which metrics a split is measured by: those that suit the loss and the data, and those asked for.

| loss and data | metrics |
|---|---|
| a loss that estimates values | mse, rmse, mae |
| the same, with naive forecasts to compare with | mase, mase_persistence, ... |
| a loss that decides, each answer a whole sequence | exact_match |
| a loss that decides among classes with names | precision, recall, f1 |

What follows from weighted means alone (loss, perplexity, accuracy) the loss reports itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnkit.builtin.metrics.errors import Errors
from rnnkit.builtin.metrics.exact_match import ExactMatch
from rnnkit.builtin.metrics.labels import Labels
from rnnkit.contracts.dataset import Source, Split
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.metric import Metric, MetricName
from rnnkit.contracts.target_info import meaning_of
from rnnkit.errors import SpecError
from rnnkit.types import Array

WHERE = "evaluate.metrics"
PIECES_OF_TEXT = ("character", "byte", "word")


def choose_metrics(
    loss: Loss, width: int, source: Source, split: Split, asked: Sequence[MetricName] = ()
) -> list[Metric]:
    """Return new metrics for outputs of a width; `asked` names more than are automatic.

    Raises SpecError for one that the loss gives no answers for.
    """
    meaning, targets = meaning_of(source), source.targets
    decides = loss.decisions(*made_up(width, targets.ids)[:2]) is not None
    if asked and not decides:
        message = f"{asked[0]} needs a loss that decides among labels, received {loss.type} "
        raise SpecError.of("SPEC_METRIC", f"{message}over {targets} (take it out)", WHERE)
    found: list[Metric] = []
    if loss.estimates and not targets.ids:
        found.append(Errors(width, meaning, split))
    if decides and (meaning.whole or "exact_match" in asked):
        found.append(ExactMatch(loss))
    classes = meaning.names and source.unit not in PIECES_OF_TEXT
    if decides and (classes or "f1" in asked):
        found.append(Labels(loss, targets.known(), meaning.names or _tokens(source)))
    return found


def _tokens(source: Source) -> Sequence[str] | None:
    """Return the vocabulary, where the targets are ids of it."""
    known = source.vocabulary if source.targets == source.inputs else None
    return known.tokens if known else None


def made_up(width: int, ids: bool) -> tuple[Array, Array, Array]:
    """Return outputs (1, 1, F), a target and its weight, to ask a loss what it gives."""
    ys = np.zeros((1, 1, width), np.float32)
    return ys, np.zeros((1, 1), np.int32) if ids else ys, np.ones((1, 1), np.float32)
