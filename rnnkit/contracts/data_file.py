"""The bytes of a file of data, opened where it is compressed, within the memory that is free."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rnnkit.contracts.data_size import LIMIT, DataSize, ReadingCost
from rnnkit.core.machine import spare_memory
from rnnkit.errors import DataError, ResourceError
from rnnkit.files.atomic import read_regular
from rnnkit.files.compressed import decompressed

ASKED = ReadingCost(held=10, row=700)
"""What data takes that a model is asked about, with its answers."""


def room(held: int = ASKED.held) -> int:
    """Return how many bytes of data are read at most, where they take `held` times their size."""
    return min(LIMIT, spare_memory() // held)


def unpacked(packed: bytes, where: object, held: int = ASKED.held) -> bytes:
    """Return data, opened where it is compressed; DataError beyond what memory has room for."""
    return decompressed(packed, room(held), DataError, "DATA", where)


def read_data(path: Path) -> bytes:
    """Return the data of a file that a model is asked about, as `data_asked` does."""
    with suppress(OSError, ValueError):  # which reading it tells of
        _check_memory(DataSize(path.stat().st_size), path)
    return data_asked(bytes(read_regular(path, LIMIT, DataError, "DATA")), path)


def read_stream(stream: BinaryIO, name: str) -> bytes:
    """Return the data of a stream, as `data_asked` does; one that does not end is given up."""
    most = room()
    packed = stream.read(most + 1)
    if len(packed) > most:
        message = f"more than {most:,} bytes, for which memory has no room (give it in pieces)"
        raise ResourceError.of("MEM_BUDGET", message, name)
    return data_asked(packed, name)


def data_asked(packed: bytes, where: object) -> bytes:
    """Return data that a model is asked about, opened where it is compressed.

    Raises DataError where it cannot be opened, and ResourceError where memory has no room for it
    and the answers.
    """
    _check_memory(DataSize(len(packed)), where)
    data = unpacked(packed, where)
    _check_memory(DataSize.of_bytes(data), where)
    return data


def _check_memory(found: DataSize, where: object) -> None:
    need, budget = ASKED.of(found), spare_memory()
    if need > budget:
        message = (
            f"to read and answer {found.size:,} bytes takes up to {need:,}, and memory has room "
        )
        message += f"for {budget:,} (cut it into smaller files)"
        raise ResourceError.of("MEM_BUDGET", message, where)
