"""Where a spec meets its data: every width decided."""

from __future__ import annotations

from rnnkit.errors import Problem, ShapeError, SpecError
from rnnkit.network import Network
from rnnkit.signal import Signal
from rnnkit.spec.model import Spec


def build(spec: Spec, inputs: Signal, targets: Signal) -> tuple[Spec, Network]:
    """Return the resolved spec, every width in it, and its network.

    Raises SpecError where two widths do not fit.
    """
    try:
        network = Network.sized(spec.model.layers, spec.model.loss, inputs, targets)
        network.declared()
    except ShapeError as error:
        raise SpecError(Problem(spec.name, "SPEC_SHAPE", f"model: {error}")) from error
    model = spec.model.model_copy(update={"layers": network.layers})
    return spec.model_copy(update={"model": model}), network
