"""Files that are compressed, known by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO

from rnnkit.errors import RnnkitError

ENDING = re.compile(r"\.(gz|xz|bz2|zst)$", re.IGNORECASE)


def plain_name(name: str) -> str:
    """Return a file's name without the ending that says how it is compressed."""
    return ENDING.sub("", name)


def decompressed(
    data: bytes, limit: int, error: type[RnnkitError], prefix: str, where: object
) -> bytes:
    """Return what gzip, xz, bzip2 or zstd made smaller; other data as it is.

    Raises `error` with the code <prefix>_COMPRESSED for what cannot be opened, and
    <prefix>_TOO_LARGE beyond `limit` bytes.
    """
    if not is_compressed(data):
        return data
    with opened(io.BytesIO(data), error, prefix, where) as file:
        found = bytes(file.read(limit + 1))
    if len(found) > limit:
        message = f"expected at most {limit:,} bytes once it is opened (cut it into smaller files)"
        raise error.of(f"{prefix}_TOO_LARGE", message, where)
    return found


def is_compressed(start: bytes) -> bool:
    """Tell from its first bytes whether a file is compressed."""
    return any(re.match(mark, start) for mark in _OPENERS)


@contextmanager
def opened_if(
    file: BinaryIO, error: type[RnnkitError], prefix: str, where: object
) -> Iterator[BinaryIO]:
    """Give the plain bytes of a file, compressed or not; raises as `opened`."""
    if not is_compressed(os.pread(file.fileno(), 16, 0)):
        yield file
        return
    with opened(file, error, prefix, where) as plain:
        yield plain


@contextmanager
def opened(
    file: BinaryIO, error: type[RnnkitError], prefix: str, where: object
) -> Iterator[BinaryIO]:
    """Give the plain bytes of a compressed file; raises as `decompressed` while they are read."""
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    opener = next(found for mark, found in _OPENERS.items() if re.match(mark, start))
    try:
        with opener(file) as plain:
            yield plain
    except RnnkitError:
        raise
    except ImportError:
        message = "is compressed by zstd, which this Python cannot open (pip install backports.zstd"
        raise error.of(f"{prefix}_COMPRESSED", f"{message}, or zstd -d it)", where) from None
    except Exception as cause:  # each of the four has errors of its own
        message = f"is compressed, and damaged or cut off: {cause} (bring it anew)"
        raise error.of(f"{prefix}_COMPRESSED", message, where) from None


def _zstd(file: BinaryIO) -> Any:
    try:
        zstd = import_module("compression.zstd")  # of Python 3.14
    except ImportError:
        zstd = import_module("backports.zstd")  # the same for an older one
    return zstd.open(file)


_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    rb"\x1f\x8b\x08": lambda file: gzip.GzipFile(fileobj=file),
    rb"\xfd7zXZ\x00": lzma.open,
    rb"BZh[1-9]1AY&SY": bz2.open,
    rb"\x28\xb5\x2f\xfd": _zstd,
}
