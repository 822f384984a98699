"""The hidden states of a network: a value, by the names of its layers."""

from __future__ import annotations

import numpy as np

from rnnkit.types import State

States = dict[str, State]
"""The hidden state of every stateful layer by name."""


def zero_states(states: States) -> States:
    """Return the gradient of a window's last state: nothing flows back over the edge."""
    return {name: zero_state(state) for name, state in states.items()}


def zero_state(state: State) -> State:
    """Return zeros for each array of one layer's state."""
    return tuple(np.zeros(a.shape, a.dtype) for a in state)


def copied(states: States) -> States:
    """Return states that outlive the window's scratch memory."""
    return {name: tuple(a.copy() for a in state) for name, state in states.items()}
