"""Find the arrays of a checkpoint of schema 1, which has no index: libhdf5 is asked instead.

Only where they lie: the bytes are then cut out by the same rules as today's. So no link is
followed, nothing is inflated, and no other file is read. What remains is libhdf5 itself, which a
made-up file can crash; that is the price of a schema that is saved no more.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import h5py

from rnnkit.checkpoint.layout import (
    MAX_OBJECTS,
    Extent,
    check_bounds,
    check_entries,
    check_name,
    structure_error,
)
from rnnkit.checkpoint.seal import HEADER_SIZE, Sealed
from rnnkit.errors import CheckpointError, printable


def find_arrays(sealed: Sealed, where: object) -> list[Extent]:
    """Return where each array of a file lies, by name; raises CheckpointError (CKPT_STRUCTURE)."""
    try:
        with h5py.File(io.BytesIO(sealed.data), "r") as file:
            extents = sorted(_walk(file, where), key=lambda extent: extent.name)
    except CheckpointError:
        raise
    except Exception as error:  # h5py reports a broken file in any class
        message = f"HDF5 cannot read it: {printable(str(error), 200)}"
        raise structure_error(where, "layout", "/", message) from error
    check_entries(extents, where)
    check_bounds(extents, len(sealed.data), where)
    return extents


def _walk(file: h5py.File, where: object) -> Iterator[Extent]:
    """Yield every array; cycles end at the limits of depth and number."""
    count, groups = 0, [("", file)]
    while groups:
        prefix, group = groups.pop()
        for name in group:
            count, path = count + 1, prefix + name
            if count > MAX_OBJECTS:
                message = f"expected at most {MAX_OBJECTS} arrays and groups in the file"
                raise structure_error(where, "objects", path, message)
            check_name(path, where)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise structure_error(where, "link", path, "expected a hard link")
            found = group[name]
            if isinstance(found, h5py.Group):
                groups.append((f"{path}/", found))
            elif isinstance(found, h5py.Dataset):
                yield _extent(found, path, where)
            else:
                raise structure_error(where, "objects", path, "expected an array or a group")


def _extent(array: h5py.Dataset, path: str, where: object) -> Extent:
    """Return where one array lies: HDF5 gives an offset only to what is stored in one stretch."""
    if array.shape is None:
        raise structure_error(where, "shape", path, "expected a plain shape, received none")
    offset = (array.id.get_offset() or 0) if array.size else 0
    if array.size and offset < HEADER_SIZE:
        raise structure_error(
            where, "layout", path, "expected its bytes in one stretch of the file"
        )
    return Extent(path, array.dtype.str, array.shape, offset)
