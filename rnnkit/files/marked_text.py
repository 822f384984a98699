"""Text as UTF-8 where a byte-order mark says that it is UTF-16 or UTF-32; the mark is taken away.

Data, chunks and lines of a stream without such a mark come as they are; what is no text is refused.
"""

from __future__ import annotations

from codecs import (
    BOM_UTF8,
    BOM_UTF16_BE,
    BOM_UTF16_LE,
    BOM_UTF32_BE,
    BOM_UTF32_LE,
    getincrementaldecoder,
)
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

from rnnkit.errors import DataError
from rnnkit.files.binary_formats import LOOKED, check_text

# The mark of UTF-32 begins with that of UTF-16.
WIDE = {
    BOM_UTF32_LE: "utf-32",
    BOM_UTF32_BE: "utf-32",
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
}


def as_utf8(data: bytes, name: str) -> bytes:
    """Return data as UTF-8 without a mark.

    Raises DataError for a mark that the rest does not keep to, and for a format that is no text.
    """
    check_text(data, name)
    if encoding := _encoding(data):
        with _kept_to(encoding, name):
            return data.decode(encoding).encode()
    return data.removeprefix(BOM_UTF8)


def text_lines(data: bytes, name: str) -> list[bytes]:
    r"""Return the lines as UTF-8, without their ends: "\n", "\r\n" or "\r".

    Raises DataError as `as_utf8` does.
    """
    return as_utf8(data, name).splitlines()  # of bytes, it knows no other line ends


def utf8_chunks(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the chunks of a text as UTF-8; DataError as in `as_utf8`. A UTF-8 mark stays."""
    rest = iter(chunks)
    start = b""
    while len(start) < LOOKED and (chunk := next(rest, b"")):
        start += chunk
    check_text(start, name)
    encoding = _encoding(start)
    if not encoding:
        yield from filter(None, (start,))
        yield from rest
        return
    decoder = getincrementaldecoder(encoding)()
    with _kept_to(encoding, name):
        for chunk in chain((start,), rest):
            yield decoder.decode(chunk).encode()
        decoder.decode(b"", final=True)


def utf8_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield each line of a stream at once, as UTF-8; DataError as in `as_utf8`."""
    line = stream.readline()
    check_text(line, name)
    encoding = _encoding(line)
    if not encoding:
        yield from filter(None, (line,))
        yield from stream
        return
    decoder, text = getincrementaldecoder(encoding)(), ""
    with _kept_to(encoding, name):
        while line:
            text += decoder.decode(line)
            while decoder.getstate()[0] and (byte := stream.read(1)):
                text += decoder.decode(byte)  # of the line feed what comes after its first byte
            *lines, text = text.split("\n")
            yield from (each.encode() + b"\n" for each in lines)
            line = stream.readline()
        text += decoder.decode(b"", final=True)
    yield from filter(None, (text.encode(),))


def _encoding(start: bytes) -> str:
    return next((encoding for mark, encoding in WIDE.items() if start.startswith(mark)), "")


@contextmanager
def _kept_to(encoding: str, name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError:
        message = f"is marked as {encoding.upper()} and is not (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message, name) from None
