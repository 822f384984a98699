"""The whole checkpoint as one piece of memory: arrays and blobs in, sealed HDF5 out, and back.

libhdf5 never touches a disk. Under a full disk it has reported success for a file that was wrong,
and it has crashed on the next save; here it writes to memory, `atomic` writes the bytes, and
reading does without it: the file carries an index of its own.

Arrays have names with a slash ("params/1.lstm/Wx"), blobs have names without ("meta"). Nothing in
a file depends on the clock, the host or the order of a dict: equal state gives equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from rnnkit.checkpoint.index import encode_index, read_index
from rnnkit.checkpoint.layout import ALIGNMENT, INDEX, Extent, check_entries
from rnnkit.checkpoint.schema_1 import find_arrays
from rnnkit.checkpoint.seal import FILE_LIMIT, HEADER_SIZE, SCHEMA, Sealed, seal, unseal
from rnnkit.errors import CheckpointError, ResourceError
from rnnkit.files.atomic import Buffer, read_regular
from rnnkit.types import Array

_FILE = {
    "libver": ("earliest", "v110"),
    "userblock_size": HEADER_SIZE,
    "alignment_threshold": 1,
    "alignment_interval": ALIGNMENT,
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
        image, index = _build(entries)
    except (MemoryError, OSError, RuntimeError, ValueError) as error:
        # h5py reports a failed allocation in any of these classes.
        needed = sum(extent.size for extent in extents)
        message = f"cannot build a checkpoint of {needed:,} bytes in memory: {error}"
        raise ResourceError.of("MEM_ALLOC", message, "checkpoint") from error
    seal(image, index.offset, index.size)
    return image


def _build(entries: Mapping[str, Array]) -> tuple[memoryview, Extent]:
    """Return the bytes, not yet sealed, and where the index lies in them."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **_FILE) as file:
        file.attrs.create("format", np.bytes_("rnnkit"))
        file.attrs.create("schema", SCHEMA, dtype="<i8")
        extents = [_stored(file, name, entries[name]) for name in sorted(entries)]
        index = _stored(file, INDEX, np.frombuffer(encode_index(extents), np.uint8))
    return buffer.getbuffer(), index


def _stored(file: h5py.File, name: str, array: Array) -> Extent:
    """Write one array; return where HDF5 put it. One without bytes has no place: 0.

    By h5py's low level: the same bytes as those of `create_dataset` in half the time.
    """
    array = np.asarray(array, order="C")
    groups, timeless = h5p.create(h5p.LINK_CREATE), h5p.create(h5p.DATASET_CREATE)
    groups.set_create_intermediate_group(True)
    timeless.set_obj_track_times(False)
    kind, space = h5t.py_create(array.dtype), h5s.create_simple(array.shape)
    dataset = h5d.create(file.id, name.encode(), kind, space, timeless, groups)
    dataset.write(h5s.ALL, h5s.ALL, array)
    return Extent(name, array.dtype.str, array.shape, dataset.get_offset() if array.size else 0)


def read_image(image: Buffer, where: object) -> Image:
    """Verify the bytes of a checkpoint, then its structure, then cut its arrays out of them.

    Raises CheckpointError with the codes of `unseal`, and CKPT_STRUCTURE.
    """
    sealed = unseal(image, where)
    find = read_index if sealed.schema == SCHEMA else find_arrays
    return _assemble(sealed, find(sealed, where))


def load_image(path: Path) -> Image:
    """Read the checkpoint at `path`.

    Raises CheckpointError: those of `read_image`, and CKPT_NOT_FOUND, CKPT_NOT_REGULAR,
    CKPT_TOO_LARGE and CKPT_UNREADABLE.
    """
    return read_image(read_regular(path, FILE_LIMIT, CheckpointError, "CKPT"), path)


def _assemble(sealed: Sealed, extents: Iterable[Extent]) -> Image:
    """Cut arrays and blobs out of the verified bytes, at extents that were checked."""
    found = {extent.name: extent.view(sealed.data) for extent in extents}
    arrays = {name: array for name, array in found.items() if "/" in name}
    blobs = {name: array.tobytes() for name, array in found.items() if "/" not in name}
    return Image(sealed.schema, arrays, blobs)
