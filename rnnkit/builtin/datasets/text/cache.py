"""A text as ids: those of a small text in memory, those of a large one in the user's cache.

The cache lies in $XDG_CACHE_HOME/rnnkit/tokens, by default ~/.cache/rnnkit/tokens; everything in it
may be removed at any time. Processes need no lock: each writes a file of its own and then gives it
its name, and whichever comes last has written the same bytes. A file there is never changed:

    ids, little-endian | facts, JSON | length of the facts, 8 bytes | SHA-256 of all that, 32 bytes
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple, TypeVar

import numpy as np

from rnnkit.builtin.datasets.text.corpus import TextDocument
from rnnkit.builtin.datasets.text.encoding import fitted, ids_of
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import Record
from rnnkit.errors import StorageError
from rnnkit.types import Array, DType
from rnnkit.version import VERSION

T = TypeVar("T")

LARGE = 64 * 2**20
"""Bytes beyond which the ids of a text are not held in memory."""

FORMAT: Final = 2
CHUNK = 1 << 18
"""Bytes of a token file that are read at once."""

LENGTH, DIGEST = 8, 32

DAY = 24 * 60 * 60
UNUSED = {".tokens": 30 * DAY, ".tmp": DAY}
"""Seconds after which a token file that no run has used goes, and what a killed process left."""

RESIDENT = 64 * 2**20
"""Bytes of a mapping that may stay in memory; the disk cache of the system has them anyway."""

TOUCHED = 128 * 2**10
"""Bytes that a window may bring into memory for each stream: the system maps more than is read."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class Tokens(NamedTuple):
    """Ids (N,) with their vocabulary; `mapped` where they lie in a file on disk.

    `starts` are the places where a document starts.
    """

    vocabulary: Vocabulary
    ids: Array
    starts: tuple[int, ...]
    mapped: mmap.mmap | None = None


class Facts(Record):
    """What a token file says of itself; `key` is the digest of what the ids follow from."""

    format: Literal[2] = FORMAT
    key: str
    vocabulary: Vocabulary
    starts: tuple[int, ...]


def encoded(
    texts: Sequence[TextDocument],
    tokenizer: Tokenizer,
    vocabulary: Vocabulary | None,
    limit: int | None,
) -> Tokens:
    """Return the first `limit` tokens of texts; a given vocabulary replaces a fitted one.

    Those of large texts, whose digests have to be known, are mapped from a token file. Raises
    StorageError where there is no room for it, and DataError with the name of the text.
    """
    # What was encoded with a vocabulary of its own fits a run that goes on with the same one.
    keys = [_key(texts, tokenizer, asked, limit) for asked in (vocabulary, None)]
    large = sum(text.size for text in texts) > LARGE
    for key in keys if large else ():
        found = _look_up(key)
        if found and vocabulary in (None, found.vocabulary):
            return found
    if large and sys.stderr.isatty():
        print("encoding a large text, once for all runs that read it", file=sys.stderr)
    vocabulary = vocabulary or fitted(texts, tokenizer, limit)
    starts: list[int] = []
    pieces = ids_of(texts, tokenizer, vocabulary, limit, starts)
    if not large:
        dtype = vocabulary.dtype
        parts = [np.empty(0, dtype), *(piece.astype(dtype, copy=False) for piece in pieces)]
        return Tokens(vocabulary, np.concatenate(parts), tuple(starts))
    with _new_file(_path(keys[0])) as file:
        return write_tokens(file, keys[0], vocabulary, pieces, starts)


def write_tokens(
    file: BinaryIO,
    key: str,
    vocabulary: Vocabulary,
    pieces: Iterable[Array],
    starts: Sequence[int],
) -> Tokens:
    """Write a token file and map it; ids are as small as the vocabulary."""
    digest, dtype = hashlib.sha256(), _stored(vocabulary)

    def write(data: bytes) -> int:
        digest.update(data)
        return file.write(data)

    size = sum(write(piece.astype(dtype, copy=False).tobytes()) for piece in pieces)
    facts = Facts(key=key, vocabulary=vocabulary, starts=tuple(starts))
    said = facts.model_dump_json().encode()
    write(said + len(said).to_bytes(LENGTH, "little"))
    file.write(digest.digest())
    file.flush()
    return _mapped(file, facts, size)


def forgetting(batches: Iterable[T], mappings: Sequence[mmap.mmap], streams: int) -> Iterator[T]:
    """Yield batches that are read from mappings, and let go of their pages now and then."""
    every = max(1, RESIDENT // (TOUCHED * streams))
    for number, batch in enumerate(batches, 1):
        yield batch
        if number % every == 0:
            for mapped in mappings:
                mapped.madvise(mmap.MADV_DONTNEED)


def _key(
    texts: Sequence[TextDocument],
    tokenizer: Tokenizer,
    vocabulary: Vocabulary | None,
    limit: int | None,
) -> str:
    kind = type(tokenizer)
    parts = (
        FORMAT,
        VERSION,
        [text.sha256 for text in texts],
        f"{kind.__module__}:{kind.__qualname__} {kind.version}",
        tokenizer.model_dump(mode="json"),
        vocabulary and vocabulary.model_dump(mode="json"),
        limit,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _path(key: str) -> Path:
    # A user without a home keeps nothing: below /dev/null there is no file.
    bases = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"), os.devnull)
    base = next(filter(os.path.isabs, bases))
    return Path(base, "rnnkit", "tokens", f"{key}.tokens")


def _look_up(key: str) -> Tokens | None:
    """Map a token file of this user, and note that it is in use; None where none is whole."""
    with suppress(OSError, ValueError), open(os.open(_path(key), _READ), "rb") as file:
        info = os.fstat(file.fileno())
        if stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid():
            found = _read_tokens(file, info.st_size - DIGEST, key)
            with suppress(OSError):
                os.utime(file.fileno())
            return found
    return None


def _read_tokens(file: BinaryIO, end: int, key: str) -> Tokens | None:
    """Map a token file; None or a ValueError for what is damaged, or of another key."""
    digest = hashlib.sha256()
    for start in range(0, end, CHUNK):
        digest.update(os.pread(file.fileno(), min(CHUNK, end - start), start))
    if end < LENGTH or digest.digest() != os.pread(file.fileno(), DIGEST, end):
        return None
    length = int.from_bytes(os.pread(file.fileno(), LENGTH, end - LENGTH), "little")
    size = end - LENGTH - length
    if size < 0:
        return None
    facts = Facts.model_validate_json(os.pread(file.fileno(), length, size))
    return _mapped(file, facts, size) if facts.key == key else None


def _mapped(file: BinaryIO, facts: Facts, size: int) -> Tokens:
    dtype = _stored(facts.vocabulary)
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    ids = np.frombuffer(mapped, dtype, size // dtype.itemsize)
    return Tokens(facts.vocabulary, ids, facts.starts, mapped)


def _stored(vocabulary: Vocabulary) -> DType:
    return vocabulary.dtype.newbyteorder("<")


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a private file that takes its name when it is whole; nameless where none can be kept."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(path.parent)
        fd, name = tempfile.mkstemp(".tmp", dir=path.parent)
    except OSError:
        with _no_room(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
            yield file
        return
    try:
        with _no_room(path.parent), open(fd, "w+b") as file:
            yield file
            os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


@contextmanager
def _no_room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError.of(
            "IO_CACHE",
            f"cannot write the encoded text: {error.strerror} (free some space there, or set "
            "XDG_CACHE_HOME to a folder on another disk)",
            folder,
        ) from error


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > UNUSED.get(path.suffix, float("inf")):
                path.unlink()
