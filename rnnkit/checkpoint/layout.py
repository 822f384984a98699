"""What a checkpoint may hold: the rules that writer, reader and guard share. No HDF5 here.

The files of strangers are met with a closed list, not with a list of known attacks: plain names, a
few levels, little-endian numbers, each array in a stretch of the file that is its own.

Source: safetensors' rule that the arrays cover disjoint parts of the file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from rnnkit.checkpoint.seal import HEADER_SIZE
from rnnkit.errors import CheckpointError, printable
from rnnkit.types import STORED_NAME, Array

FORMAT = "rnnkit"
SCHEMA = 1
FILE_LIMIT = 8 << 30
MAX_DEPTH = 8
MAX_OBJECTS = 4096
MAX_RANK = 8
DTYPES = ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")


@dataclass(frozen=True)
class Extent:
    """One array: its name ("params/1.lstm/Wx"), type and shape, and where its bytes start."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int = 0

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def view(self, image: memoryview) -> Array:
        """Return the array itself: a view of the file's bytes, read-only when they are."""
        return np.ndarray(self.shape, self.dtype, image, self.offset)


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


def check_schema(schema: int, where: object) -> None:
    """Raise CheckpointError unless this rnnkit reads files of this schema."""
    if schema > SCHEMA:
        message = f"it needs a newer rnnkit: schema {schema}, this one reads {SCHEMA}: upgrade it"
        raise CheckpointError.of("CKPT_NEWER_SCHEMA", message, where)
    if schema < 1:
        raise structure_error(where, "attr", "schema", f"expected at least 1, received {schema}")


def check_entries(extents: Sequence[Extent], where: object) -> None:
    """Raise CheckpointError unless names, types and shapes, alone and together, are allowed."""
    for extent in extents:
        _check_entry(extent, where)
    names = {extent.name for extent in extents}
    if len(names) < len(extents):
        raise structure_error(where, "alias", "/", "expected one array for each name")
    groups = {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."}
    for name in groups & names:
        raise structure_error(where, "name", name, "expected an array or a group, not both")
    count = len(names) + len(groups)
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
    if min(shape, default=0) < 0 or math.prod(n or 1 for n in shape) * 8 > sys.maxsize:
        raise structure_error(where, "shape", extent.name, f"received the shape {shape}")
    if "/" not in extent.name and (extent.dtype != "|u1" or len(shape) != 1):
        message = f"expected bytes beside the groups, received {extent.dtype} of shape {shape}"
        raise structure_error(where, "shape", extent.name, message)


def check_bounds(extents: Iterable[Extent], file_size: int, where: object) -> None:
    """Raise CheckpointError unless every array lies in the file and none shares a byte."""
    end, previous = HEADER_SIZE, ""
    stored = (extent for extent in extents if extent.size)
    for extent in sorted(stored, key=lambda extent: extent.offset):
        if extent.offset < HEADER_SIZE or extent.offset + extent.size > file_size:
            message = f"expected it within the file, received bytes {extent.offset:,} and on"
            raise structure_error(where, "bounds", extent.name, message)
        if extent.offset < end:
            message = f"its bytes are also those of {previous}"
            raise structure_error(where, "overlap", extent.name, message)
        end, previous = extent.offset + extent.size, extent.name
