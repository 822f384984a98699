"""What Python asks of products by addresses, compiled once for all stacks."""

from __future__ import annotations

from numba.np.numpy_support import carray

from rnnkit.compute.kernels.memory import float_pointer, floats, integers, table_at
from rnnkit.compute.kernels.product import pack_columns, pack_rows
from rnnkit.compute.kernels.program import COLUMNS_OF_TABLE
from rnnkit.compute.kernels.team import PLACES
from rnnkit.compute.kernels.vector_product import assist


def arrange(
    given: int,
    apart: int,
    inner: int,
    columns: int,
    transposed: int,
    into: int,
    size: int,
    first: int,
    last: int,
) -> int:
    """Write panels `first` to `last` of a matrix (inner, columns) to `size` numbers; return 0.

    Its rows are `apart` numbers apart. One that is used transposed lies as (columns, inner), in one
    piece.
    """
    packed = floats(into, size)
    if transposed:
        whole = carray(float_pointer(given), (columns, inner))
        for panel in range(first, last):
            pack_columns(whole, packed, panel)
    else:
        pack_rows(floats(given, inner * apart), apart, inner, columns, packed, first, last)
    return 0


def help_products(table: int, stages: int, shared_task: int) -> int:
    """Take parts of the products of another thread until its task says to stop; return 0."""
    assist(table_at(table, stages, COLUMNS_OF_TABLE), integers(shared_task, PLACES))
    return 0
