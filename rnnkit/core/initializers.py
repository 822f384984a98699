"""How parameters start: a closed set, chosen for each parameter in the spec.

Weights have the shape (inputs, outputs); values are drawn in float64 and rounded to the type of the
buffer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from rnnkit.core.block import Record
from rnnkit.core.file_name import FileName
from rnnkit.types import Array, Shape

Initializer: TypeAlias = Callable[[Shape, np.random.Generator], Array]
"""Draws the values of one parameter, or of one gate of it."""

Scale = Annotated[float, Field(gt=0, le=1e6)]


def fans(shape: Shape) -> tuple[int, int]:
    """Return (inputs, outputs) of a weight; a vector counts its length as both."""
    return shape[0], shape[-1]


class Glorot(Record):
    """Uniform within ±gain sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010, eq. 16)."""

    type: Literal["glorot"] = "glorot"
    gain: Scale = 1.0

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Draw the values."""
        bound = self.gain * math.sqrt(6 / sum(fans(shape)))
        return random.uniform(-bound, bound, shape)


class He(Record):
    """Normal with deviation gain sqrt(2 / inputs), for relu (He et al. 2015, eq. 10)."""

    type: Literal["he"] = "he"
    gain: Scale = 1.0

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Draw the values."""
        return random.normal(0, self.gain * math.sqrt(2 / fans(shape)[0]), shape)


class Orthogonal(Record):
    """Gain times a matrix with orthonormal rows or columns (Saxe et al. 2014, section 3)."""

    type: Literal["orthogonal"] = "orthogonal"
    gain: Scale = 1.0

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Draw the values from the Haar measure: QR of a normal matrix, signs fixed by R."""
        rows, columns = fans(shape)
        normal = random.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


class Identity(Record):
    """Scale times the identity, for relu networks with long memory (Le, Jaitly and Hinton 2015)."""

    type: Literal["identity"] = "identity"
    scale: Scale = 1.0

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Return the values."""
        return self.scale * np.eye(*fans(shape)).reshape(shape)


class Uniform(Record):
    """Uniform within ±bound."""

    type: Literal["uniform"] = "uniform"
    bound: Scale

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Draw the values."""
        return random.uniform(-self.bound, self.bound, shape)


class Normal(Record):
    """Normal with mean 0 and deviation std."""

    type: Literal["normal"] = "normal"
    std: Scale

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Draw the values."""
        return random.normal(0, self.std, shape)


class Zeros(Record):
    """All zero, the start of a bias."""

    type: Literal["zeros"] = "zeros"

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Return the values."""
        return np.zeros(shape)


class Constant(Record):
    """All equal to `value`, a number."""

    type: Literal["constant"] = "constant"
    value: Annotated[float, Field(ge=-1e6, le=1e6)]

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Return the values."""
        return np.full(shape, self.value)


class GateValues:
    """One constant for each gate of a bias; made by a cell, so that the stored bias shows it."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def __call__(self, shape: Shape, random: np.random.Generator) -> Array:
        """Return the values."""
        return np.repeat(np.array(self.values), shape[0] // len(self.values))


class Vectors(Record):
    """Rows of an embedding from a text file of word vectors, by token: GloVe, word2vec, fastText.

    The file at `path` may be compressed. A token without a vector starts as it would otherwise;
    with `lower` it first takes that of its lower-case form.
    """

    type: Literal["vectors"] = "vectors"
    path: FileName
    lower: bool = False


Init: TypeAlias = Annotated[
    Glorot | He | Orthogonal | Identity | Uniform | Normal | Zeros | Constant | Vectors,
    Field(discriminator="type"),
]
"""The `init` entry of one parameter in a spec."""
