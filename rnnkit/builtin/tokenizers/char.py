"""One id for each character."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rnnkit.builtin.tokenizers._text import (
    PieceStart,
    TextTokenizer,
    decode_utf8,
    unknown_token,
    whole_characters,
)
from rnnkit.contracts.tokenizer import Encoder, Vocabulary
from rnnkit.errors import DataError
from rnnkit.types import Array

CODE_POINTS = 0x110000
ASCII = 128
CONTINUATION = bytes(range(0x80, 0xC0))
"""What follows the first byte of a character in UTF-8."""


class Char(TextTokenizer):
    r"""The characters (code points) of a UTF-8 text, ids in the order of the code points.

    Every line end is read as "\n", and a byte-order mark at the start is dropped; with `verbatim`
    both are characters as they are, and `decode` gives back the very text that `encode` read. With
    `unknown`, such as "<unk>", a character that `fit` did not see becomes that token, which takes
    the last id, or the id of the character where it is itself one of the text.
    """

    type: Literal["char"] = "char"
    unit: ClassVar[str] = "character"

    unknown: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        """Return the characters, and the unknown one; DataError gives the first bad byte."""
        tokens = [
            chr(code)
            for code in np.flatnonzero(_seen(self.pieces(chunks, whole_characters))).tolist()
        ]
        if self.unknown is None:
            return Vocabulary(tokens=tuple(tokens))
        if self.unknown not in tokens:
            tokens.append(self.unknown)
        return Vocabulary(tokens=tuple(tokens), unknown=tokens.index(self.unknown))

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the id of each character; see the contract for what it raises."""
        return self.encoder(vocabulary)(chunks)

    def encoder(self, vocabulary: Vocabulary) -> Encoder:
        """Return `stream` with a table of the ids by code point."""
        table = _table(vocabulary)
        narrow = table[:256].astype(vocabulary.dtype)
        absent = bytes(np.flatnonzero(table[:ASCII] < 0).astype(np.uint8))

        def encode(chunks: Iterable[bytes]) -> Iterator[Array]:
            for piece, start in self.pieces(chunks, whole_characters):
                first, where, codes = _split(piece, start)
                others = table[codes]
                if others.min(initial=0) < 0 or len(first.translate(None, absent)) < len(first):
                    raise _unknown(piece, start, table)
                ids = _translate(first, narrow)
                ids[where] = others
                yield ids

        return encode

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the characters, one after the other."""
        return "".join([vocabulary.tokens[i] for i in ids])

    def spelling(self, text: bytes, vocabulary: Vocabulary) -> list[bytes]:
        """Return the characters; raises DataError for bytes that are not UTF-8."""
        string = decode_utf8(text, PieceStart())
        mark = "" if self.verbatim else string[: string.startswith("\ufeff")]
        found = re.findall("." if self.verbatim else "\r\n|.", string[len(mark) :], re.DOTALL)
        return [(mark * (not i) + each).encode() for i, each in enumerate(found)]

    def head(self, chunks: Iterable[bytes], tokens: int) -> Iterator[bytes]:
        """Yield the first characters."""
        for piece, start in self.pieces(chunks, whole_characters):
            yield from self.begun(start)
            text = decode_utf8(piece, start)
            yield text[:tokens].encode()
            tokens -= len(text)
            if tokens <= 0:
                return


def _code_points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _split(piece: bytes, start: PieceStart) -> tuple[bytes, Array, Array]:
    """Return the first byte of each character; where those outside ASCII are; their code points.

    Python handles bytes five times as fast as NumPy looks up code points.
    """
    if piece.isascii():
        none = np.empty(0, np.intp)
        return piece, none, none
    decode_utf8(piece, start)
    first = piece.translate(None, CONTINUATION)
    where = np.flatnonzero(np.frombuffer(first, np.uint8) >= ASCII)
    return first, where, _code_points(piece.translate(None, bytes(range(ASCII))).decode())


def _translate(text: bytes, table: Array) -> Array:
    if table.itemsize > 1:
        return table[np.frombuffer(text, np.uint8)]
    return np.frombuffer(bytearray(text).translate(table.tobytes()), np.uint8)


def _seen(pieces: Iterable[tuple[bytes, PieceStart]]) -> Array:
    """Return a boolean for each code point."""
    seen, known = np.zeros(CODE_POINTS, bool), bytes(range(ASCII, 256))
    for piece, start in pieces:
        first, _, codes = _split(piece, start)
        seen[codes] = True
        if new := set(first.translate(None, known)):
            seen[list(new)] = True
            known += bytes(new)
    return seen


def _unknown(piece: bytes, start: PieceStart, table: Array) -> DataError:
    text = decode_utf8(piece, start)
    index = int((table[_code_points(text)] < 0).argmax())
    return unknown_token("character", text[index], text[:index], start)


def _table(vocabulary: Vocabulary) -> Array:
    unseen = -1 if vocabulary.unknown is None else vocabulary.unknown
    table = np.full(CODE_POINTS, unseen, np.int32)
    for index, token in enumerate(vocabulary.tokens):
        if len(token) == 1:
            table[ord(token)] = index
    return table
