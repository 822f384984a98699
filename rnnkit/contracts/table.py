"""Rows that are in memory, where a file of rows may stand as well."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rnnkit.errors import spelled
from rnnkit.types import Array


@dataclass(frozen=True, eq=False)
class MemoryTable:
    """Columns of N values by name; `labels` name the rows, which else have their numbers from 0.

    A value is what JSON has (text, a number, None for one that is missing, a list of them), or an
    array of numbers (T,) or (T, F).
    """

    columns: Mapping[str, Any]
    labels: Sequence[object] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the values of each row by the names of their columns."""
        names = list(self.columns)
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(names, values, strict=True))

    def label(self, line: int) -> str:
        """Return what names a row, which counts from 1 as the lines of a file do."""
        if self.labels is None or not 1 <= line <= len(self):
            return str(line - 1)
        return str(self.labels[line - 1])

    def digest(self) -> bytes:
        """Return the SHA-256 of names and values: the same for a frame, arrays and lists."""
        found = hashlib.sha256()
        for name, values in self.columns.items():
            found.update(_sized(b"c", name.encode()))
            for part in _parts([*values]):
                found.update(part)
        return found.digest()


FileData: TypeAlias = bytes | MemoryTable
"""What a file holds, or rows in memory in its place."""


def hashed(data: FileData) -> bytes:
    """Return what the digest of data is made from: its bytes, or of rows their digest."""
    return data if isinstance(data, bytes) else data.digest()


def _parts(value: object) -> Iterator[bytes]:
    """Yield the bytes of a value; those of all numbers that are equal are the same."""
    if isinstance(value, str):
        yield _sized(b"s", value.encode(errors="surrogatepass"))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        yield _sized(b"n" + repr(value.shape).encode(), _as_bytes(value))
    elif isinstance(value, list | tuple | np.ndarray):
        if numbers := _numbers(value):
            yield numbers
        else:
            yield b"l%d:" % len(value)
            for item in value:
                yield from _parts(item)
    elif value is None:
        yield b"-"
    else:
        yield _sized(b"v", spelled(value).encode())


def _numbers(values: Sequence[Any] | Array) -> bytes | None:
    """Return the bytes of a flat list of numbers, some of which may be missing; None for others."""
    if not all(type(value) in (float, int) or value is None for value in values):
        return None
    try:
        found = np.array([np.nan if value is None else value for value in values], np.float64)
    except OverflowError:
        return None
    return _sized(b"n" + repr(found.shape).encode(), _as_bytes(found))


def _as_bytes(values: Array) -> bytes:
    found = np.ascontiguousarray(values, np.float64) + 0.0  # of -0.0, 0.0
    found[np.isnan(found)] = np.nan
    return found.astype("<f8").tobytes()


def _sized(kind: bytes, data: bytes) -> bytes:
    return b"%s%d:%s" % (kind, len(data), data)
