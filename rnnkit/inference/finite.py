"""What a trained model gives has to be numbers: where it is not, nothing is read from it."""

from __future__ import annotations

import numpy as np

from rnnkit.errors import DivergedError
from rnnkit.network.network import Network
from rnnkit.types import Array


def finite_scores(network: Network, ys: Array, step: int, successive: bool = False) -> Array:
    """Return the scores (N, V) of outputs (N, F): of streams at a step, or `successive` steps.

    Raises DivergedError where the largest score of a row is not finite, so that it ranks nothing.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scores = network.token_scores.of(ys)
        wrong = np.flatnonzero(~np.isfinite(scores.max(axis=1)))
    if len(wrong):
        raise not_finite(network, f"step {step + wrong[0] * successive}")
    return scores


def not_finite(network: Network, where: str) -> DivergedError:
    """Return the error of outputs that are not finite at a step, in words."""
    return DivergedError.of(
        "NUM_NONFINITE_OUTPUT",
        f"{where}: the output of layer {network.names[-1]} is not finite "
        "(use another checkpoint, or train with a lower learning rate)",
    )
