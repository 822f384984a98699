"""Where the text of a dataset comes from: files, or the corpus that every Python carries.

A text is read in chunks, as often as it takes, and is the same each time. A small one is in memory;
of a large one only chunks are.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular

LARGE = 64 * 2**20
"""Bytes beyond which a text is not read into memory."""

LIMIT = 2**40
"""The largest text that is read, in bytes."""

CHUNK = 1 << 18
"""Bytes of a large text that are read at once."""

# O_NONBLOCK: what has become a FIFO since its size was asked for does not make this wait.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class SmallText:
    """A text in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def feed(self, digest: hashlib._Hash) -> None:
        """Add all bytes to a digest."""
        digest.update(self._data)

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole text."""
        yield self._data


class LargeText:
    """An open file, from which only chunks are in memory.

    What is read again must have the digest that was read first. A file that was touched since it
    was opened is refused too, since of a part no digest is known.
    """

    def __init__(self, path: Path, files: ExitStack) -> None:
        self._path = path
        try:
            self._fd = os.open(path, _READ)
        except OSError as error:
            raise self._unreadable(error) from error
        files.callback(os.close, self._fd)
        self._state = self._state_now()
        self.sha256 = ""

    def feed(self, digest: hashlib._Hash) -> None:
        """Add all bytes to a digest, and keep their own."""
        own = hashlib.sha256()
        for chunk in self._read():
            own.update(chunk)
            digest.update(chunk)
        self.sha256 = own.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes that were fed; raises DataError where they are others by now."""
        again = hashlib.sha256()
        for chunk in self._read():
            again.update(chunk)
            yield chunk
        self._check(again.hexdigest() == self.sha256)

    def _read(self) -> Iterator[bytes]:
        start, size = 0, self._state[0]
        while start < size:
            try:
                chunk = os.pread(self._fd, min(CHUNK, size - start), start)
            except OSError as error:
                raise self._unreadable(error) from error
            self._check(bool(chunk) and self._state_now() == self._state)
            yield chunk
            start += len(chunk)

    def _state_now(self) -> tuple[int, ...]:
        info = os.fstat(self._fd)
        return info.st_size, info.st_mode, info.st_mtime_ns, info.st_ctime_ns

    def _check(self, same: bool) -> None:
        if not same:
            raise DataError.of(
                "DATA_CHANGING",
                "changed while it was read (wait until it is written, or give a copy)",
                self._path,
            )

    def _unreadable(self, error: OSError) -> DataError:
        return DataError.of("DATA_UNREADABLE", f"cannot read it: {error.strerror}", self._path)


def python_docs() -> SmallText:
    """Return Python's language reference, as `help()` shows it: some 465,000 characters of English.

    It varies a little between versions of Python; the digest in a checkpoint tells.
    """
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    return SmallText("\n".join(topics[name] for name in sorted(topics)).encode())


def open_text(path: Path, files: ExitStack) -> SmallText | LargeText:
    """Return the text of a regular file, open until `files` closes; raises DataError otherwise."""
    if _is_large(path):
        return LargeText(path, files)
    data = bytes(read_regular(path, LARGE, DataError, "DATA"))
    if not data:
        raise DataError.of("DATA_TOO_SHORT", "the file is empty (give it some text)", path)
    return SmallText(data)


def _is_large(path: Path) -> bool:
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return False  # read_regular says why
    return stat.S_ISREG(info.st_mode) and LARGE < info.st_size <= LIMIT
