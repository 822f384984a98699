"""The minimal gated unit, a cell for rnnkit."""

from typing import Any, Literal

from rnnkit import EquationCell
from rnnkit.compute.equations import sigmoid, tanh


class MGU(EquationCell):
    """Minimal gated unit (Zhou et al. 2016): one gate f, packed before the candidate n."""

    type: Literal["mgu"] = "mgu"
    gates = ("f", "n")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        """Return h'."""
        f = sigmoid(x.f + r.f)
        n = tanh(x.n + f * r.n)
        return (1 - f) * s.h + f * n
