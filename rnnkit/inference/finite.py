"""What a trained model gives has to be numbers: where it is not, nothing is read from it."""

from __future__ import annotations

import numpy as np

from rnnkit.errors import DivergedError
from rnnkit.network.network import Network
from rnnkit.types import Array


def finite_scores(network: Network, ys: Array, step: int) -> Array:
    """Return the scores (N, V) of outputs (N, F) of streams at a step.

    Raises DivergedError where the largest score of a row is not finite, so that it ranks nothing.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scores = network.token_scores.of(ys)
        finite = np.isfinite(scores.max(axis=1)).all()
    if not finite:
        raise not_finite(network, f"step {step}")
    return scores


def not_finite(network: Network, where: str, ys: Array | None = None) -> DivergedError:
    """Return the error of outputs that are not finite at a step, in words.

    Where outputs `ys` are finite, it is that of their loss.
    """
    if ys is not None and np.isfinite(ys).all():
        message = f"{where}: the loss {network.loss.type}, of finite outputs, is not finite"
        return DivergedError.of("NUM_NONFINITE_LOSS", message)
    return DivergedError.of(
        "NUM_NONFINITE_OUTPUT",
        f"{where}: the output of layer {network.names[-1]} is not finite "
        "(use another checkpoint, or train with a lower learning rate)",
    )
