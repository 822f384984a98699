"""Token files: the ids of a text, encoded once and mapped into memory.

    ids, little-endian | facts, JSON | length of the facts, 8 bytes | SHA-256 of all that, 32 bytes

A file is written once, under another name, and never changed. Only one that is whole is used.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final, Literal, NamedTuple, TypeVar

import numpy as np

from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.block import Record
from rnnkit.types import Array, DType

T = TypeVar("T")

FORMAT: Final = 1
CHUNK = 1 << 18
"""Bytes of a token file that are read at once."""

LENGTH, DIGEST = 8, 32

RESIDENT = 64 * 2**20
"""Bytes of a mapping that may stay in memory; the disk cache of the system has them anyway."""

TOUCHED = 128 * 2**10
"""Bytes that a window may bring into memory for each stream: the system maps more than is read."""


class Tokens(NamedTuple):
    """Ids (N,) with their vocabulary; `mapped` where they lie in a file on disk."""

    vocabulary: Vocabulary
    ids: Array
    mapped: mmap.mmap | None = None


class Facts(Record):
    """What a token file says of itself; `key` is the digest of what the ids follow from."""

    format: Literal[1] = FORMAT
    key: str
    vocabulary: Vocabulary


def write_tokens(
    file: BinaryIO, key: str, vocabulary: Vocabulary, pieces: Iterable[Array]
) -> Tokens:
    """Write a token file, on disk or in memory, and map it; ids are as small as the vocabulary."""
    digest, dtype = hashlib.sha256(), _stored(vocabulary)

    def write(data: bytes) -> int:
        digest.update(data)
        return file.write(data)

    size = sum(write(piece.astype(dtype, copy=False).tobytes()) for piece in pieces)
    facts = Facts(key=key, vocabulary=vocabulary).model_dump_json().encode()
    write(facts + len(facts).to_bytes(LENGTH, "little"))
    file.write(digest.digest())
    file.flush()
    return _mapped(file, vocabulary, size)


def read_tokens(file: BinaryIO, key: str) -> Tokens | None:
    """Map a token file; None for what is damaged, something else, or of another key."""
    end = os.fstat(file.fileno()).st_size - DIGEST
    if end < LENGTH or _digest(file, end) != os.pread(file.fileno(), DIGEST, end):
        return None
    length = int.from_bytes(os.pread(file.fileno(), LENGTH, end - LENGTH), "little")
    size = end - LENGTH - length
    if size < 0:
        return None
    try:
        facts = Facts.model_validate_json(os.pread(file.fileno(), length, size))
    except ValueError:
        return None
    return _mapped(file, facts.vocabulary, size) if facts.key == key else None


def forgetting(batches: Iterable[T], mappings: Sequence[mmap.mmap], streams: int) -> Iterator[T]:
    """Yield batches that are read from mappings, and let go of their pages now and then."""
    every = max(1, RESIDENT // (TOUCHED * streams))
    for number, batch in enumerate(batches, 1):
        yield batch
        if number % every == 0:
            for mapped in mappings:
                mapped.madvise(mmap.MADV_DONTNEED)


def _stored(vocabulary: Vocabulary) -> DType:
    return vocabulary.dtype.newbyteorder("<")


def _mapped(file: BinaryIO, vocabulary: Vocabulary, size: int) -> Tokens:
    dtype = _stored(vocabulary)
    if isinstance(file, io.BytesIO):
        return Tokens(vocabulary, np.frombuffer(file.getbuffer(), dtype, size // dtype.itemsize))
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return Tokens(vocabulary, np.frombuffer(mapped, dtype, size // dtype.itemsize), mapped)


def _digest(file: BinaryIO, end: int) -> bytes:
    digest = hashlib.sha256()
    for start in range(0, end, CHUNK):
        digest.update(os.pread(file.fileno(), min(CHUNK, end - start), start))
    return digest.digest()
