"""Numbers at an address: a table of integers can say where the matrices of any stack lie."""

from __future__ import annotations

from functools import partial
from typing import Any

from numba import types
from numba.np.numpy_support import carray

from rnnkit.compute.kernels.jit import intrinsic, jit


def _pointer(typing: Any, address: Any) -> Any:
    """Return the address as a pointer to float32."""
    pointer = types.CPointer(types.float32)  # type: ignore[no-untyped-call]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address), generate


pointer: Any = intrinsic(_pointer)


@partial(jit, copied=True)
def floats(address: int, size: int) -> Any:
    """Return so many float32 numbers, which the caller keeps alive."""
    return carray(pointer(address), size)
