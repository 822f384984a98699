"""A stretch of flat memory as the arrays of a window: what loops over windows take."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.np.arrayobj import populate_array

from rnnkit.compute.kernels.jit import intrinsic


def _cube(typing: Any, x: Any, steps: Any, streams: Any, units: Any) -> Any:
    """Return the start of flat x as an array (steps, streams, units); x has to live on.

    It is what `reshape` gives, without a call of the compiler's library.
    """
    made = types.Array(x.dtype, 3, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flat, *shape = arguments
        size = context.get_abi_sizeof(context.get_data_type(x.dtype))
        itemsize = ir.Constant(context.get_value_type(types.intp), size)
        row = builder.mul(shape[2], itemsize)
        cube = context.make_array(made)(context, builder)
        populate_array(  # type: ignore[no-untyped-call]
            cube,
            data=context.make_array(x)(context, builder, flat).data,
            shape=shape,
            strides=(builder.mul(shape[1], row), row, itemsize),
            itemsize=itemsize,
            meminfo=None,
        )
        return cube._getvalue()

    n = types.intp
    return made(x, n, n, n), generate


cube: Any = intrinsic(_cube)
