"""What the tokenizers of text share: line ends, pieces that can be read alone, UTF-8, places."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rnnkit.contracts.tokenizer import Border, Tokenizer
from rnnkit.errors import DataError, printable
from rnnkit.files.binary_formats import check_text

PIECE = 1 << 18
"""Bytes of a piece, about; what is made of larger ones no longer fits the caches."""


class PieceStart(NamedTuple):
    """Where a piece starts in its text: the byte, and the line and column of its character."""

    byte: int = 0
    line: int = 1
    column: int = 1

    def after(self, piece: bytes) -> PieceStart:
        """Return where the next piece starts."""
        lines = int(np.count_nonzero(np.frombuffer(piece, np.uint8) == ord("\n")))
        last = piece[piece.rfind(b"\n") + 1 :].decode(errors="replace")
        column = len(last) + (1 if lines else self.column)
        return PieceStart(self.byte + len(piece), self.line + lines, column)


class TextTokenizer(Tokenizer):
    r"""A tokenizer of text: a line ends with "\n", whatever ends it in the file, and no mark leads.

    With `verbatim` line ends and a byte-order mark stay as they are, as before version 2.
    """

    version: ClassVar[int] = 2

    verbatim: bool = False

    @classmethod
    def migrate(cls, block: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Return a stored block of an older version, which read everything as it was."""
        return {**block, "verbatim": True}

    @property
    def obeys_mark(self) -> bool:
        """Whether UTF-16 becomes UTF-8; not where all is as it is in the file."""
        return not self.verbatim

    def plain(self, text: bytes) -> bytes:
        r"""Return a text with "\n" for each line end and without a byte-order mark."""
        return text if self.verbatim else _line_ends(text.removeprefix(BOM_UTF8))

    def pieces(
        self, chunks: Iterable[bytes], cut: Callable[[bytes], int]
    ) -> Iterator[tuple[bytes, PieceStart]]:
        """Yield the plain text in pieces that mean the same alone, each with its place.

        `cut` returns where a text may end, whatever follows, and 0 where it may not end yet.
        """
        place, rest = PieceStart(), b""
        done: tuple[bytes, int] | None = None  # looked at where another follows: few do
        for chunk in _small(chunks):
            text = rest + chunk
            border = isinstance(chunk, Border)
            end = len(text) if border else cut(text)
            if not border and not self.verbatim and text[:end].endswith(b"\r"):
                end -= 1  # a line feed may follow
            piece, rest = text[:end], text[end:]
            if piece:
                place = _behind(place, done)
                plain = self._plain(piece, place)
                yield plain, place
                done = plain, len(piece)
            if border:
                place, done = PieceStart(), None
        if rest:
            place = _behind(place, done)
            yield self._plain(rest, place), place

    def begun(self, place: PieceStart) -> Iterator[bytes]:
        """Yield what stands before a text that is read again, in which a mark would be dropped."""
        if place.byte == 0:
            yield Border()
            yield b"" if self.verbatim else BOM_UTF8

    def _plain(self, piece: bytes, place: PieceStart) -> bytes:
        if self.verbatim or not (b"\r" in piece or piece.startswith(BOM_UTF8)):
            return piece
        decode_utf8(piece, place)  # while places in the piece are those in the file
        return _line_ends(piece) if place.byte else self.plain(piece)


def _behind(place: PieceStart, done: tuple[bytes, int] | None) -> PieceStart:
    """Return where the piece starts that follows one at `place`, of so many bytes in its file."""
    if done is None:
        return place
    plain, size = done
    return place.after(plain)._replace(byte=place.byte + size)


def _line_ends(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _small(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if isinstance(chunk, Border):
            yield chunk
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


def whole_characters(text: bytes) -> int:
    """Return where the text may be cut for pieces that end with a whole character."""
    for back in range(1, min(3, len(text)) + 1):
        byte = text[-back]
        if byte >= 0xC0:  # the first of two, three or four bytes
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(text) - back if length > back else len(text)
    return len(text)


def decode_utf8(piece: bytes, place: PieceStart) -> str:
    """Return the text of a piece; raises DataError with the offset of the first bad byte."""
    if not place.byte:
        check_text(piece, "")
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        raise DataError.of(
            "DATA_ENCODING",
            f"byte 0x{piece[error.start]:02x} at offset {place.byte + error.start} is not UTF-8: "
            f'{error.reason} (save the text as UTF-8, or use the tokenizer "byte")',
        ) from None


def unknown_token(kind: str, token: str, before: str, place: PieceStart) -> DataError:
    """Return the error for a token; `before` is what stands before it in the piece."""
    found = place.after(before.encode())
    return DataError.of(
        "DATA_UNKNOWN_TOKEN",
        f'the {kind} "{printable(token)}" at line {found.line}, column {found.column} is not in '
        'the vocabulary (take it out of the text, or train with "unknown": "<unk>" in the '
        "tokenizer)",
    )
