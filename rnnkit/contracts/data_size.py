"""How large data is, and the memory that reading it takes: bytes, rows, and the longest row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from rnnkit.errors import DataError
from rnnkit.files.atomic import open_regular
from rnnkit.files.compressed import opened_if

LIMIT = 2**31
"""The largest file that is read, in bytes."""
CHUNK = 2**18
"""Bytes that are counted at once."""
ITEM = 140
"""The memory of a cell or of a list in a list, in bytes: each is an object, however short it is."""
WORD = 60
"""The memory of what stands between spaces."""


class DataSize(NamedTuple):
    """The bytes of data, its rows, and the memory of the objects of its longest row.

    A row is a line, or an object of JSON. It counts as long where it goes beyond one chunk.
    """

    size: int = 0
    rows: int = 0
    longest: int = 0

    @classmethod
    def of(cls, chunks: Iterable[bytes]) -> Self:
        """Count chunks, up to what no file may hold."""
        size = lines = objects = longest = begun = 0
        for chunk in chunks:
            size += len(chunk)
            lines, objects = lines + chunk.count(b"\n"), objects + chunk.count(b"{")
            ends = [place for mark in b"\n{" if (place := chunk.find(mark)) >= 0]
            longest = max(longest, begun + _objects(chunk[: min(ends, default=len(chunk))]))
            last = max(chunk.rfind(b"\n"), chunk.rfind(b"{")) + 1
            begun = _objects(chunk[last:]) + (0 if ends else begun)
            if size > LIMIT:
                break
        return cls(size, max(lines, objects), max(longest, begun))

    @classmethod
    def of_bytes(cls, data: bytes) -> Self:
        """Count data in memory."""
        return cls.of(data[start : start + CHUNK] for start in range(0, len(data), CHUNK))

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Count a file, opened where it is compressed; raises DataError where it cannot be read."""
        return cls.of(_chunks(path))


class ReadingCost(NamedTuple):
    """The memory that data takes while it is read: `held` times its size, and `row` bytes a row.

    Both are the most that was measured of data of its kind; docs/decisions.md has the numbers.
    """

    held: int
    row: int

    def of(self, found: DataSize) -> int:
        """Return the bytes that data takes at most."""
        return self.held * found.size + self.row * found.rows + found.longest


def _objects(piece: bytes) -> int:
    """Return the memory of the objects that a piece of a row becomes."""
    return ITEM * piece.count(b",") + WORD * piece.count(b" ")


def _chunks(path: Path) -> Iterator[bytes]:
    with (
        open(open_regular(path, LIMIT, DataError, "DATA"), "rb") as file,
        opened_if(file, DataError, "DATA", path) as plain,
    ):
        yield from iter(lambda: plain.read(CHUNK), b"")
