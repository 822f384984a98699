"""Decode the object headers of an HDF5 file: what each object says about itself.

Only the few messages that rnnkit's own files contain are known here, byte for byte: version 1
headers, simple shapes, eleven number types, one contiguous stretch of bytes. Every other message is
refused by its number, so what it would have meant is never computed.

Source: HDF5 File Format Specification 3.0, section IV (object headers and their messages).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnkit.checkpoint.layout import DTYPES, FORMAT, MAX_RANK, Extent, structure_error
from rnnkit.checkpoint.seal import HEADER_SIZE

NIL, SHAPE, LINK_INFO, TYPE, OLD_FILL, FILL, LINK, EXTERNAL, LAYOUT = range(9)
FILTER, ATTRIBUTE, CONTINUED, SYMBOLS, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15

MAX_MESSAGES = 64
NOWHERE = 2**64 - 1

Messages = dict[int, list[memoryview]]

_REFUSED = {
    LINK_INFO: ("link", "expected a group of version 1, which only has hard and soft links"),
    LINK: ("link", "expected a hard link, received one that can lead to another file"),
    EXTERNAL: ("external-storage", "expected its bytes in this file, received another file's name"),
    FILTER: ("filter", "expected no compression or other filter"),
    ATTRIBUTE: ("attr", "expected attributes only on /"),
    ATTRIBUTE_INFO: ("attr", "expected attributes only on /, within its header"),
}
_LAYOUTS = {0: "compact", 2: "chunked", 3: "virtual"}


@dataclass(frozen=True)
class Payload:
    """The verified bytes; addresses inside HDF5 count from the end of the seal."""

    image: memoryview
    where: object

    def take(self, address: int, size: int, path: str) -> memoryview:
        """Return `size` bytes, or raise CheckpointError (bounds) when they are not in the file.

        They are not copied: a file can claim all of its bytes again and again.
        """
        start = HEADER_SIZE + address
        if start + size > len(self.image):
            message = f"expected it within the file, received bytes {start:,} and on"
            raise structure_error(self.where, "bounds", path, message)
        return self.image[start : start + size]


def read_messages(payload: Payload, address: int, path: str) -> Messages:
    """Return the messages of the object at `address`, by kind; raises CheckpointError."""
    head = payload.take(address, 16, path)
    version, links, size = struct.unpack_from("<B3xII", head)
    if version != 1:
        raise structure_error(payload.where, "objects", path, "expected a header of version 1")
    if links != 1:
        message = f"expected one link to it, received {links}"
        raise structure_error(payload.where, "alias", path, message)
    found: Messages = {}
    blocks = [(address + 16, size)]
    count = 0
    # The list grows as continuations are met; each is a message, so the limit ends the loop.
    for start, length in blocks:
        block, position = payload.take(start, length, path), 0
        while position + 8 <= length:
            kind, size, flags = struct.unpack_from("<HHB", block, position)
            body = block[position + 8 : position + 8 + size]
            position += 8 + size
            count += 1
            if count > MAX_MESSAGES or len(body) != size or flags & ~1:
                message = f"its header is not one that rnnkit writes (message {kind:#x})"
                raise structure_error(payload.where, "objects", path, message)
            if kind == CONTINUED and size == 16:
                blocks.append(struct.unpack("<QQ", body))
            elif kind != NIL:
                found.setdefault(kind, []).append(body)
    return found


def check_allowed(found: Messages, path: str, where: object) -> None:
    """Raise CheckpointError for the messages that lead elsewhere, inflate or add attributes."""
    for kind in found.keys() & _REFUSED.keys():
        rule, message = _REFUSED[kind]
        raise structure_error(where, rule, path, message)


def check_kinds(found: Messages, needed: set[int], path: str, where: object) -> None:
    """Raise CheckpointError unless each needed message is there once and no unknown one is."""
    unknown = found.keys() - needed - {OLD_FILL, FILL}
    if unknown or any(len(found.get(kind, ())) != 1 for kind in needed):
        kinds = " ".join(f"{kind:#x}" for kind in sorted(found))
        message = f"expected an array or a group of rnnkit, received header messages {kinds}"
        raise structure_error(where, "objects", path, message)


def read_extent(found: Messages, path: str, where: object) -> Extent:
    """Return where the bytes of an array lie, from its messages; raises CheckpointError."""
    for body in found.get(LAYOUT, ()):
        _check_layout(body, path, where)
    check_kinds(found, {SHAPE, TYPE, LAYOUT}, path, where)
    address, stored = struct.unpack_from("<QQ", found[LAYOUT][0], 2)
    dtype = _read_type(found[TYPE][0], path, where)
    shape = _read_shape(found[SHAPE][0], path, where)
    # An array without bytes has no place: what stands for its address means nothing.
    extent = Extent(path, dtype, shape, HEADER_SIZE + address if stored else 0)
    if stored != extent.size or (stored and address == NOWHERE):
        received = "none of them" if address == NOWHERE else f"{stored:,}"
        message = f"its shape declares {extent.size:,} bytes, the file stores {received}"
        raise structure_error(where, "layout", path, message)
    return extent


def _check_layout(body: memoryview, path: str, where: object) -> None:
    if len(body) < 18 or body[0] != 3 or body[1] != 1:
        received = _LAYOUTS.get(body[1] if len(body) > 1 else 1, "another version")
        message = f"expected contiguous, received {received}"
        raise structure_error(where, "layout", path, message)


def _read_type(body: memoryview, path: str, where: object) -> str:
    for dtype, encoded in _TYPES.items():
        if body == encoded:
            return dtype
    message = f"expected one of {' '.join(DTYPES)}, received another type"
    raise structure_error(where, "dtype", path, message)


def _read_shape(body: memoryview, path: str, where: object) -> tuple[int, ...]:
    if len(body) < 8 or body[0] != 1 or body[2] > 1:
        raise structure_error(where, "shape", path, "expected a plain shape, received none")
    rank, limited = body[1], body[2]
    if rank > MAX_RANK:
        message = f"expected at most {MAX_RANK} axes, received {rank}"
        raise structure_error(where, "shape", path, message)
    if len(body) != 8 + 8 * rank * (1 + limited):
        raise structure_error(where, "shape", path, "expected one size for each axis")
    sizes = struct.unpack_from(f"<{rank}Q", body, 8)
    if limited and body[8 + 8 * rank :] != body[8 : 8 + 8 * rank]:
        raise structure_error(where, "shape", path, "expected an array that cannot grow")
    return sizes


def read_schema(found: Messages, where: object) -> int:
    """Return the schema from the two attributes of /; raises CheckpointError."""
    text = b"\x13\x01\0\0" + struct.pack("<I", len(FORMAT))
    name = _attribute(b"format", text) + _padded(FORMAT.encode())
    number = _attribute(b"schema", _encode_type(np.dtype("<i8")))
    bodies = sorted(map(bytes, found.get(ATTRIBUTE, [])[:3]), key=len)
    if len(bodies) != 2 or bodies[0] != name or bodies[1][:-8] != number:
        message = f"expected exactly: format = {FORMAT!r}, schema = one 64-bit number"
        raise structure_error(where, "attr", "/", message)
    return int.from_bytes(bodies[1][-8:], "little", signed=True)


def _attribute(name: bytes, encoded: bytes) -> bytes:
    """Encode an attribute that is one value, up to the value itself."""
    scalar = bytes([1, 0, 0, 0, 0, 0, 0, 0])
    sizes = struct.pack("<HHHH", 1, len(name) + 1, len(encoded), len(scalar))
    return sizes + _padded(name + b"\0") + _padded(encoded) + scalar


def _encode_type(dtype: np.dtype[Any]) -> bytes:
    """Encode a little-endian number type as libhdf5 does."""
    bits = 8 * dtype.itemsize
    if dtype.kind == "f":
        info = np.finfo(dtype)
        flags = bytes([0x11, 0x20, bits - 1, 0])
        fields = bytes([info.nmant, info.nexp, 0, info.nmant])
        bias = struct.pack("<I", 2 ** (info.nexp - 1) - 1)
        return flags + struct.pack("<IHH", dtype.itemsize, 0, bits) + fields + bias
    signed = 8 if dtype.kind == "i" else 0
    return bytes([0x10, signed, 0, 0]) + struct.pack("<IHH", dtype.itemsize, 0, bits)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // 8) * 8, b"\0")


_TYPES = {dtype: _padded(_encode_type(np.dtype(dtype))) for dtype in DTYPES}
