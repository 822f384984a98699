"""What a checkpoint may hold: the rules that writer and reader share. No HDF5 here.

The files of strangers are met with a closed list, not with a list of known attacks: plain names, a
few levels, little-endian numbers, each array in a stretch of the file that is its own.

Source: safetensors' rule that the arrays cover disjoint parts of the file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pydantic
from pydantic import ConfigDict, Field

from rnnkit.checkpoint.seal import HEADER_SIZE
from rnnkit.errors import CheckpointError, printable
from rnnkit.types import MAX_RANK, STORED_NAME, Array

INDEX = "index"
"""The name of the array that holds the index; no other may have it."""

TEXT_LIMIT = 4 << 20
VOCABULARY_LIMIT = 64 << 20
"""Bytes: six million words, whose parameters alone would meet the limit of the file."""

MAX_DEPTH = 8
MAX_OBJECTS = 4096
ALIGNMENT = 8
"""Every array starts at a multiple of this, so that the views of a loaded file are aligned."""

DTYPES = ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")


Count = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Extent:
    """One array: its name ("params/1.lstm/Wx"), type and shape, and where its bytes start."""

    __pydantic_config__: ClassVar = ConfigDict(strict=True, extra="forbid")

    name: str
    dtype: str
    shape: tuple[Count, ...]
    offset: Count = 0

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def view(self, image: memoryview) -> Array:
        """Return the array itself: a view of the file's bytes, read-only when they are."""
        return np.ndarray(self.shape, self.dtype, image, self.offset if self.size else 0)


def nonfinite(arrays: Mapping[str, Array]) -> str | None:
    """Return the name of the first array that holds NaN or infinity; None without one."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)


def first_fault(error: pydantic.ValidationError, *root: str) -> tuple[str, str]:
    """Return the path, below `root`, of the first key of a stored JSON that is wrong, and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    return printable(".".join(map(str, (*root, *first["loc"])))), first["msg"]


def structure_error(where: object, rule: str, name: str, message: str) -> CheckpointError:
    """Return the refusal of a file that breaks `rule` at `name`."""
    text = f"{rule}: {printable(name)}: {message}; a checkpoint of rnnkit never has this"
    return CheckpointError.of("CKPT_STRUCTURE", text, where)


def check_name(name: str, where: object) -> None:
    """Raise CheckpointError unless `name` is a path of plain names that is not too deep."""
    parts = name.split("/")
    if len(parts) > MAX_DEPTH:
        message = f"expected at most {MAX_DEPTH} levels, received {len(parts)}"
        raise structure_error(where, "depth", name, message)
    if not all(map(STORED_NAME.fullmatch, parts)):
        message = "expected names of 1 to 128 letters, digits, '_', '.' and '-'"
        raise structure_error(where, "name", name, message)


def check_entries(extents: Sequence[Extent], where: object) -> None:
    """Raise CheckpointError unless names, types and shapes, alone and together, are allowed."""
    for extent in extents:
        _check_entry(extent, where)
    names = {INDEX, *(extent.name for extent in extents)}
    if len(names) <= len(extents):
        raise structure_error(where, "alias", "/", "expected one array for each name")
    groups = {name[:end] for name in names for end, sign in enumerate(name) if sign == "/"}
    for name in groups & names:
        raise structure_error(where, "name", name, "expected an array or a group, not both")
    count = len(extents) + len(groups)
    if count > MAX_OBJECTS:
        message = f"expected at most {MAX_OBJECTS} arrays and groups, received {count}"
        raise structure_error(where, "objects", "/", message)


def _check_entry(extent: Extent, where: object) -> None:
    check_name(extent.name, where)
    shape = extent.shape
    if extent.dtype not in DTYPES:
        message = f"expected one of {' '.join(DTYPES)}, received {printable(extent.dtype)}"
        raise structure_error(where, "dtype", extent.name, message)
    if len(shape) > MAX_RANK:
        message = f"expected at most {MAX_RANK} axes, received {len(shape)}"
        raise structure_error(where, "shape", extent.name, message)
    # NumPy refuses such sizes even where another axis is 0.
    if math.prod(n or 1 for n in shape) * 8 > sys.maxsize:
        raise structure_error(where, "shape", extent.name, f"received the shape {shape}")
    if "/" not in extent.name:
        _check_text(extent, where)


def _check_text(extent: Extent, where: object) -> None:
    """Refuse what stands beside the groups unless it is a text that may be parsed."""
    if extent.dtype != "|u1" or len(extent.shape) != 1:
        received = f"received {extent.dtype} of shape {extent.shape}"
        message = f"expected bytes beside the groups, {received}"
        raise structure_error(where, "shape", extent.name, message)
    limit = VOCABULARY_LIMIT if extent.name == "vocabulary" else TEXT_LIMIT
    if extent.size > limit:
        message = f"expected at most {limit:,} bytes, received {extent.size:,}"
        raise structure_error(where, "size", extent.name, message)


def check_bounds(extents: Iterable[Extent], file_size: int, where: object) -> None:
    """Raise CheckpointError unless every array lies aligned in the file and shares no byte."""
    end, previous = HEADER_SIZE, ""
    stored = (extent for extent in extents if extent.size)
    for extent in sorted(stored, key=lambda extent: extent.offset):
        if extent.offset < HEADER_SIZE or extent.offset + extent.size > file_size:
            message = f"expected it within the file, received bytes {extent.offset:,} and on"
            raise structure_error(where, "bounds", extent.name, message)
        if extent.offset % ALIGNMENT:
            message = f"expected it at a multiple of {ALIGNMENT}, received {extent.offset:,}"
            raise structure_error(where, "alignment", extent.name, message)
        if extent.offset < end:
            message = f"its bytes are also those of {previous}"
            raise structure_error(where, "overlap", extent.name, message)
        end, previous = extent.offset + extent.size, extent.name
