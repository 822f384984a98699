"""Numbers that two threads change: reads and writes that the other one sees, in order."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from rnnkit.compute.kernels.jit import intrinsic

ORDER = "seq_cst"
INDEX = ir.IntType(64)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _load(typing: Any, array: Any, index: Any) -> Any:
    """Return array[index] of int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(place, ORDER, 8)

    return types.int64(array, types.intp), generate


def _store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write array[index] of int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        place = _pointer(context, builder, signature.args[0], array, index)
        builder.store_atomic(value, place, ORDER, 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), generate


def _fetch_add(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to array[index] of int64 and return what it was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        place = _pointer(context, builder, signature.args[0], array, index)
        return builder.atomic_rmw("add", place, value, ORDER)

    return types.int64(array, types.intp, types.int64), generate


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
fetch_add: Any = intrinsic(_fetch_add)
