"""A text too large for memory: read chunk by chunk, several times, and the same each time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnnkit.builtin.datasets.text.cache import encoded
from rnnkit.builtin.datasets.text.tokenfile import CHUNK, Tokens
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import DataError

# O_NONBLOCK: what has become a FIFO since its size was asked for does not make this wait.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class BigText:
    """An open file, from which only chunks are in memory.

    What is read again must have the digest that was read first. A file that was touched since it
    was opened is refused too, since of a part no digest is known.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path, self._fd = path, fd
        self._opened = self._state()
        self._sha256 = ""

    def feed(self, digest: hashlib._Hash) -> None:
        """Add all bytes to a digest, and keep their own."""
        own = hashlib.sha256()
        for chunk in self._read():
            own.update(chunk)
            digest.update(chunk)
        self._sha256 = own.hexdigest()

    def encoded(
        self, tokenizer: Tokenizer, vocabulary: Vocabulary | None, limit: int | None
    ) -> Tokens:
        """Return the tokens from the cache; puts them there first where they are not."""
        size = self._opened[0]
        return encoded(self._sha256, self._chunks, tokenizer, vocabulary, limit, size)

    def _chunks(self) -> Iterator[bytes]:
        again = hashlib.sha256()
        for chunk in self._read():
            again.update(chunk)
            yield chunk
        self._check(again.hexdigest() == self._sha256)

    def _read(self) -> Iterator[bytes]:
        start, size = 0, self._opened[0]
        while start < size:
            try:
                chunk = os.pread(self._fd, min(CHUNK, size - start), start)
            except OSError as error:
                raise _unreadable(self._path, error) from error
            self._check(bool(chunk) and self._state() == self._opened)
            yield chunk
            start += len(chunk)

    def _state(self) -> tuple[int, ...]:
        info = os.fstat(self._fd)
        return info.st_size, info.st_mode, info.st_mtime_ns, info.st_ctime_ns

    def _check(self, same: bool) -> None:
        if not same:
            raise DataError.of(
                "DATA_CHANGING",
                "changed while it was read (wait until it is written, or give a copy)",
                self._path,
            )


@contextmanager
def opened(path: Path) -> Iterator[BigText]:
    """Open a text file for as long as it is read; raises DataError where it cannot be."""
    try:
        fd = os.open(path, _READ)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        yield BigText(path, fd)
    finally:
        os.close(fd)


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError.of("DATA_UNREADABLE", f"cannot read it: {error.strerror}", path)
