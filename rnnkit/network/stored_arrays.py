"""The arrays of a checkpoint as a network declares them, known before one of them exists."""

from __future__ import annotations

from rnnkit.core.params import learned_parameters, named_parameters
from rnnkit.network.network import Network
from rnnkit.network.truncation import History
from rnnkit.spec.model import Spec
from rnnkit.types import Shape


def stored_shapes(spec: Spec, network: Network) -> dict[str, Shape]:
    """Return the shape of every array by the name it is stored under; all are float32."""
    train, declared = spec.train, network.declared()
    stored = {f"params/{n}/{name}": each.shape for n, name, each in named_parameters(declared)}
    for slot in train.optimizer.used_slots():
        for layer, name, parameter in learned_parameters(declared):
            stored[f"optimizer/{slot}/{layer}/{name}"] = parameter.shape
    for layer, state in network.state_shapes(train.streams).items():
        stored |= {f"state/{layer}/{index}": shape for index, shape in enumerate(state)}
    history = History.empty(network.inputs, train.bptt.before, train.streams).arrays()
    return stored | {name: array.shape for name, array in history.items()}
