"""Products that Python asks for by addresses, compiled once for all stacks."""

from __future__ import annotations

from numba.np.numpy_support import carray

from rnnkit.compute.kernels.memory import (
    LINE,
    address_of_new,
    float_pointer,
    floats,
    free,
    integers,
    next_line,
    table_at,
)
from rnnkit.compute.kernels.object_code import NO_MEMORY
from rnnkit.compute.kernels.product import pack_columns, pack_rows
from rnnkit.compute.kernels.program import COLUMNS, COLUMNS_OF_TABLE, INNER
from rnnkit.compute.kernels.stages import NONE, product, spare_numbers
from rnnkit.compute.kernels.team import PLACES, SPARE
from rnnkit.compute.kernels.vector_product import assist


def product_of_rows(table: int, given: int, found: int, rows: int) -> int:
    """Write x W + bias for the only stage of a table; return 0, or NO_MEMORY."""
    program = table_at(table, 1, COLUMNS_OF_TABLE)
    memory = address_of_new(2 * LINE + 4 * spare_numbers(program, rows))
    if memory == 0:
        return NO_MEMORY
    task = integers(next_line(memory), PLACES)
    task[:] = 0
    task[SPARE] = next_line(memory) + LINE
    x, y = floats(given, rows * program[0, INNER]), floats(found, rows * program[0, COLUMNS])
    product(program, NONE, rows, x, y, task)
    free(memory)
    return 0


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
