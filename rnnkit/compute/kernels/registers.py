"""The vector registers of this processor, and the tiles of a product that fit into them."""

from __future__ import annotations

import platform

from llvmlite import binding


def _registers() -> tuple[int, int]:
    """Return how many bytes a vector register of this processor has, and how many there are."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    if features.get("avx"):
        return 32, 16
    return 16, 16 if platform.machine() in ("x86_64", "AMD64") else 32


BYTES, REGISTERS = _registers()
TALL, WIDE = 8 if REGISTERS == 32 else 4, 3
"""Rows of a tile, and the most vectors that it is wide: as many sums as leave room for the rest."""

ABREAST = 3 if REGISTERS == 32 else 4
"""Panels that rows are multiplied with in turn, and one row at once: a sum waits for the one before
it."""


def column_panels(columns: int, itemsize: int) -> tuple[int, int]:
    """Return how many panels so many columns fill, and how many columns those have together.

    The last is as narrow as the rest of the columns allows; it begins early enough to be full, and
    repeats columns. Less than a wide panel that is no whole number of vectors is two. A matrix
    narrower than a vector is a panel of its own.
    """
    lanes = BYTES // itemsize
    if columns < lanes:
        return 1, columns
    vectors = -(-columns // lanes)
    two = vectors <= WIDE and columns % lanes != 0
    return 2 if two else -(-vectors // WIDE), vectors * lanes
