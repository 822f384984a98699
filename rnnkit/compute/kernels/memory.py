"""Numbers at an address: a table of integers can say where the matrices of any stack lie."""

from __future__ import annotations

from functools import partial
from typing import Any

from numba import types
from numba.np.numpy_support import carray

from rnnkit.compute.kernels.jit import intrinsic, jit

LINE = 64
"""Bytes of a line of the cache."""


def _pointer_to(number: Any) -> Any:
    """Return the intrinsic that takes an address for a pointer to such numbers."""
    kind = types.CPointer(number)  # type: ignore[no-untyped-call]

    def pointer(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(kind))

        return kind(address), generate

    return intrinsic(pointer)


float_pointer = _pointer_to(types.float32)
double_pointer = _pointer_to(types.float64)
byte_pointer = _pointer_to(types.int8)
id_pointer = _pointer_to(types.int32)
integer_pointer = _pointer_to(types.int64)

address_of_new: Any = types.ExternalFunction("malloc", types.intp(types.intp))
"""Return the address of so many bytes; 0 where there is no memory."""

free: Any = types.ExternalFunction("free", types.void(types.intp))
"""Give back the bytes at an address."""


@partial(jit, copied=True)
def cache_lines(numbers: int) -> int:
    """Return how many float32 numbers fill the lines of the cache that so many take."""
    return (numbers + 15) // 16 * 16


@partial(jit, copied=True)
def next_line(address: int) -> int:
    """Return where the next line of the cache begins: no load of what starts there crosses two."""
    return (address + LINE - 1) // LINE * LINE


@partial(jit, copied=True)
def floats(address: int, size: int) -> Any:
    """Return so many float32 numbers, which the caller keeps alive; so do the others."""
    return carray(float_pointer(address), size)


@partial(jit, copied=True)
def doubles(address: int, size: int) -> Any:
    """Return so many float64 numbers."""
    return carray(double_pointer(address), size)


@partial(jit, copied=True)
def bytes_at(address: int, size: int) -> Any:
    """Return so many int8 numbers."""
    return carray(byte_pointer(address), size)


@partial(jit, copied=True)
def ids_at(address: int, size: int) -> Any:
    """Return so many int32 numbers."""
    return carray(id_pointer(address), size)


@partial(jit, copied=True)
def integers(address: int, size: int) -> Any:
    """Return so many int64 numbers."""
    return carray(integer_pointer(address), size)


@partial(jit, copied=True)
def table_at(address: int, rows: int, columns: int) -> Any:
    """Return a table (rows, columns) of int64 numbers."""
    return carray(integer_pointer(address), (rows, columns))
