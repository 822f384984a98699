"""Numbers at an address: a table of integers can say where the matrices of any stack lie."""

from __future__ import annotations

from functools import partial
from typing import Any

from numba import types
from numba.np.numpy_support import carray

from rnnkit.compute.kernels.jit import intrinsic, jit


def _pointer(address: Any, number: Any) -> Any:
    """Return the signature and the code of an address as a pointer to such numbers."""
    pointer = types.CPointer(number)  # type: ignore[no-untyped-call]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address), generate


def _float_pointer(typing: Any, address: Any) -> Any:
    return _pointer(address, types.float32)


def _int8_pointer(typing: Any, address: Any) -> Any:
    return _pointer(address, types.int8)


float_pointer: Any = intrinsic(_float_pointer)
int8_pointer: Any = intrinsic(_int8_pointer)


@partial(jit, copied=True)
def floats(address: int, size: int) -> Any:
    """Return so many float32 numbers, which the caller keeps alive."""
    return carray(float_pointer(address), size)


@partial(jit, copied=True)
def integers(address: int, size: int) -> Any:
    """Return so many int8 numbers, which the caller keeps alive."""
    return carray(int8_pointer(address), size)
