"""Cells of other programs packed as ours: gates in our order, biases summed.

Ours are i, f, o, g of an LSTM and r, z, n of a GRU, on the last axis; PyTorch has i, f, g, o and
r, z, n, Keras i, f, c, o and z, r, h, ONNX i, o, f, c and z, r, h. The bias of a GRU's candidate
that the reset gate scales stays apart, our `bn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnnkit.exchange.incoming.theirs import TheirParameter
from rnnkit.exchange.pieces import in_order
from rnnkit.types import Array

CELLS = {4: "lstm", 3: "gru", 1: "rnn"}
"""The type of a cell by the number of its gates."""

PACKED = {
    "torch": {"lstm": "ifgo", "gru": "rzn", "rnn": "h"},
    "keras": {"lstm": "ifgo", "gru": "zrn", "rnn": "h"},
    "onnx": {"lstm": "iofg", "gru": "zrn", "rnn": "h"},
}
"""The order of the gates there, a letter each, by our letters."""

OURS = {"lstm": "ifog", "gru": "rzn", "rnn": "h"}


def gates_in(matrix: Array) -> int:
    """Return how many gates a recurrent matrix (H, gates H) has; 0 where it is none."""
    units, width = matrix.shape
    return width // units if units and width % units == 0 else 0


@dataclass(frozen=True)
class TheirCell:
    """A cell as another program stores it, the last axis its gates; `names` are those of arrays.

    Wx is (F, gates H), Wh (H, gates H), each of `biases` (gates H); None for one that there is not.
    With `reset_after` the candidate of a GRU has a bias of its own for the recurrent product.
    """

    program: str
    kind: str
    Wx: Array
    Wh: Array
    biases: Sequence[Array | None]
    names: Mapping[str, Sequence[str]]
    reset_after: bool = True
    done: str = ""

    def parameters(self) -> tuple[str, dict[str, TheirParameter]]:
        """Return the type of ours, and its parameters."""
        given, zero = [b for b in self.biases if b is not None], np.zeros(self.Wx.shape[1], "f4")
        first, second = (zero if b is None else self._packed(b) for b in (*self.biases, None)[:2])
        extra = {}
        if apart := self.kind == "gru" and self.reset_after:
            units, second = len(self.Wh), second.copy()
            extra["bn"] = self._given("b", second[-units:].copy(), "of the candidate, recurrent")
            second[-units:] = 0
        summed = "summed, but for the candidate's" if apart else "summed"
        how = {0: "no bias there: zeros", 1: self._moved(), 2: self._moved(summed)}[len(given)]
        if not given and apart:
            extra["bn"] = self._given("b", extra["bn"].values, how)
        parameters = {
            "Wx": self._given("Wx", self._packed(self.Wx), self._moved(self.done)),
            "Wh": self._given("Wh", self._packed(self.Wh), self._moved(self.done)),
            "b": self._given("b", first + second, how),
            **extra,
        }
        return "gru_reset_before" if self.kind == "gru" and not apart else self.kind, parameters

    def _given(self, key: str, values: Array, done: str) -> TheirParameter:
        return TheirParameter(values, tuple(self.names[key]), done)

    def _packed(self, array: Array) -> Array:
        theirs = PACKED[self.program][self.kind]
        return in_order(array, [theirs.index(gate) for gate in OURS[self.kind]])

    def _moved(self, *first: str) -> str:
        theirs, ours = PACKED[self.program][self.kind], OURS[self.kind]
        order = "" if theirs == ours else f"gates {' '.join(theirs)} to {' '.join(ours)}"
        return ", ".join(filter(None, (*first, order))) or "as it is"
