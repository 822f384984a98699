"""Which metrics a split is measured by: those that suit the loss and the data, and those asked for.

| loss and data | metrics |
|---|---|
| a loss that estimates values | mse, rmse, mae |
| the same, with naive forecasts to compare with | mase, mase_persistence, ... |
| a loss that decides | accuracy |
| the same, each answer a whole sequence | exact_match |
| the same, among classes with names | precision, recall, f1 |

What follows from the mean loss alone (loss, perplexity) the loss reports itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnkit.builtin.metrics.accuracy import Accuracy
from rnnkit.builtin.metrics.errors import Errors
from rnnkit.builtin.metrics.exact_match import ExactMatch
from rnnkit.builtin.metrics.labels import Labels
from rnnkit.contracts.dataset import Source, Split
from rnnkit.contracts.loss import Loss, decided
from rnnkit.contracts.metric import Metric, MetricName
from rnnkit.contracts.target_info import meaning_of
from rnnkit.errors import SpecError

PATH = ("evaluate", "metrics")
PIECES_OF_TEXT = ("character", "byte", "word")


def choose_metrics(
    loss: Loss, width: int, source: Source, split: Split, asked: Sequence[MetricName] = ()
) -> list[Metric]:
    """Return new metrics for outputs of a width; `asked` names more than are automatic.

    Raises SpecError for one that the loss gives no answers for.
    """
    meaning, targets = meaning_of(source), source.targets
    ys = np.zeros((1, 1, width), np.float32)
    decides = decided(loss, ys, np.zeros((1, 1), np.int32) if targets.ids else ys) is not None
    if asked and not decides:
        message = f"{asked[0]} needs a loss that decides among labels, received {loss.type} "
        raise SpecError.at(PATH, "SPEC_METRIC", f"{message}over {targets} (take it out)")
    found: list[Metric] = [Accuracy(loss)] if decides else []
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
