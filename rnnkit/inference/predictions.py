"""What outputs say: labels with their probabilities, yes or no, or numbers in the data's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnnkit.contracts.loss import Loss, decided, likelihoods
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.token_scores import TokenScores
from rnnkit.core.signal import Signal
from rnnkit.types import Array

Columns: TypeAlias = dict[str, list[object]]
"""Answers by the name of the column, one item for each step that has an answer."""


@dataclass(frozen=True)
class Answers:
    """Turns the outputs (N, F) of a model into columns.

    A label is the one that the loss decides for, with its probability where the loss knows one;
    `top` k adds label_2, probability_2 up to k. Answers yes or no are probabilities by name. Values
    are in the units of the data.
    """

    loss: Loss
    targets: Signal
    meaning: Meaning
    top: int = 1

    def columns(self, ys: Array) -> Columns:
        """Return the answers that outputs (N, F) give."""
        if self.targets.ids or self._chooses(ys):
            return self._labels(ys)
        probabilities = likelihoods(self.loss, ys.astype(np.float64))
        if probabilities is not None:
            return self._named(probabilities, "probability")
        values = ys.astype(np.float64)
        unscaled = self.meaning.unscaled
        return self._named(unscaled(values) if unscaled else values, "value")

    def text(self, ys: Array, end: int | None) -> str:
        """Return the labels that outputs (N, F) decide for as one text, up to the label `end`."""
        ids = self._scores(ys).choice(ys).tolist()
        return "".join(self.name(i) for i in (ids[: ids.index(end)] if end in ids else ids))

    def name(self, label: int) -> str:
        """Return the name of a label, else its id."""
        names = self.meaning.names
        return names[label] if names else str(label)

    def _chooses(self, ys: Array) -> bool:
        """Tell whether targets that are no ids are distributions over labels."""
        found = decided(self.loss, ys[:1, None], ys[:1, None])
        return found is not None and found[0].ndim == 2

    def _scores(self, ys: Array) -> TokenScores:
        return TokenScores(self.loss, ys.shape[1], self.targets.known())

    def _of_sequence(self, ys: Array) -> Columns:
        """Return the labels of one sequence, decided for together; they have no order each."""
        first = np.arange(len(ys))[:, None] == 0
        nothing = np.zeros(first.shape, np.int32)
        found = decided(self.loss, ys[:, None], nothing, resets=first)
        assert found is not None, "predict refuses a loss that decides nothing"
        return {"label": [self.name(i) for i in found[0][:, 0].tolist()]}

    def _labels(self, ys: Array) -> Columns:
        if self.loss.spans_time:
            return self._of_sequence(ys)
        labels = self._scores(ys)
        probabilities = labels.probabilities(ys)
        scores = ys if probabilities is None else probabilities
        if scores.shape[1] != labels.tokens:
            scores = labels.of(ys)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.top]
        found: Columns = {}
        for k, ids in enumerate(order.T, 1):
            ending = f"_{k}" if k > 1 else ""
            found[f"label{ending}"] = [self.name(i) for i in ids.tolist()]
            if probabilities is not None:
                found[f"probability{ending}"] = _plain(scores[np.arange(len(ids)), ids])
        return found

    def _named(self, values: Array, word: str) -> Columns:
        width = values.shape[1]
        names = self.meaning.names or _numbered(word, width)
        return {name: _plain(values[:, i]) for i, name in enumerate(names)}


def _numbered(word: str, width: int) -> Sequence[str]:
    return [word] if width == 1 else [f"{word}_{i}" for i in range(1, width + 1)]


def _plain(values: Array) -> list[object]:
    """Return numbers in full, whose last digits may be all that tells rows apart; None for NaN."""
    return [v if np.isfinite(v) else None for v in values.tolist()]
