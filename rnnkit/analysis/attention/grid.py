"""The weights of an attention layer, with the tokens that they join."""

from __future__ import annotations

from dataclasses import dataclass

from rnnkit.analysis.neurons.text import visible
from rnnkit.types import Array


@dataclass(frozen=True)
class Grid:
    """How much each step of the decoder looks at each step of the source: weights (T, S).

    `written` (T) are the tokens that the decoder gave, `read` (S) those of the source. Rows sum
    to 1. A target that was `cut` did not end by itself.
    """

    layer: str
    written: tuple[str, ...]
    read: tuple[str, ...]
    weights: Array
    cut: bool = False

    def __post_init__(self) -> None:
        """Refuse labels that do not fit."""
        shape = (len(self.written), len(self.read))
        if self.weights.shape != shape:
            raise ValueError(f"expected weights {shape}, received {self.weights.shape}")


def label(token: str) -> str:
    """Return a token as the edge of a picture shows it: spaces and line ends can be seen."""
    return visible(token).replace(" ", "␣").replace("\n", "↵")
