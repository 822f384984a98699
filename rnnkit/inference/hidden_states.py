"""The hidden states of a model after each step of sequences."""

from __future__ import annotations

import numpy as np

from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.inputs import given_array
from rnnkit.network.states import States
from rnnkit.types import Array


@np.errstate(over="ignore", invalid="ignore")  # as where a model is asked anything else
def hidden_states_of(model: BoundNetwork, xs: Array, state: States | None = None) -> States:
    """Return the states after each step of ids (T, B), or values (T, B, F), by layer.

    Each array of a state (B, N) becomes (T, B, N). Raises ValueError as `BoundNetwork.forward` and
    `start` do.
    """
    steps = given_array(xs)
    if steps.ndim < 2 or not len(steps):
        raise ValueError(f"expected sequences (T, B) or (T, B, F), received {steps.shape}")
    now = model.start(steps.shape[1]) if state is None else state
    found: dict[str, list[tuple[Array, ...]]] = {}
    for step in steps:
        _, now = model.step(step, now)
        for name, arrays in now.items():
            found.setdefault(name, []).append(tuple(array.copy() for array in arrays))
    return {
        name: tuple(np.stack(each) for each in zip(*after, strict=True))
        for name, after in found.items()
    }
