"""What outputs say of tokens, by the word of their loss: a distribution, a choice, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rnnkit.contracts.loss import Loss, decided, likelihoods
from rnnkit.core.block import stands_for
from rnnkit.errors import CheckpointError
from rnnkit.types import Array

ROUNDING = 1e-3
"""How far the probabilities of a distribution may add up to something else than 1."""

OTHER_LOSS = "train with another, such as softmax_cross_entropy"


@dataclass(frozen=True)
class TokenScores:
    """Turns outputs (..., F) of a network into scores (..., V) of V tokens.

    Where the loss gives a distribution it is the softmax of the scores. Where it only decides, the
    token that it takes has the largest score, and nothing can be drawn by chance.
    """

    loss: Loss
    outputs: int
    tokens: int

    @cached_property
    def are_outputs(self) -> bool:
        """Tell whether the outputs are the scores: logits, one for each token."""
        logits = self.loss.chooses and stands_for(self.loss, "chooses", "probabilities")
        return logits and self.outputs == self.tokens and not self.loss.spans_time

    @cached_property
    def no_distribution(self) -> str:
        """Why the outputs are no distribution over tokens; empty where they are one."""
        if self.loss.spans_time:
            return f"the loss {self.loss.type} spans time and gives no token a score of its own"
        if self.are_outputs:
            return ""
        # Uneven outputs, of which independent answers do not happen to add up to 1.
        found = self.probabilities(np.linspace(-1.0, 2.0, self.outputs)[None])
        said = f"the loss {self.loss.type}"
        if found is None:
            return f"{said} gives no probabilities of tokens"
        if found.shape != (1, self.tokens):
            return f"{said} gives {found.shape[-1]} probabilities for {self.tokens} tokens"
        if not (found >= 0).all() or abs(found.sum() - 1) > ROUNDING:
            return f"the probabilities of {said} do not add up to 1"
        return ""

    @cached_property
    def no_choice(self) -> str:
        """Why the outputs do not even decide for a token by itself; empty where they do."""
        return self.no_distribution if self.loss.spans_time else self._no_decision

    @cached_property
    def _no_decision(self) -> str:
        """Why the outputs decide for no token, of a whole sequence either."""
        if not self.no_distribution:
            return ""
        taken = self._decisions(np.zeros((1, self.outputs)))
        return "" if taken is not None else f"the loss {self.loss.type} decides for no token"

    def check(self, path: Path, needs: str = "", instead: str = "", *, whole: bool = False) -> None:
        """Raise CheckpointError where the loss of the model at `path` decides for no token.

        What `needs` a distribution over tokens, in words, also where the loss gives none; it says
        what to do `instead` with a loss that decides. One that spans time decides for a `whole`
        sequence alone.
        """
        reason = self._no_decision if whole else self.no_choice
        advice = OTHER_LOSS
        if needs and not reason:
            reason, advice = self.no_distribution, instead or OTHER_LOSS
        if reason:
            message = f"{reason}, so {needs or 'there is none to give'} ({advice})"
            raise CheckpointError.of("CKPT_NO_DISTRIBUTION", message, path)

    def of(self, ys: Array) -> Array:
        """Return the scores (N, V) of outputs (N, F); -inf for a token that cannot be."""
        if self.are_outputs:
            return ys
        likely = None if self.no_distribution else self.probabilities(ys)
        if likely is None:
            taken = self._decisions(ys)
            assert taken is not None, self.no_choice
            return np.equal(taken[:, None], np.arange(self.tokens)).astype(ys.dtype)
        with np.errstate(divide="ignore"):
            return np.log(likely).astype(ys.dtype)

    def choice(self, ys: Array) -> Array:
        """Return the likeliest token (N,) of outputs (N, F), the first of equals."""
        return np.asarray(self.of(ys).argmax(axis=-1))

    def probabilities(self, ys: Array) -> Array | None:
        """Return what outputs (N, F) say of each token (N, V), in float64; None for nothing."""
        found = likelihoods(self.loss, ys.astype(np.float64))
        if found is not None and found.shape[-1] == 1 and self.tokens == 2:
            return np.hstack([1 - found, found])  # one output, for the second of the tokens
        return found

    def _decisions(self, ys: Array) -> Array | None:
        """Return the tokens (N,) that the loss takes for outputs (N, F)."""
        found = decided(self.loss, ys[None], np.zeros((1, len(ys)), np.int32))
        return found[0][0] if found is not None and found[0].ndim == 2 else None
