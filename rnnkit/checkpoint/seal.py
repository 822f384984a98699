"""The 512 bytes in front: what a file is, how long, its SHA-256, and where its index lies.

    offset 0   8 bytes    "RNNKIT\\0\\1"
           8   u32        schema
          12   u32        size of this header, 512
          16   u64        bytes of the payload, which is the rest of the file
          24   32 bytes   SHA-256 of all that follows this field
          56   u64        where the index starts
          64   u64        bytes of the index
          72   zeros      up to 512

Schema 1 had zeros from 56 on, and the digest of the payload alone.

HDF5 calls this space the user block and skips it, so h5py and h5dump open the file unchanged. A
digest inside the HDF5 part would come too late: whatever finds it would have parsed the damage
already. The digest answers accidents; whoever changes a file on purpose can seal it again.

Source: HDF5 File Format Specification 3.0, section II.A (user block and superblock).
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from rnnkit.errors import CheckpointError, printable
from rnnkit.files.atomic import Buffer

FILE_LIMIT = 8 << 30
"""Bytes of a file that is read."""

MAGIC = b"RNNKIT\0\1"
SCHEMA = 2
HEADER_SIZE = 512

_HEADER = struct.Struct("<8sIIQ32sQQ")
_DIGESTED_FROM = {1: HEADER_SIZE, SCHEMA: 56}
"""Where the digested bytes start, by schema."""


class Sealed(NamedTuple):
    """A whole file, read-only, whose bytes are those that were sealed, and where its index lies."""

    data: memoryview
    schema: int
    index_start: int
    index_size: int


def seal(image: memoryview, index_start: int, index_size: int) -> None:
    """Write the header of `image` into its first 512 bytes."""
    length, place = len(image) - HEADER_SIZE, (index_start, index_size)
    header = _HEADER.pack(MAGIC, SCHEMA, HEADER_SIZE, length, bytes(32), *place)
    image[:HEADER_SIZE] = header.ljust(HEADER_SIZE, b"\0")
    image[24:56] = hashlib.sha256(image[_DIGESTED_FROM[SCHEMA] :]).digest()


def unseal(image: Buffer, where: object) -> Sealed:
    """Return the file once its bytes are those that were sealed.

    Raises CheckpointError: CKPT_NOT_RNNKIT, CKPT_TRUNCATED, CKPT_TRAILING, CKPT_HASH, or
    CKPT_NEWER_SCHEMA for the schema of a later rnnkit.
    """
    view = memoryview(image).toreadonly()
    _check_magic(view, where)
    if len(view) < HEADER_SIZE:
        raise _truncated(f"at least {HEADER_SIZE}", len(view), where)
    _, schema, size, length, digest, *place = _HEADER.unpack_from(view)
    if schema > SCHEMA:
        message = f"it needs a newer rnnkit: schema {schema}, this one reads {SCHEMA}: upgrade it"
        raise CheckpointError.of("CKPT_NEWER_SCHEMA", message, where)
    expected = HEADER_SIZE + length
    if expected > len(view):
        raise _truncated(f"{expected:,}", len(view), where)
    if expected < len(view):
        message = f"expected {expected:,} bytes, received {len(view):,}: something was appended"
        raise CheckpointError.of("CKPT_TRAILING", f"{message}; {_ADVICE}", where)
    start = _DIGESTED_FROM.get(schema)
    zeros = view[56 if schema == 1 else 72 : HEADER_SIZE]
    intact = start is not None and size == HEADER_SIZE and not any(zeros)
    if not intact or hashlib.sha256(view[start:]).digest() != digest:
        message = f"damaged: its bytes do not match its SHA-256; {_ADVICE}"
        raise CheckpointError.of("CKPT_HASH", message, where)
    return Sealed(view, schema, *place)


_ADVICE = "use another copy, or an older checkpoint"


def _check_magic(view: memoryview, where: object) -> None:
    """Refuse other files; a start that is only cut short is a truncated checkpoint."""
    start = bytes(view[: len(MAGIC)])
    if not start or start != MAGIC[: len(start)]:
        message = f"not an rnnkit checkpoint: expected it to start with {MAGIC!r}, received "
        advice = "; give a file that rnnkit saved"
        raise CheckpointError.of("CKPT_NOT_RNNKIT", message + printable(start) + advice, where)


def _truncated(expected: str, received: int, where: object) -> CheckpointError:
    message = f"truncated: expected {expected} bytes, received {received:,}; {_ADVICE}"
    return CheckpointError.of("CKPT_TRUNCATED", message, where)
