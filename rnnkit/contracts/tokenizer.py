"""The contract of a tokenizer: text to ids and back, by a vocabulary that the checkpoint stores.

A text comes in chunks, cut anywhere, and is never all in memory where that can be helped: `fit`,
`stream` and `head` give for any chunks what they give for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, BinaryIO, ClassVar, TypeAlias

import numpy as np
from pydantic import FailFast

from rnnkit.contracts.returned import of_kind
from rnnkit.core.block import Block, Record
from rnnkit.errors import DataError
from rnnkit.files.marked_text import utf8_chunks, utf8_lines
from rnnkit.types import Array, DType

Encoder: TypeAlias = Callable[[Iterable[bytes]], Iterator[Array]]
"""`Tokenizer.stream` with its vocabulary prepared, for one text after the other."""


class Border(bytes):
    """An empty chunk between two texts: what follows it is not joined to what was before."""


class Vocabulary(Record):
    """Tokens by id; `unknown` is the id that stands for every other token, if there is one."""

    tokens: Annotated[tuple[str, ...], FailFast()]
    unknown: int | None = None

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.tokens)

    @property
    def dtype(self) -> DType:
        """The smallest unsigned integer type for the ids."""
        return np.min_scalar_type(max(self.size - 1, 0))


class Tokenizer(Block):
    """Turns text into ids. `unit` names what one id stands for: character, byte or word.

    A tokenizer gives `fit`, `decode` and either `encode` or `stream`. With `encode` alone it is
    right; with `stream`, a text larger than memory can be encoded too.
    """

    entry_group: ClassVar[str] = "rnnkit.tokenizers"
    unit: ClassVar[str] = "token"

    @property
    def obeys_mark(self) -> bool:
        """Whether text that a byte-order mark calls UTF-16 or UTF-32 is given to it as UTF-8."""
        return False

    def plain(self, text: bytes) -> bytes:
        """Return a text as it is read, with line feeds for other ends of lines, say."""
        return text

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        """Return the vocabulary of a text given in chunks; DataError names the first bad byte."""
        raise NotImplementedError(f"{type(self).__name__}.fit")

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        """Return ids (N,) in the smallest unsigned integer type that fits.

        Raises DataError for bytes that are not text, and for a token outside a vocabulary without
        `unknown`.
        """
        if type(self).stream is Tokenizer.stream:
            raise NotImplementedError(f"{type(self).__name__}.encode")
        return np.concatenate([np.empty(0, vocabulary.dtype), *self.stream([text], vocabulary)])

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the ids that `encode` returns, piece by piece; places in errors are of the text."""
        yield self.encode(b"".join(chunks), vocabulary)

    def encoder(self, vocabulary: Vocabulary) -> Encoder:
        """Return `stream` for one vocabulary; override it where that takes preparation."""
        return lambda chunks: self.stream(chunks, vocabulary)

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the text of the ids."""
        raise NotImplementedError(f"{type(self).__name__}.decode")

    def spelling(self, text: bytes, vocabulary: Vocabulary) -> list[bytes]:
        """Return the part of the text that each of its ids stands for; together they are the text.

        What no id stands for, such as spaces between words, belongs to the id after it. Where it is
        not written, one id at a time is decoded, which shows the text as the model reads it.
        """
        raise NotImplementedError(f"{type(self).__name__}.spelling")

    def head(self, chunks: Iterable[bytes], tokens: int) -> Iterator[bytes]:
        """Yield the part of the text that holds its first tokens.

        Where it is not written, that is what the first ids of the whole text decode to.
        """
        raise NotImplementedError(f"{type(self).__name__}.head")


def as_read(tokenizer: Tokenizer, data: bytes, name: str) -> str:
    """Return a text as it is read; bytes that are no UTF-8 stay, as `surrogateescape` has them.

    Raises DataError for a byte-order mark that the text does not keep to.
    """
    data = b"".join(chunks_as_given(tokenizer, [data], name))
    return _plain(tokenizer, data)


def _plain(tokenizer: Tokenizer, text: bytes) -> str:
    """Return `tokenizer.plain` as text; raises PluginError for what are no bytes."""
    plain = of_kind(tokenizer, "plain", tokenizer.plain(text), bytes, "bytes")
    return plain.decode(errors="surrogateescape")


def chunks_as_given(tokenizer: Tokenizer, chunks: Iterable[bytes], name: str) -> Iterable[bytes]:
    """Return the chunks of a text as the tokenizer is given them; raises as `as_read`."""
    return utf8_chunks(chunks, name) if tokenizer.obeys_mark else chunks


def lines_as_read(tokenizer: Tokenizer, stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield each line of a stream at once, as it is read; raises as `as_read`."""
    for line in utf8_lines(stream, name) if tokenizer.obeys_mark else stream:
        yield _plain(tokenizer, line)


def reads_line_ends(tokenizer: Tokenizer, vocabulary: Vocabulary) -> bool:
    """Tell whether a line feed can be encoded; texts of one line alone hold none."""
    try:
        tokenizer.encode(b"\n", vocabulary)
    except DataError:
        return False
    return True


def line_reader(tokenizer: Tokenizer, vocabulary: Vocabulary) -> Callable[[str], str]:
    """Return what makes of a line what a model reads: without its end, if that is not encoded."""
    if reads_line_ends(tokenizer, vocabulary):
        return lambda line: line
    return lambda line: line.removesuffix("\n")
