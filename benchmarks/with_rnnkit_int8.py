"""rnnkit's side of sampling with matrices in 8 bits."""

from __future__ import annotations

from benchmarks import with_rnnkit
from rnnkit.inference.model import Model


class Sample(with_rnnkit.Sample):
    """The same stream of ids; what is checked is the model before, for the numbers are others."""

    def asked(self) -> Model:
        """Return the model in 8 bits."""
        return self.model.quantized()


def about() -> dict[str, str]:
    """Return what belongs beside the numbers."""
    return with_rnnkit.about()
