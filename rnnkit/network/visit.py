"""One layer in the course of a window, for whoever looks at each on the way."""

from __future__ import annotations

from dataclasses import dataclass

from rnnkit.contracts.checked_layer import scanned
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.types import Array, Params, State


@dataclass
class Visit:
    """A layer in the course of a window, and all that it reads there."""

    name: str
    layer: Layer
    params: Params
    xs: Array
    state: State
    resets: Array | None
    ctx: Context
    found: tuple[Array, State] | None = None
    """(ys, state), once the layer was run."""

    def done(self) -> tuple[Array, State]:
        """Return (ys, state), running the layer where nobody did."""
        if self.found is None:
            found = scanned(self.layer, self.params, self.xs, self.state, self.resets, self.ctx)
            self.found = found[:2]
        return self.found
