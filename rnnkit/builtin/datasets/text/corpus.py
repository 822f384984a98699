"""Where the text of a dataset comes from: files, or what every Python carries."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rnnkit.errors import DataError
from rnnkit.files.atomic import open_regular, reading
from rnnkit.files.compressed import is_compressed, opened

LIMIT = 2**40
"""The largest text that is read, in bytes."""

CHUNK = 1 << 18
"""Bytes of a text that are read at once."""

HELD = 1 << 26
"""The most bytes of compressed texts that are kept, so that each is opened once."""


class OpenTexts(ExitStack):
    """The texts of a dataset, open at once; `room` is left for what compressed ones hold."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.room = HELD


@dataclass
class TextDocument:
    """A text, read in chunks as often as it takes, and the same each time.

    What is read again must have the digest that was read first. The `size` of a compressed one is
    that of what it holds once it has been read.
    """

    name: str
    path: Path
    size: int
    read: Callable[[], Iterator[bytes]]
    sha256: str = ""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; raises DataError where they are no longer those of the first time."""
        digest = hashlib.sha256()
        for chunk in self.read():
            digest.update(chunk)
            yield chunk
        self.sha256 = self.sha256 or digest.hexdigest()
        if self.sha256 != digest.hexdigest():
            raise _changing(self.path)


def python_docs() -> TextDocument:
    """Return Python's language reference, as `help()` shows it: some 465,000 characters of English.

    It varies a little between versions of Python; the digest in a checkpoint tells.
    """
    return _embedded("python-docs", "\n".join(_topics()))


def python_prose() -> TextDocument:
    """Return the sentences of the same, a paragraph a line: some 136,000 characters.

    What is mostly names, numbers and signs is left out, as tables, code and headings are, and so is
    what was there before.
    """
    paragraphs = "\n\n".join(_topics()).translate(_PLAIN).split("\n\n")
    lines = dict.fromkeys(" ".join(paragraph.split()) for paragraph in paragraphs)
    return _embedded("python-prose", "".join(f"{line}\n" for line in lines if _is_prose(line)))


EMBEDDED = {"python-docs": python_docs, "python-prose": python_prose}
"""What `source` names."""

_PLAIN = str.maketrans("’—", "'-", '*"“”`')
_SENTENCES = re.compile(r"[A-Z].{40,}\.", re.ASCII)
_PROSE = 0.97
"""The share of letters, spaces, stops, commas and apostrophes in a paragraph of prose."""


def _topics() -> list[str]:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    return [topics[name] for name in sorted(topics)]


def _is_prose(line: str) -> bool:
    plain = len(re.findall(r"[A-Za-z .,']", line))
    return bool(_SENTENCES.fullmatch(line)) and line.isascii() and plain >= _PROSE * len(line)


def _embedded(name: str, text: str) -> TextDocument:
    data = text.encode()
    return TextDocument(name, Path(name), len(data), lambda: iter([data]))


def open_document(root: Path, name: str, files: OpenTexts) -> TextDocument:
    """Return the text of a regular file, open until `files` closes; raises DataError otherwise.

    What is compressed is opened once, or each time that it is read where there is no room for it.
    """
    path = root / name
    fd = open_regular(path, LIMIT, DataError, "DATA")
    files.callback(os.close, fd)
    state = _state(fd)
    size = state[0]
    if not size:
        raise DataError.of("DATA_TOO_SHORT", "the file is empty (give it some text)", path)

    def read() -> Iterator[bytes]:
        start = 0
        while start < size:
            with reading(path, DataError, "DATA"):
                chunk = os.pread(fd, min(CHUNK, size - start), start)
            # Of a part that is read alone no digest is known.
            if not chunk or _state(fd) != state:
                raise _changing(path)
            yield chunk
            start += len(chunk)

    def read_compressed() -> Iterator[bytes]:
        with open(os.dup(fd), "rb") as file, opened(file, DataError, "DATA", path) as plain:
            while chunk := plain.read(CHUNK):
                if _state(fd) != state:
                    raise _changing(path)
                yield chunk

    document = TextDocument(name, path, size, read)
    if is_compressed(os.pread(fd, 16, 0)):
        document.read = lambda: _first(document, read_compressed, files)
    return document


def _first(
    document: TextDocument, read: Callable[[], Iterator[bytes]], files: OpenTexts
) -> Iterator[bytes]:
    """Yield a compressed text as it is opened first; its size, and what is held, are known then."""
    size, held = 0, list[bytes]()
    for chunk in read():
        size += len(chunk)
        held.append(chunk)
        if size > files.room:
            held.clear()
        yield chunk
    files.room -= size if held else 0
    document.size, document.read = size, (lambda: iter(held)) if held else read


def _state(fd: int) -> tuple[int, ...]:
    info = os.fstat(fd)
    return info.st_size, info.st_mode, info.st_mtime_ns, info.st_ctime_ns


def _changing(path: Path) -> DataError:
    message = "changed while it was read (wait until it is written, or give a copy)"
    return DataError.of("DATA_CHANGING", message, path)
