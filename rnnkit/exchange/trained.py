"""What goes out: a trained model, as far as another program is concerned with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.params import ParamStore
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec
from rnnkit.version import VERSION


class Trained(Protocol):
    """A network with its parameters and its spec; `inference.model.Model` is one."""

    @property
    def path(self) -> Path:
        """The file that it came from."""
        ...

    @property
    def spec(self) -> Spec:
        """The resolved spec."""
        ...

    @property
    def network(self) -> Network:
        """The layers."""
        ...

    @property
    def store(self) -> ParamStore:
        """The parameters."""
        ...

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the ids stand for; None where the data is no text."""
        ...


def describe(model: Trained) -> dict[str, Any]:
    """Return what a program needs to know of a model beside its weights, as JSON.

    `scales` has `offset` and `factor` of each column of the inputs, which a model reads as
    (x - offset) / factor, and of the outputs y, which are y factor + offset in the units of the
    data; what is not on a scale is left out. `series` names the columns of one.
    `states` gives the width of each array of the hidden state by layer and name.
    """
    network, data = model.network, model.spec.data
    tokenizer = data.text_tokenizer()
    names = {name: layer.state_names() for name, layer in network.named}
    return {
        "rnnkit": VERSION,
        "spec": model.spec.model_dump(mode="json"),
        "inputs": {"ids": network.inputs.ids, "width": network.inputs.width},
        "outputs": {"width": network.outputs.width, "loss": network.loss.type},
        "states": {
            name: dict(zip(names[name], (width for _, width in shapes), strict=True))
            for name, shapes in network.state_shapes(1).items()
        },
        "vocabulary": model.vocabulary and model.vocabulary.model_dump(mode="json"),
        "tokenizer": tokenizer and tokenizer.model_dump(mode="json"),
        "scales": data.scales(),
        "series": data.series_columns() or None,
    }
