"""The whole checkpoint as one piece of memory: arrays and blobs in, sealed HDF5 out, and back.

libhdf5 never touches a disk. Under a full disk it has reported success for a file that was wrong,
and it has crashed on the next save; here it writes to memory, `storage` writes the bytes, and
reading does without it.

Arrays have names with a slash ("params/1.lstm/Wx"), blobs have names without ("meta"). Nothing in
a file depends on the clock, the host or the order of a dict: equal state gives equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from rnnkit.checkpoint.guard import examine
from rnnkit.checkpoint.layout import FILE_LIMIT, FORMAT, SCHEMA, Extent, check_entries
from rnnkit.checkpoint.seal import HEADER_SIZE, seal, unseal
from rnnkit.errors import CheckpointError, ResourceError
from rnnkit.files.atomic import Buffer, read_regular
from rnnkit.types import Array

# Every array starts at a multiple of 8, so that the views of a loaded file are aligned.
_FILE = {
    "libver": ("earliest", "v110"),
    "userblock_size": HEADER_SIZE,
    "alignment_threshold": 1,
    "alignment_interval": 8,
}


@dataclass(frozen=True)
class Image:
    """What a checkpoint holds; the arrays are read-only views of the file's bytes."""

    schema: int
    arrays: Mapping[str, Array]
    blobs: Mapping[str, bytes]


def build_image(arrays: Mapping[str, Array], blobs: Mapping[str, bytes]) -> memoryview:
    """Build the sealed bytes of a checkpoint.

    Raises CheckpointError (CKPT_STRUCTURE) for a name, type or shape that the reader would refuse,
    and ResourceError (MEM_ALLOC) when memory runs out.
    """
    entries = dict(arrays)
    for name, blob in blobs.items():
        entries[name] = np.ndarray(len(blob), np.uint8, blob)
    extents = [Extent(name, array.dtype.str, array.shape) for name, array in entries.items()]
    check_entries(extents, "checkpoint")
    try:
        image = _build(entries)
    except (MemoryError, OSError, RuntimeError, ValueError) as error:
        # h5py reports a failed allocation in any of these classes.
        needed = sum(extent.size for extent in extents)
        message = f"cannot build a checkpoint of {needed:,} bytes in memory: {error}"
        raise ResourceError.of("MEM_ALLOC", message, "checkpoint") from error
    seal(image)
    return image


def _build(entries: Mapping[str, Array]) -> memoryview:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **_FILE) as file:
        file.attrs.create("format", np.bytes_(FORMAT))
        file.attrs.create("schema", SCHEMA, dtype="<i8")
        for name in sorted(entries):
            file.create_dataset(name, data=entries[name], track_times=False)
    return buffer.getbuffer()


def read_image(image: Buffer, where: object) -> Image:
    """Verify the bytes of a checkpoint, then its structure, then cut its arrays out of them.

    Raises CheckpointError with the codes of `unseal`, CKPT_STRUCTURE or CKPT_NEWER_SCHEMA.
    """
    verified = unseal(image, where)
    schema, extents = examine(verified, where)
    return assemble(verified, schema, extents)


def load_image(path: Path) -> Image:
    """Read the checkpoint at `path`.

    Raises CheckpointError: those of `read_image`, and CKPT_NOT_FOUND, CKPT_NOT_REGULAR,
    CKPT_TOO_LARGE and CKPT_UNREADABLE.
    """
    return read_image(read_regular(path, FILE_LIMIT, CheckpointError, "CKPT"), path)


def assemble(verified: memoryview, schema: int, extents: list[Extent]) -> Image:
    """Cut arrays and blobs out of the verified bytes, at extents that were checked."""
    arrays = {extent.name: extent.view(verified) for extent in extents if "/" in extent.name}
    blobs = {
        extent.name: extent.view(verified).tobytes() for extent in extents if "/" not in extent.name
    }
    return Image(schema, arrays, blobs)
