"""The index of a checkpoint: name, type, shape and offset of every array, as JSON.

The writer knows where HDF5 put each array, so the reader need not ask HDF5: it parses a bounded
JSON text, checks that every array lies in a stretch of the file of its own, and is done. The index
is the last array of the file, and the seal holds its place.

HDF5 can point elsewhere (soft and external links, external storage, virtual datasets), inflate
(chunks, filters), repeat itself (cycles, hard links) and hold types that are not numbers. Each has
been an attack on a loader of weights: CVE-2026-1669 and CVE-2026-0897 of Keras are two. An index
has no word for any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pydantic
from pydantic import FailFast, TypeAdapter

from rnnkit.checkpoint.layout import (
    INDEX,
    Extent,
    check_bounds,
    check_entries,
    first_fault,
    structure_error,
)
from rnnkit.checkpoint.seal import Sealed
from rnnkit.errors import printable

INDEX_LIMIT = 1 << 20
"""Bytes: twice what 4,096 arrays with long names need."""

_EXTENTS = TypeAdapter(Annotated[tuple[Extent, ...], FailFast()])


def encode_index(extents: Sequence[Extent]) -> bytes:
    """Return the JSON; raises CheckpointError where the reader would refuse it for its size."""
    encoded = _EXTENTS.dump_json(tuple(extents))
    _check_size(len(encoded), "checkpoint")
    return encoded


def read_index(sealed: Sealed, where: object) -> tuple[Extent, ...]:
    """Return where each array of a file lies; raises CheckpointError (CKPT_STRUCTURE)."""
    size = sealed.index_size
    _check_size(size, where)
    place = Extent(INDEX, "|u1", (size,), sealed.index_start)
    check_bounds([place], len(sealed.data), where)
    try:
        extents = _EXTENTS.validate_json(place.view(sealed.data).tobytes())
    except pydantic.ValidationError as error:
        path, problem = first_fault(error, INDEX)
        raise structure_error(where, "index", path, printable(problem)) from error
    check_entries(extents, where)
    check_bounds([place, *extents], len(sealed.data), where)
    return extents


def _check_size(size: int, where: object) -> None:
    if size > INDEX_LIMIT:
        message = f"expected at most {INDEX_LIMIT:,} bytes, received {size:,}"
        raise structure_error(where, "index", INDEX, message)
