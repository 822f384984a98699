"""One comparison between what a layer did and what it had to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rnnkit.types import Array, DType, Shape

EXACT = 1e-9
"""Relative difference, in float64, between two orders of the same operations."""

SINGLE = 1e-4
"""Relative difference between float32 and float64, or between two orders in float32."""

FLOOR = 1e-3
"""Arrays that are smaller than this everywhere are compared as if this were their largest value."""


class Comparison(Protocol):
    """Something that a check found out; after the first problem nobody asks for the next."""

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
class Condition:
    """Something that has to hold, and what is wrong where it does not."""

    holds: bool
    otherwise: str

    def problem(self) -> str | None:
        """Return what is wrong."""
        return None if self.holds else self.otherwise


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


def expected(what: str, holds: bool, wanted: str, received: object) -> Comparison:
    """Say what was wanted and what came, where it does not hold."""
    return Condition(holds, f"{what}: expected {wanted}, received {received}")


def apart(what: str, array: Array, other: str, given: Array) -> Comparison:
    """Two arrays share no memory."""
    shared = np.shares_memory(array, given)
    return Condition(not shared, f"{what} shares its memory with {other} (copy it)")


def form(
    what: str, array: Any, shape: Shape, dtype: DType, finite: bool = False
) -> Iterator[Comparison]:
    """An array of a shape and a type, its numbers finite where that is asked."""
    yield expected(what, isinstance(array, np.ndarray), "an array", type(array).__name__)
    same = (array.shape, array.dtype) == (shape, dtype)
    received = f"{array.dtype} of {array.shape}"
    yield expected(what, same, f"{dtype} of shape {shape}", received)
    if finite:
        broken = f"{what} holds NaN or infinity, from inputs and parameters that do not"
        yield Condition(bool(np.isfinite(array).all()), broken)
