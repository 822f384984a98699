"""What is measured: the models of the table, their weights, and the products that they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rnnkit.types import Array

Cell = Literal["rnn", "gru", "lstm"]
CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
GATES: dict[Cell, int] = {"rnn": 1, "gru": 3, "lstm": 4}

LEARNING_RATE = 1.0
CLIP = 0.05
"""Low enough that every gradient is clipped and a window learned for minutes stays harmless."""


@dataclass(frozen=True)
class Workload:
    """Ids read as one-hot vectors or by an embedding, recurrent layers, an affine layer.

    The loss is softmax cross-entropy with the next id; a window is `steps` of `batch` streams.
    """

    name: str
    cell: Cell
    vocabulary: int
    layers: int
    units: int
    batch: int
    steps: int
    reads: Literal["one_hot", "embedding"]
    shards: int = 1

    @property
    def title(self) -> str:
        """The sizes, as people write them."""
        return (
            f"{self.reads.replace('_', '-')}, V {self.vocabulary:,}, "
            f"{self.layers} x {self.units}, B {self.batch}, T {self.steps}"
        )

    def inputs(self) -> list[int]:
        """Return the width that each recurrent layer reads."""
        first = self.vocabulary if self.reads == "one_hot" else self.units
        return [first] + [self.units] * (self.layers - 1)

    def operations(self) -> int:
        """Return the floating-point operations of the matrix products of one training step.

        A product costs its like twice more in the backward pass, once for each factor; but nothing
        flows back into a one-hot vector.
        """
        columns = GATES[self.cell] * self.units
        each_row = 3 * self.units * self.vocabulary
        for k, width in enumerate(self.inputs()):
            leaf = k == 0 and self.reads == "one_hot"
            each_row += (2 if leaf else 3) * width * columns + 3 * self.units * columns
        return 2 * each_row * self.batch * self.steps

    def draw(self) -> dict[str, Array]:
        """Return weights, in rnnkit's layout and order of gates, and the ids (T + 1, B) to learn.

        Layer k has `Wx{k}`, `Wh{k}`, `b{k}` and, of a GRU, `bn{k}`; the affine layer `W` and `b`,
        the embedding `E`.
        """
        random = np.random.default_rng(1)
        bound = self.units**-0.5

        def uniform(*shape: int) -> Array:
            return random.uniform(-bound, bound, shape).astype(np.float32)

        columns = GATES[self.cell] * self.units
        found = {"W": uniform(self.units, self.vocabulary), "b": uniform(self.vocabulary)}
        for k, width in enumerate(self.inputs()):
            found[f"Wx{k}"] = uniform(width, columns)
            found[f"Wh{k}"] = uniform(self.units, columns)
            found[f"b{k}"] = uniform(columns)
            if self.cell == "gru":
                found[f"bn{k}"] = uniform(self.units)
        if self.reads == "embedding":
            found["E"] = uniform(self.vocabulary, self.units)
        found["ids"] = random.integers(self.vocabulary, size=(self.steps + 1, self.batch))
        return found


ROWS = {
    row.name: row
    for row in (
        Workload("char128", "lstm", 65, 2, 128, 50, 50, "one_hot"),
        Workload("char512", "lstm", 65, 2, 512, 50, 50, "one_hot"),
        Workload("book", "lstm", 10_000, 1, 100, 20, 35, "embedding"),
        Workload("zaremba_m", "lstm", 10_000, 2, 650, 20, 35, "embedding"),
        Workload("tiny", "lstm", 27, 1, 20, 1, 40, "one_hot"),
    )
}
SAMPLED = tuple(
    Workload(f"2 x {units}", "lstm", 65, 2, units, 1, 1, "embedding") for units in (128, 512)
)
SQUARE = Workload("square", "rnn", 2, 1, 1000, 1, 1, "one_hot")
"""Its recurrent matrix times itself is the product whose speed is the machine's peak."""
BY_UNITS = tuple(replace(ROWS["char128"], units=units) for units in (32, 64, 128, 256, 512))
BY_STEPS = tuple(replace(ROWS["char128"], steps=steps) for steps in (10, 25, 50, 100, 200, 400))
TARGETS = {
    "char128": {"rnn": 0.40, "gru": 0.40, "lstm": 0.70},
    "char512": {"rnn": 0.50, "gru": 0.50, "lstm": 0.85},
    "book": {"rnn": 0.40, "gru": 0.40, "lstm": 0.45},
    "zaremba_m": {"rnn": 0.45, "gru": 0.50, "lstm": 0.70},
    "tiny": {"rnn": 0.10, "gru": 0.06, "lstm": 0.25},
}
"""The ratios to the best peer that were aimed at, by row and cell; lower is better."""
