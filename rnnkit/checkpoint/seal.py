"""The 512 bytes in front: what a checkpoint is, how long it is, and the SHA-256 of the rest.

    offset 0   8 bytes    "RNNKIT\\0\\1"
           8   u32        version of this header
          12   u32        its size, 512
          16   u64        bytes of the payload
          24   32 bytes   SHA-256 of the payload
          56   zeros      up to 512

HDF5 calls this space the user block and skips it, so h5py and h5dump open the file unchanged. A
digest inside the HDF5 part would come too late: libhdf5 would have parsed the damage already. The
digest answers accidents; whoever changes a file on purpose can seal it again.

Source: HDF5 File Format Specification 3.0, section II.A (user block and superblock).
"""

from __future__ import annotations

import hashlib
import struct

from rnnkit.errors import CheckpointError, printable
from rnnkit.files.atomic import Buffer

MAGIC = b"RNNKIT\0\1"
HEADER_VERSION = 1
HEADER_SIZE = 512

_HEADER = struct.Struct("<8sIIQ32s")


def seal(image: memoryview) -> None:
    """Write the header of `image` into its first 512 bytes."""
    payload = image[HEADER_SIZE:]
    digest = hashlib.sha256(payload).digest()
    header = _HEADER.pack(MAGIC, HEADER_VERSION, HEADER_SIZE, len(payload), digest)
    image[:HEADER_SIZE] = header.ljust(HEADER_SIZE, b"\0")


def unseal(image: Buffer, where: object) -> memoryview:
    """Return a read-only view of the whole file once its bytes are those that were sealed.

    Raises CheckpointError: CKPT_NOT_RNNKIT, CKPT_TRUNCATED, CKPT_TRAILING, CKPT_HASH, or
    CKPT_NEWER_SCHEMA for a header of a later rnnkit.
    """
    view = memoryview(image).toreadonly()
    _check_magic(view, where)
    if len(view) < HEADER_SIZE:
        raise _truncated(f"at least {HEADER_SIZE}", len(view), where)
    _, version, size, length, digest = _HEADER.unpack_from(view)
    if version > HEADER_VERSION:
        message = f"header version {version}, this rnnkit reads {HEADER_VERSION}: upgrade rnnkit"
        raise CheckpointError.of("CKPT_NEWER_SCHEMA", f"it needs a newer rnnkit: {message}", where)
    expected = HEADER_SIZE + length
    if expected > len(view):
        raise _truncated(f"{expected:,}", len(view), where)
    if expected < len(view):
        message = f"expected {expected:,} bytes, received {len(view):,}: something was appended"
        raise CheckpointError.of("CKPT_TRAILING", f"{message}; {_ADVICE}", where)
    padding = view[_HEADER.size : HEADER_SIZE]
    intact = (version, size) == (HEADER_VERSION, HEADER_SIZE) and not any(padding)
    if not intact or hashlib.sha256(view[HEADER_SIZE:]).digest() != digest:
        message = f"damaged: its bytes do not match its SHA-256; {_ADVICE}"
        raise CheckpointError.of("CKPT_HASH", message, where)
    return view


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
