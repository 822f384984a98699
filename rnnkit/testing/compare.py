"""One comparison between what a layer did and what it had to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rnnkit.types import Array, DType, Shape

EXACT = 1e-9
"""Relative difference, in float64, between two orders of the same operations."""

SINGLE = 1e-4
"""Relative difference between float32 and float64, or between two orders in float32."""

FLOOR = 1e-3
"""Arrays that are smaller than this everywhere are compared as if this were their largest value."""


class Comparison(Protocol):
    """Something that a check found out."""

    def problem(self) -> str | None:
        """Return what is wrong, or None."""
        ...


@dataclass(frozen=True)
class Equal:
    """Two plain values that must be equal."""

    where: str
    got: object
    want: object

    def problem(self) -> str | None:
        """Return both values where they differ."""
        if self.got == self.want:
            return None
        return f"{self.where}: received {self.got}, expected {self.want}"


@dataclass(frozen=True)
class Close:
    """Two arrays that differ by at most `tolerance` times the largest value; NaN never passes."""

    where: str
    got: Array
    want: Array
    tolerance: float = EXACT

    def problem(self) -> str | None:
        """Return the two numbers that differ most."""
        if self.got.shape != self.want.shape:
            return f"{self.where}: received the shape {self.got.shape}, expected {self.want.shape}"
        apart = np.abs(self.got.astype(np.float64) - self.want)
        largest = np.max(np.abs(self.want), initial=FLOOR)
        if (apart <= self.tolerance * largest).all():
            return None
        worst = np.unravel_index(np.argmax(apart), apart.shape)
        index = f"[{', '.join(map(str, worst))}]" if worst else ""
        return (
            f"{self.where}{index}: received {self.got[worst]:.9g}, expected {self.want[worst]:.9g}"
        )


@dataclass(frozen=True)
class Form:
    """An array of a shape and a type, its numbers finite where that is asked."""

    what: str
    got: object
    shape: Shape
    dtype: DType
    finite: bool = False

    def problem(self) -> str | None:
        """Return what it is instead."""
        if not isinstance(self.got, np.ndarray):
            return f"{self.what}: expected an array, received {type(self.got).__name__}"
        if (self.got.shape, self.got.dtype) != (self.shape, self.dtype):
            return (
                f"{self.what}: expected {self.dtype} of shape {self.shape}, "
                f"received {self.got.dtype} of {self.got.shape}"
            )
        if self.finite and not np.isfinite(self.got).all():
            return f"{self.what} holds NaN or infinity, from inputs and parameters that do not"
        return None


@dataclass(frozen=True)
class Many:
    """A tuple of so many arrays."""

    what: str
    got: object
    count: int

    def problem(self) -> str | None:
        """Return the other type or number."""
        if not isinstance(self.got, tuple):
            return f"{self.what}: expected a tuple, received {type(self.got).__name__}"
        if len(self.got) != self.count:
            return f"{self.what}: expected {self.count} arrays, received {len(self.got)}"
        return None


@dataclass(frozen=True)
class Unchanged:
    """An array that something had to leave as it was."""

    what: str
    by: str
    got: Array
    before: Array

    def problem(self) -> str | None:
        """Return what changed it."""
        same = np.array_equal(self.got, self.before)
        return None if same else f"{self.by} changed {self.what}"


@dataclass(frozen=True)
class InPlace:
    """An entry of `grads` that has to be the array that was given."""

    name: str
    kept: bool

    def problem(self) -> str | None:
        """Return how to add to it."""
        if self.kept:
            return None
        return f'backward replaced an entry of grads (write grads["W"] += ...): {self.name}'


@dataclass(frozen=True)
class Apart:
    """Two arrays that share no memory."""

    what: str
    got: Array
    other: str
    given: Array

    def problem(self) -> str | None:
        """Return which two do."""
        shared = np.shares_memory(self.got, self.given)
        return f"{self.what} shares its memory with {self.other} (copy it)" if shared else None


@dataclass(frozen=True)
class Slope:
    """A directional derivative, as backward gives it and as two calls of forward measure it."""

    where: str
    analytic: float
    numeric: float

    def problem(self) -> str | None:
        """Return both numbers where they differ."""
        largest = max(abs(self.analytic), abs(self.numeric))
        if abs(self.analytic - self.numeric) <= 1e-6 * largest + 1e-8:
            return None
        return f"{self.where}: analytic {self.analytic:.9g}, numeric {self.numeric:.9g}"


def close(
    got: Mapping[str, Array], want: Mapping[str, Array], tolerance: float = EXACT, note: str = ""
) -> Iterator[Comparison]:
    """Compare arrays by name."""
    yield Equal(f"names{note}", sorted(got), sorted(want))
    for name, array in want.items():
        yield Close(name + note, got[name], array, tolerance)
