"""The arrays of a checkpoint: their shapes, known before one of them exists, and themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnkit.contracts.optimizer import slot_names
from rnnkit.core.params import ParamStore, learned_parameters, named_parameters
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.network.truncation import History
from rnnkit.spec.model import Spec
from rnnkit.types import Array, Shape


def stored_shapes(spec: Spec, network: Network) -> dict[str, Shape]:
    """Return the shape of every array by the name it is stored under; all are float32."""
    train, declared = spec.train, network.declared()
    stored = {f"params/{n}/{name}": each.shape for n, name, each in named_parameters(declared)}
    for slot in slot_names(train.optimizer):
        for layer, name, parameter in learned_parameters(declared):
            stored[f"optimizer/{slot}/{layer}/{name}"] = parameter.shape
    for layer, state in network.state_shapes(train.streams).items():
        stored |= {f"state/{layer}/{index}": shape for index, shape in enumerate(state)}
    history = History.empty(network.inputs, train.bptt.before, train.streams).arrays()
    return stored | {name: array.shape for name, array in history.items()}


def stored_arrays(
    store: ParamStore, slots: Mapping[str, Array], states: States, history: History | None
) -> dict[str, Array]:
    """Return every array by the name it is stored under; views, no copies."""
    found = {f"params/{name}": a for name, a in store.stored().items()}
    for slot, flat in slots.items():
        whole = np.shape(flat) == store.flat.shape
        named = store.learned(flat) if whole else {"whole": np.asarray(flat)}
        found |= {f"optimizer/{slot}/{name}": a for name, a in named.items()}
    for layer, state in states.items():
        found |= {f"state/{layer}/{index}": array for index, array in enumerate(state)}
    return found | (history.arrays() if history else {})


def first_slots(spec: Spec, store: ParamStore) -> dict[str, Array]:
    """Return the arrays of the optimizer before its first step."""
    return {name: np.zeros_like(store.flat) for name in slot_names(spec.train.optimizer)}
