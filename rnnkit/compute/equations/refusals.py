"""What the author of equations may not do with a value, and what to write in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


class EquationError(Exception):
    """The equations of a cell say what no step can be made of; the message says what to write."""


def _refused(message: str) -> Callable[..., NoReturn]:
    """Return a method that raises EquationError."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise EquationError(message)

    return refuse


class NoNumber:
    """What stands for a number of every unit, and is none: whatever needs one is refused."""

    __slots__ = ()

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise EquationError(
            f"np.{function.__name__} reads arrays, but equations are written once for all: write "
            "the function of rnnkit.compute.equations, and numbers in place of arrays"
        )

    __rpow__ = _refused("a power with an exponent that is no number: write exp(b * log(a))")
    __bool__ = _refused(
        "Python's if, and, or, not, min and max look at one value, but equations are written "
        "once for all: write where(a < b, then, otherwise), maximum or minimum"
    )
    __float__ = __int__ = __index__ = __complex__ = __round__ = _refused(
        "a function of one number reads a value of every unit: write that of "
        "rnnkit.compute.equations"
    )
    __iter__ = __getitem__ = __len__ = __array__ = _refused(
        "a value has no parts: write the equation of one unit"
    )
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = _refused(
        "&, | and ~ join no comparisons: write where(a < b, where(c < d, then, otherwise), "
        "otherwise)"
    )
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _refused(
        "// and % have no gradient: write / and the functions of rnnkit.compute.equations"
    )
    __matmul__ = __rmatmul__ = _refused("a product with a matrix is dot(value, p.NAME)")
