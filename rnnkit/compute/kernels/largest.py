"""The largest number of a row inside compiled loops.

A maximum of floats is not vectorized unless NaN may be lost. The bits of float32, those below the
sign turned where it is set, are integers in the same order, above which stands NaN (below it one
whose sign is set: what must see every NaN sums the row). float64 is compared number by number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from rnnkit.compute.kernels.jit import OPTIONS, jit


def sortable(values: Any) -> Any:
    """Return values as `largest_of` reads them; within compiled code alone."""
    raise NotImplementedError


@overload(sortable, jit_options=OPTIONS)
def _sortable(values: Any) -> Any:
    return _bits if values.dtype.bitwidth == 32 else _same


def _bits(values: Any) -> Any:
    return values.view(np.int32)


def _same(values: Any) -> Any:
    return values


def largest_of(row: Any) -> Any:
    """Return the largest number of a sortable row; within compiled code alone."""
    raise NotImplementedError


@overload(largest_of, jit_options=OPTIONS)
def _largest_of(row: Any) -> Any:
    return _largest32 if row.dtype.bitwidth == 32 else _largest64


def _largest32(row: Any) -> Any:
    found = _in_order(row[0])
    for j in range(len(row)):
        found = max(found, _in_order(row[j]))
    return np.int32(_in_order(found)).view(np.float32)


@jit
def _in_order(bits: Any) -> Any:
    sign = np.int32(bits >> np.int32(31))
    return np.int32(bits ^ np.int32(sign & np.int32(0x7FFFFFFF)))


def _largest64(row: Any) -> Any:
    found = row[0]
    for j in range(len(row)):
        found = row[j] if row[j] > found else found
    return found
